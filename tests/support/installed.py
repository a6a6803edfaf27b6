"""Other people's programs that tests run: installed once into a cache folder, from lock files, for all workers."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

INSTALL_SECONDS = 900.0


def npm_packages(name: str, recipe: Path) -> Path:
    """The folder in which `node_modules` has what `recipe`'s package-lock.json names."""

    def install(folder: Path) -> None:
        for file in ("package.json", "package-lock.json"):
            shutil.copy(recipe / file, folder / file)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)

    return _installed(name, recipe / "package-lock.json", install)


def pip_packages(name: str, lock: Path) -> Path:
    """The interpreter of an environment that has what the file names, by its hashes."""

    def install(folder: Path) -> None:
        _run([sys.executable, "-m", "venv", "--clear", str(folder / "venv")], folder)
        pip = [str(folder / "venv/bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
        _run([*pip, "--require-hashes", "--no-deps", "-r", str(lock)], folder)

    return _installed(name, lock, install) / "venv/bin/python"


def _installed(name: str, lock_file: Path, install: Callable[[Path], None]) -> Path:
    """The folder of a name, made anew when its lock file is another than the last time."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "linarite-tests" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done, wanted = folder / "installed", lock_file.read_bytes()
        if not done.exists() or done.read_bytes() != wanted:
            install(folder)
            done.write_bytes(wanted)
    return folder


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
