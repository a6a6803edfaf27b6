"""Making and removing folders on a node, with the privileges of the host.

Removal is two steps: the folder is moved out of the way at once, so that its name is free; then its files go slowly,
because a file system in which many files were just deleted makes new ones slowly.
"""

from __future__ import annotations

import itertools
import logging
import os
import queue
import stat
import threading
from collections.abc import Iterable
from contextlib import suppress

from linarite.engine.packages import Package
from linarite.nodes.environment import NODE_FOLDERS

FOLDER_MODE = 0o770
"""What of it is left says the mask of the process, see `access.set_mask`."""
SLICE = 32
"""Files removed between two pauses."""
PAUSE = 0.05
"""Seconds."""
LOOKS = 5
"""So many looks in a row that find nothing to remove are the last, each a pause later than the one before."""

_log = logging.getLogger(__name__)
_serial = itertools.count()


def make_folder(path: str, owner: int | None) -> None:
    """Make the folder and its parents where they lack, for the user `owner` (None: our own). Raises OSError."""
    try:
        _make_one(path, owner)
    except FileNotFoundError:
        make_folder(os.path.dirname(path), owner)
        _make_one(path, owner)


def _make_one(path: str, owner: int | None) -> None:
    try:
        os.mkdir(path, FOLDER_MODE)
    except FileExistsError:
        return
    if owner is not None:
        os.chown(path, owner, owner, follow_symlinks=False)


def make_node(root: str, owner: int | None) -> None:
    """Make the folders of the node at `root`. Raises OSError."""
    for name in NODE_FOLDERS:
        make_folder(f"{root}/{name}", owner)


def not_there(packages: Iterable[Package], root: str) -> tuple[Package, ...]:
    """Of these packages those that the node at `root` does not have; what is no package it never has."""
    return tuple([one for one in packages if not one.digest or not os.path.isdir(f"{root}/{one.directory}")])


def _unique() -> str:
    return f"{os.getpid()}-{next(_serial)}"


class Sweeper:
    """Removes folders in a thread of its own, slowly, following no link."""

    def __init__(self) -> None:
        """Nothing runs until there is something to remove."""
        self._trash: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pause = threading.Event()
        self._removed = 0

    def discard(self, path: str, trash: str, keep: str) -> None:
        """Move `path` into the folder `trash` and remove it there in the background; a path that is gone is no error.

        Parents that this leaves empty go too, up to `keep` and not with it. Raises OSError.
        """
        with suppress(FileExistsError):
            os.mkdir(trash, FOLDER_MODE)
        with suppress(FileNotFoundError):
            os.rename(path, f"{trash}/{_unique()}")
        _remove_empty(os.path.dirname(path), keep)
        self.sweep(trash)

    def sweep(self, trash: str) -> None:
        """Empty the folder `trash` in the background."""
        self._trash.put(trash)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="sweep", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            trash = self._trash.get()
            try:
                self._empty(trash)
            except OSError as error:
                _log.warning("%s cannot be emptied: %s", trash, error)

    def _empty(self, trash: str) -> None:
        folder = os.open(trash, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            # What cannot be removed stays for a host of another user, who may just be at it: so a few more looks.
            vain = 0
            while vain < LOOKS and (names := os.listdir(folder)):
                before = self._removed
                for name in names:
                    with suppress(OSError):
                        self._remove(name, folder)
                vain = 0 if self._removed > before else vain + 1
                self._pause.wait(PAUSE * vain)
        finally:
            os.close(folder)

    def _remove(self, name: str, trash: int) -> None:
        """Remove the file or folder `name` in `trash`. Folders in it move up first, so that no depth is too deep."""
        if not stat.S_ISDIR(os.lstat(name, dir_fd=trash).st_mode):
            self._unlink(name, trash)
            return
        _open_up(name, trash)
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=trash)
        try:
            for below in os.listdir(folder):
                if stat.S_ISDIR(os.lstat(below, dir_fd=folder).st_mode):
                    _open_up(below, folder)
                    os.rename(below, _unique(), src_dir_fd=folder, dst_dir_fd=trash)
                else:
                    self._unlink(below, folder)
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=trash)
        self._count()

    def _unlink(self, name: str, folder: int) -> None:
        os.unlink(name, dir_fd=folder)
        self._count()

    def _count(self) -> None:
        self._removed += 1
        if self._removed % SLICE == 0:
            self._pause.wait(PAUSE)


def _open_up(name: str, folder: int) -> None:
    """Make a folder that its task closed removable."""
    # Root needs no permission, and must not follow a link that a task puts in the folder's place just now.
    if os.geteuid() != 0:
        with suppress(PermissionError):  # another user's of the account, who may have left it open
            os.chmod(name, FOLDER_MODE, dir_fd=folder)


def _remove_empty(folder: str, keep: str) -> None:
    while folder.startswith(f"{keep}/"):
        try:
            os.rmdir(folder)
        except OSError:
            return
        folder = os.path.dirname(folder)
