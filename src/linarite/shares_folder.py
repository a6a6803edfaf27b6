"""The folder of the file shares: the data folder's own, or one that the settings name; whose, and which, it is.

A folder that the settings name bears the data folder's identity, so that neither another server's folder is taken, nor
the empty one below a file system that is not mounted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from linarite.data import DataFolder
from linarite.engine.ports import Transaction
from linarite.nodes.places import ARCHIVES
from linarite.refusal import Refused

IDENTITY = ".identity"
"""The file in it that names the data folder it goes with; no account is called so."""
_TAKEN = frozenset({"server", "tls", "nodes", "hosts", "slurm", ARCHIVES})
"""What else stands in the data folder and in the cluster's shared one."""
_DOCUMENT = ("server", "shares folder", 0)


class SharesFolder:
    """Where file shares are by the settings, and that they are those which the store's records tell of."""

    def __init__(self, data: DataFolder, chosen: Path | None, shared: Path | None) -> None:
        """`chosen` is the folder in the settings, `shared` the one that the machines of a cluster share."""
        self._data, self._chosen = data, chosen
        self._kept = [data.path, *([shared] if shared else [])]
        self.path = chosen or data.shares

    def make(self) -> None:
        """Make the data folder's own; see that another one can be such a folder. Raises Refused."""
        if self._chosen is None:
            self._data.make_shares()
            return
        _check_place(self._chosen, self._kept)
        if self._chosen.exists():
            _check_owner(self._chosen)

    def check(self, tx: Transaction, identity: str) -> None:
        """See that it is the one that the records of shares go with; make it where there is none yet. Raises Refused.

        `identity` is the data folder's.
        """
        known, here = tx.documents.get(*_DOCUMENT), _named(self.path)
        if here not in {None, identity}:
            raise Refused(f"The file shares in {self.path} are another server's: give each a folder of its own.")
        if here is None and known is not None:
            raise Refused(
                f"The file shares are in {known}, and {self.path} is not that folder: mount what is to be mounted "
                "there, name the other one in files_folder, or move all that is in it, hidden files too."
            )
        if self._chosen is None:
            return
        if here is None:
            self._begin(identity)
        if known != str(self.path):
            tx.documents.put(*_DOCUMENT[:2], str(self.path))

    def _begin(self, identity: str) -> None:
        """Mark a new folder. Raises Refused where there are shares in the data folder, which would be lost to sight."""
        if self._data.shares.is_dir() and any(self._data.shares.iterdir()):
            raise Refused(
                f"There are file shares in {self._data.shares}: move all that is in it, hidden files too, to "
                f"{self.path}, then start again."
            )
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            _mark(self.path, identity)
        except OSError as error:
            raise Refused(f"Settings: files_folder: {self.path} cannot be made: {error.strerror}.") from error


def _named(folder: Path) -> str | None:
    """The data folder that a folder of shares goes with, as it says itself. Raises Refused."""
    try:
        return (folder / IDENTITY).read_text().strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Refused(f"{folder / IDENTITY} cannot be read: {error}.") from error


def _mark(folder: Path, identity: str) -> None:
    """On disk when it returns, for the record that it is there will be. Raises OSError."""
    fresh = folder / f"{IDENTITY}.{os.getpid()}"
    with fresh.open("w") as file:
        file.write(f"{identity}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / IDENTITY)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_place(chosen: Path, kept: Iterable[Path]) -> None:
    """Raises Refused where the folder would hold what the server keeps, or be among it."""
    whole = chosen.resolve()
    for folder in (one.resolve() for one in kept):
        if folder.is_relative_to(whole):
            raise Refused(f"Settings: files_folder: {chosen} holds {folder}; file shares need a folder of their own.")
        if whole.is_relative_to(folder) and whole.relative_to(folder).parts[0] in _TAKEN:
            raise Refused(f"Settings: files_folder: {chosen} is among what the server keeps in {folder} itself.")


def _check_owner(folder: Path) -> None:
    """Raises Refused where it is no folder, or somebody else could put shares in place of others."""
    if not folder.is_dir():
        raise Refused(f"Settings: files_folder: {folder} is no folder.")
    facts = folder.stat()
    if facts.st_uid != os.geteuid():
        raise Refused(
            f"Settings: files_folder: {folder} belongs to uid {facts.st_uid}, the server runs as {os.geteuid()}: "
            "`chown` it, or start the server as its owner."
        )
    if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Refused(f"Settings: files_folder: others can write to {folder}. Run `chmod go-w {folder}`.")
