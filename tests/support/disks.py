"""Disks of a few MiB, of several kinds, mounted for as long as a test runs. Needs root and the kind's own mkfs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.left_out import leave_out

MEBIBYTE = 1024 * 1024
MAKE = {"ext4": ["-m", "0"], "xfs": [], "btrfs": []}
HERE = "here"
PACKAGES = {"ext4": "e2fsprogs", "xfs": "xfsprogs", "btrfs": "btrfs-progs"}


@contextmanager
def mounted(folder: Path, kind: str, mebibytes: int) -> Iterator[Path]:
    """A disk of this kind below `folder`, whose image takes only what is written to it."""
    place, image = folder / "disk", folder / "image"
    place.mkdir()
    if kind == "tmpfs":
        mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "linarite-test", str(place)]
    else:
        _make(image, kind, mebibytes)
        mount = ["mount", "-o", "loop", str(image), str(place)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        leave_out(f"nothing may be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        image.unlink(missing_ok=True)


@contextmanager
def placed(folder: Path, kind: str) -> Iterator[Path]:
    """A folder on the disk that `folder` is on (`here`), or on one of this kind that is mounted below it."""
    if kind == HERE:
        yield folder
        return
    with mounted(folder, kind, 512) as place:
        yield place


def _make(image: Path, kind: str, mebibytes: int) -> None:
    command = shutil.which(f"mkfs.{kind}", path="/usr/sbin:/sbin:/usr/bin")
    if command is None:
        leave_out(f"there is no mkfs.{kind} here (Debian's {PACKAGES[kind]})")
    with image.open("wb") as file:
        file.truncate(mebibytes * MEBIBYTE)
    subprocess.run([command, "-q", *MAKE[kind], str(image)], check=True, capture_output=True)
