"""The data folder: which part is whose. Tasks' users pass through the folder itself; the server's part is its own.

data/            0711   passed through by tasks' users
  server/        0700   database, issuer's key, lock, servers/ (a file for each of several)
  tls/           0755   certificates to read; keys 0600
  nodes/ hosts/         `linarite.nodes`
  shares/               `linarite.shares`, unless the settings name another folder for them
  applications/  0711   package archives, a folder an account (0750) that its tasks' user may read
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from linarite.nodes.places import ARCHIVES
from linarite.refusal import Refused

UNUSED_UIDS = 1_900_000_000
"""Nobody gives out numbers from here on (systemd's list of ranges ends below)."""
FEW_UIDS = 50_000
"""For containers that have 65,536 numbers only."""


class Claim:
    """A lock that goes with the process; once taken it stays."""

    def __init__(self, descriptor: int) -> None:
        """Nothing is taken yet."""
        self._descriptor, self._taken = descriptor, False

    def taken(self) -> bool:
        """Take it if nobody else has it; tells whether it is this process's."""
        if not self._taken:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
            self._taken = True
        return True

    def holder(self) -> str:
        """The process that has it, as it says itself."""
        return os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()


class Presence:
    """That a server is there: a file below the data folder that it holds locked, which goes with the process."""

    def __init__(self, folder: Path) -> None:
        """Be there from now on. Raises Refused."""
        self._folder = folder
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        fresh = folder / f".{self.name}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fresh.rename(folder / self.name)  # locked when others see it
        except OSError as error:
            raise Refused(f"{folder} cannot be used: {error.strerror}.") from error

    def has_ended(self, name: str) -> bool:
        """Tell whether the server of that name is no more; also of names that none ever had."""
        if not name or name == self.name:
            return not name
        try:
            descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def end(self) -> None:
        """Be there no more."""
        (self._folder / self.name).unlink(missing_ok=True)
        os.close(self._descriptor)


class DataFolder:
    """Paths of the data folder."""

    def __init__(self, path: Path) -> None:
        """Nothing is touched yet."""
        self.path = path
        self.server = path / "server"
        self.keys = self.server / "keys"
        self.tls = path / "tls"
        self.shares = path / "shares"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.server / "linarite.db"

    def make(self) -> None:
        """Make the folders. Raises Refused."""
        try:
            for folder, mode in ((self.path, 0o711), (self.server, 0o700), (self.keys, 0o700), (self.tls, 0o755)):
                if not folder.is_dir():
                    folder.mkdir(parents=True)
                    folder.chmod(mode)
        except OSError as error:
            raise Refused(
                f"The data folder {self.path} cannot be made: {error.strerror}. Choose another with --data."
            ) from error

    def make_shares(self) -> None:
        """Make the folder of the file shares, which only the server enters."""
        self.shares.mkdir(mode=0o700, exist_ok=True)

    def make_archives(self, account: str) -> Path:
        """The folder of an account's package archives. Raises Refused."""
        folder = self.path / ARCHIVES / account
        try:
            for each, mode in ((folder.parent, 0o711), (folder, 0o750)):
                if not each.is_dir():
                    each.mkdir()
                    each.chmod(mode)
        except OSError as error:
            raise Refused(f"The folder {folder} cannot be made: {error.strerror}.") from error
        return folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the folder for this process alone. Raises Refused."""
        with self.claim() as claim:
            self.take(claim)
            yield

    def take(self, claim: Claim) -> None:
        """Take the claim. Raises Refused."""
        if not claim.taken():
            raise Refused(
                f"Another linarite server (process {claim.holder() or 'unknown'}) uses the data folder "
                f"{self.path}. Stop it, or choose another folder with --data."
            )

    def _name(self, file: Path) -> None:
        """Make the file that names this folder, whole and once, whoever else does the same."""
        with NamedTemporaryFile("w", dir=self.server) as fresh:  # its owner's alone
            fresh.write(f"{uuid.uuid4()}\n")
            fresh.flush()
            with suppress(FileExistsError):
                file.hardlink_to(fresh.name)

    @contextmanager
    def presence(self) -> Iterator[Presence]:
        """Be told apart from the other servers on this folder. What those left that were killed is removed."""
        present = Presence(self.server / "servers")
        try:
            for file in (self.server / "servers").iterdir():
                if not file.name.startswith(".") and present.has_ended(file.name):
                    file.unlink(missing_ok=True)
            yield present
        finally:
            present.end()

    @contextmanager
    def claim(self) -> Iterator[Claim]:
        """A claim to the folder's nodes, which one process has at a time. Raises Refused."""
        try:
            descriptor = os.open(self.server / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Refused(f"The data folder {self.path} cannot be used: {error.strerror}.") from error
        try:
            yield Claim(descriptor)
        finally:
            os.close(descriptor)

    def identity(self) -> str:
        """What names this folder, wherever it is mounted; made with it. Raises Refused."""
        file = self.server / "identity"
        try:
            if not file.exists():
                self._name(file)
            return file.read_text().strip()
        except OSError as error:
            raise Refused(f"{file} cannot be used: {error.strerror}.") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it. Raises Refused."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text)
        fresh.replace(path)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error


def forget(path: Path) -> None:
    """Remove a file that another may be written in place of. Raises Refused, where none could be."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error
    if not path.parent.is_dir():
        raise Refused(f"{path} cannot be written: there is no folder {path.parent}.")


def default_uid_base() -> int:
    """Where the tasks' users begin: numbers that nobody has, as far as this machine (or container) has such."""
    try:
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except OSError:
        return UNUSED_UIDS
    last = max(int(first) + int(count) for first, _, count in ranges)
    return UNUSED_UIDS if last > UNUSED_UIDS + 1_000_000 else FEW_UIDS
