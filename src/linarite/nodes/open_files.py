"""The limit of open files (RLIMIT_NOFILE): the server raises its own, and what it starts has the one that it was given.

A connection needs descriptors, so the server wants many. Programs that use select(2) break above 1,024, which is why
shells and systemd give a low soft limit and a high hard one. Source: getrlimit(2); systemd.exec(5), LimitNOFILE.
"""

from __future__ import annotations

import resource
from collections.abc import Sequence
from contextlib import suppress

_SHELL = "/bin/sh"
_lowered = 'ulimit -S -n "$0" && exec /usr/bin/env -u PWD -u OLDPWD -u SHLVL -u _ "$@"'
"""Shells export variables of their own, bash SHLVL as it becomes a command: the environment is what it was, too."""
_given: list[int] = []
"""The soft limit that the process was started with, once it was raised."""


def raise_own() -> None:
    """Raise this process's soft limit to the hard one, for as long as it lives; as it was where that is refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError):  # the hard limit is above what the kernel gives any more (fs.nr_open)
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            _given[:] = [soft]


def as_given(words: Sequence[str]) -> list[str]:
    """The words of a command that this process starts, with which it has the limit that this process was given.

    A limit belongs to the whole process and neither `posix_spawn` nor a thread can start a child with another, so that
    a shell sets it and becomes the command: the child's number is the command's.
    """
    return [_SHELL, "-c", _lowered, str(_given[0]), *words] if _given else [*words]
