"""Who may reach what: the folders that a task's user must traverse, and the privileges that a host gives up."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38


class UnreachableFolderError(Exception):
    """A task's user could not reach its folders: `folder` blocks the way."""

    def __init__(self, folder: Path, uid: int) -> None:
        """Name the folder in the way and what would open it."""
        super().__init__(
            f"Tasks run as uid {uid}, which cannot pass through {folder}: it lacks the execute permission for others. "
            f"Run `chmod o+x {folder}`, or choose a data folder elsewhere (for example below /var/lib)."
        )
        self.folder = folder


def check_reachable(data: Path, uid: int) -> None:
    """Check that `uid` (and the group of that number) can traverse to `data`. Raises UnreachableFolderError, OSError.

    Only traversal is needed: the folders above may stay unreadable.
    """
    whole = data.resolve(strict=True)
    for folder in [*reversed(whole.parents), whole]:
        if not _passes(folder.stat(), uid):
            raise UnreachableFolderError(folder, uid)


def _passes(facts: os.stat_result, uid: int) -> bool:
    if uid == 0:
        return True
    if facts.st_uid == uid:
        return bool(facts.st_mode & stat.S_IXUSR)
    if facts.st_gid == uid:
        return bool(facts.st_mode & stat.S_IXGRP)
    return bool(facts.st_mode & stat.S_IXOTH)


def drop_privileges(uid: int, gid: int | None = None) -> None:
    """Become `uid`, in one group, for ever, this process and all that it starts. Raises OSError.

    The group is the one of the user's number, unless `gid` says another.
    """
    group = uid if gid is None else gid
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(uid, uid, uid)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_mask(*, alone: bool) -> None:
    """Let others than the owner do nothing with new files; their group may when it is of this account `alone`.

    An account's users share its group. Without root the group is the server's, which others may be in.
    """
    os.umask(0o007 if alone else 0o077)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent ends. Raises OSError."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
