"""Which file systems are this machine's own: what the kernel has of them at hand is opened without asking anyone.

A share may be on NFS, or be what another program serves (FUSE). There each open(2) is a question to others, who may
never answer; and so is to look where a folder is. That is found out where one may wait, and known for some seconds.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "f2fs", "zfs", "overlay"})
SECONDS = 10.0
"""For which it is known: somebody may mount something else in the place of a folder."""
_MOST = 1024
_known: dict[str, tuple[str, float]] = {}


def look(folder: str) -> None:
    """Find out on which file system a folder is. May wait. One that is not there is not known."""
    if _kind_known(folder) is not None:
        return
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        found = kind(descriptor)
    finally:
        os.close(descriptor)
    if len(_known) >= _MOST:
        _known.clear()
    _known[folder] = found, time.monotonic() + SECONDS


def opens_at_once(folder: str, flags: int) -> bool:
    """Whether to open what the kernel has at hand of this folder waits for nobody; False as well when it is not known.

    The layers of a container copy a whole file when it is opened to be written for the first time.
    """
    name = _kind_known(folder)
    return name in LOCAL and (name != "overlay" or flags & os.O_ACCMODE == os.O_RDONLY)


def kind(descriptor: int) -> str:
    """The name of the file system that an open file is on; "" when the kernel does not tell."""
    try:
        facts = Path(f"/proc/self/fdinfo/{descriptor}").read_text().split()
        mount = facts[facts.index("mnt_id:") + 1]
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except (OSError, ValueError, IndexError):
        return ""
    found = (line.partition(" - ")[2].split() for line in lines if line.split()[0] == mount)
    return next((words[0] for words in found if words), "")


def _kind_known(folder: str) -> str | None:
    found = _known.get(folder)
    return found[0] if found is not None and time.monotonic() < found[1] else None
