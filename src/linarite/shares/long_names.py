"""The whole of names that are cut on disk, each under the digest at the end of the cut one, and their end.

A start looks through the tree: the name of no file is put aside, and is gone when the next start finds it unused again.
Whoever asks for one that was put aside (something moved while the tree was looked through) has it back.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from contextlib import suppress

from linarite.fs import Beneath

_CUT = re.compile(r".+~([0-9a-f]{40})", re.DOTALL)
_DIGEST = re.compile(r"[0-9a-f]{40}")
_ASIDE = ".unused"
_ABANDONED_SECONDS = 3600


def digest_of(name: str) -> str:
    """What a name is kept under."""
    return hashlib.sha256(name.encode()).hexdigest()[:40]


def cut(disk: str) -> str | None:
    """The digest at the end of a name that looks like a cut one."""
    match = _CUT.fullmatch(disk) if disk[-41:-40] == "~" else None
    return match[1] if match else None


class LongNames:
    """Names of all shares below `root`, in its folder `.names`, which is made when first needed."""

    def __init__(self, root: str) -> None:
        self._root, self._folder = root, f"{root}/.names"

    def whole(self, digest: str) -> str | None:
        """The whole name, if it is known."""
        path = f"{self._folder}/{digest}"
        for _ in range(2):
            with suppress(FileNotFoundError), open(path, "rb") as file:
                return file.read().decode()
            if not self._take_back(digest):
                return None
        return None

    def keep(self, name: str) -> None:
        """Remember a name, durably, before it is used on disk."""
        path = f"{self._folder}/{digest_of(name)}"
        if self._take_back(digest_of(name)) or os.path.exists(path):
            return
        if not os.path.isdir(self._folder):
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            Beneath(self._root).sync()
        draft = f"{path}.{uuid.uuid4().hex}"
        try:
            with open(draft, "wb") as file:
                file.write(name.encode())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError:  # a disk that is full
            with suppress(FileNotFoundError):
                os.unlink(draft)
            raise
        Beneath(self._folder).sync()

    def sweep(self) -> None:
        """Put aside what no name on disk bears, and forget what was aside already and still is.

        Nothing where some of the tree cannot be read: it may be borne there.
        """
        aside = f"{self._folder}/{_ASIDE}"
        with suppress(FileNotFoundError, PermissionError):
            self._drop_drafts()
            known, before = {name for name in os.listdir(self._folder) if _DIGEST.fullmatch(name)}, self._aside()
            if not known and not before:
                return
            used = {cut(entry.name.rpartition("/")[2]) or "" for entry in Beneath(self._root).walk(whole=True)}
            os.makedirs(aside, mode=0o700, exist_ok=True)
            for name in known - used:
                with suppress(FileNotFoundError):
                    os.rename(f"{self._folder}/{name}", f"{aside}/{name}")
            for name in before - used:
                with suppress(FileNotFoundError):
                    os.unlink(f"{aside}/{name}")
            for name in before & used:
                self._take_back(name)

    def _drop_drafts(self) -> None:
        """What a crash left of a name that was being written, long ago."""
        for entry in os.scandir(self._folder):
            if entry.name != _ASIDE and not _DIGEST.fullmatch(entry.name):
                with suppress(FileNotFoundError):
                    if time.time() - entry.stat().st_mtime > _ABANDONED_SECONDS:
                        os.unlink(entry.path)

    def _aside(self) -> set[str]:
        try:
            return set(os.listdir(f"{self._folder}/{_ASIDE}"))
        except FileNotFoundError:
            return set()

    def _take_back(self, digest: str) -> bool:
        """Whether it had been put aside."""
        try:
            os.rename(f"{self._folder}/{_ASIDE}/{digest}", f"{self._folder}/{digest}")
        except FileNotFoundError:
            return False
        Beneath(self._folder).sync()
        return True
