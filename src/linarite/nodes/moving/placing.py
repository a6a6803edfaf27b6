"""Putting a file into a task's folder: whole or not at all, never outside it, with the mode that was asked for."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from linarite.nodes.environment import stays_below
from linarite.nodes.moving.errors import MovingError, Stop, disk_errors

MODE = 0o770
"""Azure Batch's default mode of a resource file on Linux."""

_serial = itertools.count()


def place(wd: str, path: str, mode: int | None, chunks: Iterable[bytes], stop: Stop) -> None:
    """Write the file `path` below the folder `wd`. Raises MovingError, CancelledMoveError and what `chunks` raises."""
    if not stays_below(path):
        raise MovingError("fetch-path", f"The file path {path!r} leaves the working directory.", {"FilePath": path})
    with _parent(wd, path) as (folder, name):
        temporary = f".fetch-{os.getpid()}-{next(_serial)}"
        try:
            _write(folder, temporary, path, mode, chunks, stop)
            with disk_errors(path):
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)


@contextmanager
def _parent(wd: str, path: str) -> Iterator[tuple[int, str]]:
    """Open the folder of `path` below `wd`, making it where it lacks and following no link."""
    *parents, name = [part for part in path.split("/") if part not in ("", ".")]
    with disk_errors(path):
        folder = os.open(wd, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        for parent in parents:
            folder = _enter(folder, parent)
    try:
        yield folder, name
    finally:
        os.close(folder)


def _enter(folder: int, name: str) -> int:
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o770, dir_fd=folder)
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
    finally:
        os.close(folder)


def _write(folder: int, name: str, path: str, mode: int | None, chunks: Iterable[bytes], stop: Stop) -> None:
    with disk_errors(path):
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        for chunk in chunks:
            stop.check()
            with disk_errors(path):
                _write_whole(file, chunk)
        os.fchmod(file, MODE if mode is None else mode & 0o777)
    finally:
        os.close(file)


def _write_whole(file: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(file, view) :]
