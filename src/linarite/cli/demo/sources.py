"""What the demo works on: modules of the standard library that runs it, and a Python that tasks can run."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import sysconfig
from pathlib import Path

ENOUGH = 240
LARGEST = 256 * 1024
LEFT_OUT = {"test", "tests", "site-packages", "lib2to3", "idlelib", "__pycache__", "__phello__"}


def modules() -> list[Path]:
    """Source files of the standard library, the top level first, at most ENOUGH of them."""
    home = Path(sysconfig.get_paths()["stdlib"])
    found = sorted(home.glob("*.py"))
    for package in sorted(path for path in home.iterdir() if path.is_dir() and path.name not in LEFT_OUT):
        found += sorted(package.glob("*.py"))
    return [path for path in found if 0 < path.stat().st_size <= LARGEST][:ENOUGH]


def python_for_tasks() -> str:
    """An interpreter that an unprivileged user can run: ours, else the system's. SystemExit when there is none."""
    candidates = [os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"]
    for path in [*candidates, shutil.which("python3") or ""]:
        if path and reachable(os.path.realpath(path)):
            return path
    message = (
        "No python3 that tasks could run: as root they run as another user, and this Python is in a private folder."
    )
    raise SystemExit(f"{message}\nInstall the system's python3, or run the demo as an ordinary user.")


def reachable(path: str) -> bool:
    """Tell whether the tasks' user may run the file: everyone, when we are root and tasks are somebody else's."""
    if os.geteuid() != 0:
        return os.access(path, os.X_OK)
    try:
        folders = all(os.stat(parent).st_mode & stat.S_IXOTH for parent in Path(path).parents)
        return folders and bool(os.stat(path).st_mode & stat.S_IXOTH)
    except OSError:
        return False
