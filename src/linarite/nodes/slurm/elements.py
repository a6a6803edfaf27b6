"""A run as a shell script: what an element of a Slurm job array reads on its machine.

The shell itself sets no variable of the run's, since a name may be one that it or the wrapper has a use for: they are
words of env.

Source: the wrapper, which says what an element is; POSIX, Shell Command Language.
"""

from __future__ import annotations

import math
import os
from shlex import quote

from linarite.engine.launching import Launch
from linarite.nodes.environment import DEFAULT_PATH, run_environment
from linarite.nodes.processes import CannotStartError
from linarite.nodes.starting import stream_path, words_of

_LONGEST, _MOST = 128 * 1024, 2 * 1024 * 1024 - 64 * 1024
"""Bytes of one string that a program is given, and of all of them with their pointers; Slurm's own come on top."""


def element(launch: Launch, root: str, path: str = DEFAULT_PATH) -> bytes:
    """The script of a run in the node folder `root`. Raises CannotStartError for what no process can be given.

    `path` is where programs are looked for, unless the launch says so itself.
    """
    directory = f"{root}/{launch.directory}"
    wd = f"{directory}/wd"
    limit = 0 if launch.time_limit is None else max(1, math.ceil(launch.time_limit))
    cwd = wd if launch.working_directory is None else os.path.join(wd, launch.working_directory)
    environment = {**run_environment(launch, root, directory), "PATH": path, **_own_path(launch)}
    words = words_of(launch)
    given = [*(f"{name}={value}" for name, value in environment.items()), "/usr/bin/setsid", "--", *words]
    lines = [
        f"# {launch.run} {limit}",
        f"cd {quote(cwd)} 2>/dev/null || cannot failed {quote(f'The working directory {cwd!r} cannot be entered.')}",
        *_streams(launch, directory, wd),
        f"program {quote(words[0])} {quote(environment['PATH'])} || cannot command-not-found {_not_found(words[0])}",
        "set -- " + " ".join(map(quote, given)),
        "",
    ]
    _check(given)
    return os.fsencode("\n".join(lines))


def _check(given: list[str]) -> None:
    """Refuse what no process can be given. Source: man page execve(2), 'Limits on size of arguments'."""
    try:
        strings = list(map(os.fsencode, given))
    except UnicodeEncodeError as error:
        raise CannotStartError("command-invalid", f"The command line or its environment is no text: {error}.") from None
    if any(b"\0" in string for string in strings):
        raise CannotStartError("command-invalid", "The command line or its environment holds a NUL.")
    if max(map(len, strings)) >= _LONGEST or sum(len(string) + 9 for string in strings) > _MOST:
        raise CannotStartError("command-invalid", "The command line and its environment are too long.")


def _own_path(launch: Launch) -> dict[str, str]:
    return {"PATH": launch.environment["PATH"]} if "PATH" in launch.environment else {}


def _streams(launch: Launch, directory: str, wd: str) -> list[str]:
    """Open the standard streams; one that cannot be opened is told of."""
    source = "/dev/null" if launch.stdin is None else stream_path(wd, launch, launch.stdin)
    output = f"{directory}/stdout.txt" if launch.stdout is None else stream_path(wd, launch, launch.stdout)
    error = f"{directory}/stderr.txt" if launch.stderr is None else stream_path(wd, launch, launch.stderr)
    begun = ">>" if launch.keeps_output else ">"
    lines = [_tried("standard input", "<", source)] if launch.stdin is not None else []
    lines.append(_tried("standard output", begun, output))
    if launch.stderr is None or launch.stderr != launch.stdout:
        lines += [_tried("standard error", begun, error), f"exec 2>>{quote(error)}"]
        return [*lines, f"exec <{quote(source)} >>{quote(output)}"]
    return [*lines, f"exec <{quote(source)} >>{quote(output)} 2>&1"]


def _tried(what: str, sign: str, path: str) -> str:
    """A file that is opened, and emptied where that is wanted, by what does not end the shell when it fails."""
    return f"true {sign}{quote(path)} 2>/dev/null || cannot failed {quote(f'The {what} {path!r} cannot be opened.')}"


def _not_found(name: str) -> str:
    return quote(f"The program {name!r} was not found on the task's PATH.")
