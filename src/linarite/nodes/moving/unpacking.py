"""Installing application packages: zip files unpacked below a node's folder, whole or not at all, and never outside.

An archive is an account's own, yet it is read as if it were not: a name that leaves its folder, a link that leads out
and more content than is told are refused. Installed is a folder that has its final name.
"""

from __future__ import annotations

import codecs
import itertools
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from linarite.engine.packages import Package
from linarite.nodes.environment import stays_below
from linarite.nodes.moving.errors import MovingError, Stop
from linarite.nodes.moving.placing import place

MOST_BYTES = 64 * 1024**3
"""Of one package, unpacked."""
MOST_ENTRIES = 1_000_000
CHUNK = 1024 * 1024
FOLDER_MODE = 0o770

codecs.lookup("cp437")  # that of names by old rule; later the carrier may not be able to read it

_FOR_ITS_USER = 0o600
_serial = itertools.count()


class UnfitArchiveError(ValueError):
    """The zip file cannot be installed: the message says why."""


def entries(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str]]:
    """The files, folders and links of an archive with the paths they go to. Raises UnfitArchiveError."""
    found = archive.infolist()
    if len(found) > MOST_ENTRIES or sum(info.file_size for info in found) > MOST_BYTES:
        raise UnfitArchiveError(f"it has more than {MOST_ENTRIES} entries or {MOST_BYTES >> 30} GiB")
    return [(info, _path(info)) for info in found]


def _path(info: zipfile.ZipInfo) -> str:
    path = info.filename.replace("\\", "/").rstrip("/")
    if not stays_below(path):
        raise UnfitArchiveError(f"{info.filename!r} leaves its folder")
    if info.flag_bits & 1:
        raise UnfitArchiveError(f"{info.filename!r} is encrypted")
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _mode(info: zipfile.ZipInfo) -> int:
    return info.external_attr >> 16


def is_link(info: zipfile.ZipInfo) -> bool:
    """Whether an entry is a symbolic link."""
    return stat.S_ISLNK(_mode(info))


def check_link(path: str, target: str) -> None:
    """Refuse a link that leads out. Raises UnfitArchiveError.

    Ups may stand first alone: behind a name they would lead on from wherever that, a link itself, leads.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = len(list(itertools.takewhile(lambda part: part == "..", parts)))
    if target.startswith("/") or "\0" in target or ".." in parts[ups:] or ups > path.count("/") or not parts:
        raise UnfitArchiveError(f"the link {path!r} leads out of its folder")


def check_archive(path: str) -> None:
    """See that a zip file can be installed. Raises UnfitArchiveError, OSError."""
    # What zipfile says of a compression or an encryption that it has not: NotImplementedError, RuntimeError.
    try:
        with zipfile.ZipFile(path) as archive:
            for info, name in entries(archive):
                if is_link(info):
                    check_link(name, _target(archive, info))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise UnfitArchiveError(str(error)) from error


def _target(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    """Where a link leads; a target that no file system takes leads out."""
    return archive.read(info).decode("utf-8", "surrogateescape") if info.file_size <= 4096 else "/"


class Unpacker:
    """Installs packages; `owner` is who is given them (None: whom they belong to anyway)."""

    def __init__(self, owner: int | None) -> None:
        """Nothing yet."""
        self._owner = owner

    def install(self, package: Package, root: str, archives: str, stop: Stop) -> None:
        """Install a package in the node at `root`, unless it is there. Raises MovingError, CancelledMoveError."""
        target = f"{root}/{package.directory}"
        if not package.digest:
            raise _failed(package, "There is no such package in this account, or no default version of it.")
        if os.path.isdir(target):
            return
        try:
            self._install(f"{archives}/{package.digest}.zip", target, stop)
        except (UnfitArchiveError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise _failed(package, f"The package cannot be unpacked: {error}.") from error
        except MovingError as error:
            if error.problem.code == "disk-full":
                raise
            raise _failed(package, f"The package cannot be unpacked: {error.problem.message}") from error
        except OSError as error:
            raise _failed(package, f"The package cannot be installed: {error.strerror}.", user=False) from error

    def _install(self, archive: str, target: str, stop: Stop) -> None:
        with zipfile.ZipFile(archive) as opened, self._room(target) as folder:
            found = entries(opened)
            for info, path in found:
                stop.check()
                _unpack(opened, info, path, folder, stop)
            if self._owner is not None:
                _give(folder, self._owner)
            try:
                os.rename(folder, target)
            except OSError:
                if not os.path.isdir(target):  # else another run has installed the same
                    raise

    @contextmanager
    def _room(self, target: str) -> Iterator[str]:
        """A folder beside the one that is to be; what is left of it is removed."""
        above = os.path.dirname(target)
        os.makedirs(above, FOLDER_MODE, exist_ok=True)
        if self._owner is not None:
            for folder in (above, os.path.dirname(above)):
                os.chown(folder, self._owner, self._owner, follow_symlinks=False)
        folder = f"{above}/.unpack-{os.getpid()}-{next(_serial)}"
        os.mkdir(folder, FOLDER_MODE)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _failed(package: Package, message: str, *, user: bool = True) -> MovingError:
    return MovingError("package-failed", message, {"ApplicationPackageReference": package.label}, user=user)


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str, folder: str, stop: Stop) -> None:
    if info.is_dir() or info.filename.endswith("\\"):
        place_folder(folder, path)
    elif is_link(info):
        target = _target(archive, info)
        check_link(path, target)
        place_folder(folder, os.path.dirname(path))
        os.symlink(target, f"{folder}/{path}")
    else:
        with archive.open(info) as content:
            place(folder, path, _permissions(info), _chunks(content), stop)


def _permissions(info: zipfile.ZipInfo) -> int:
    """What the archive says, and for the account's group as for the user who unpacks: its users share a package."""
    mode = ((_mode(info) & 0o777) or 0o770) | _FOR_ITS_USER
    return mode | (mode & 0o700) >> 3


def place_folder(folder: str, path: str) -> None:
    """Make a folder and those above it, through no link. Raises OSError."""
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in filter(None, path.split("/")):
            with suppress(FileExistsError):
                os.mkdir(name, FOLDER_MODE, dir_fd=here)
            here, above = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here), here
            os.close(above)
    finally:
        os.close(here)


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(CHUNK):
        yield chunk


def _give(folder: str, owner: int) -> None:
    for above, folders, files in os.walk(folder):
        for name in ("", *folders, *files):
            os.chown(f"{above}/{name}" if name else above, owner, owner, follow_symlinks=False)
