"""Starting this Python as a user without rights: where it lies in a folder of root's alone, in a view that opens it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.support.left_out import leave_out
from tests.support.slurm import unprivileged_user

_VIEW = """
kept=$1 closed=$2 user=$3; shift 3
mount --bind "$kept" /mnt && mount -t tmpfs -o mode=755 tmpfs "$closed" && mkdir -p "$kept" && mount --move /mnt "$kept"
exec setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --bounding-set=-all --inh-caps=-all "$@"
"""
"""A view of this machine in which nothing but Python is left of the folder that is closed."""


@cache
def ordinary() -> tuple[str, ...]:
    """Words before a command that have it done by a user without rights; none where that is oneself."""
    user = unprivileged_user()
    if user is None:
        return ()
    words: tuple[str, ...] = ("setpriv", f"--reuid={user}", f"--regid={user_group(user)}", "--clear-groups")
    if (closed := _closed(Path(os.path.realpath(sys.executable)))) is not None:
        words = ("unshare", "--mount", "sh", "-ec", _VIEW, "-", sys.base_prefix, str(closed), user)
    done = subprocess.run(
        [*words, sys.executable, "-c", "import linarite"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        leave_out(f"no user but root can start {sys.executable} here: {done.stderr[-300:]}")
    return words


def user_group(user: str) -> int:
    """The number of the group that is theirs first."""
    return int(subprocess.run(["id", "-g", user], check=True, capture_output=True, text=True).stdout)


def _closed(path: Path) -> Path | None:
    """The topmost folder above a file that others cannot pass through."""
    return next((one for one in reversed(path.parents) if not one.stat().st_mode & stat.S_IXOTH), None)
