"""What stands on the shared folder of the runs of one Unix user, and outlives the server: bunches, claims, records.

slurm/<uid>/          0711
  bunches/<n>/        0711  one for each time that a server took over; with `.closed` behind it when another has
    <token>/          0711  a bunch: the runs of one Slurm job, an array or one of several machines
      0 1 2 ...       0400  the user's own: an element each, see `elements`; of several machines by their names
      index           0600  the launches, by the names of their elements; written last
  state/              0700  the user's own
    claims/<run>            made by the wrapper that starts the run; a link made by us, so that none ever does
    ended/<run>             how the run ended; why/<run>: why it did not start; returned/<run>: it stays
    asked/<run>             made by us before a signal is, which is nobody else's then; <token> of several machines

The server may be root and the user may have put anything into `state`: it is reached from descriptors, following no
link, and what is read there is bounded. A server that takes over closes the bunches of the one before by renaming them:
whoever still believes to be the one can add none, and what is in Slurm's queue finds its element all the same.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from typing import NamedTuple

import msgspec

from linarite.engine.launching import Launch
from linarite.nodes.slurm.users import Runner

INDEX = "index"
"""The file of a bunch that stands until all of its runs are forgotten."""
LARGEST = 16 * 1024
"""Bytes of a record that are read."""
_CLOSED = ".closed"
_NOWHERE = "/dev/null/taken"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_STATES = ("asked", "claims", "ended", "returned", "why")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Launch]).decode


class Bunch(msgspec.Struct, frozen=True):
    """The runs of one Slurm job, by the names of their elements; `folder` is where they were written."""

    token: str
    folder: str
    launches: Mapping[str, Launch]


class Mark(NamedTuple):
    """The name of a mark in `asked`, and the file of the bunch whose run, or runs, it is there for."""

    name: str
    stands: str


class Spool:
    """The part of the shared folder that is one user's."""

    def __init__(self, top: str, runner: Runner) -> None:
        """`top` is the folder of all users' spools. Nothing is touched yet."""
        self.runner = runner
        self.folder = f"{top}/{runner.uid}"
        self.state = f"{self.folder}/state"
        self._bunches = f"{self.folder}/bunches"
        self._current = ""

    def open(self) -> list[Bunch]:
        """Make the folders where they lack, close what was open, and give all bunches there are. Raises OSError."""
        for path in (self.folder, self._bunches):
            os.makedirs(path, exist_ok=True)
            _let_pass(path)
        self._make_state()
        generations = os.listdir(self._bunches)
        for name in generations:
            if not name.endswith(_CLOSED):
                os.rename(f"{self._bunches}/{name}", f"{self._bunches}/{name}{_CLOSED}")
        numbers = [int(name.removesuffix(_CLOSED)) for name in generations]
        self._current = f"{self._bunches}/{max(numbers, default=0) + 1}"
        os.mkdir(self._current)
        _let_pass(self._current)
        found = [bunch for number in sorted(numbers) for bunch in self._restore(f"{self._bunches}/{number}")]
        known = {launch.run for bunch in found for launch in bunch.launches.values()}
        self._sweep(known | {bunch.token for bunch in found})
        return found

    def _sweep(self, known: AbstractSet[str]) -> None:
        """Remove what is left of runs that are forgotten: one that counted as lost may have gone on, and told so."""
        for what in _STATES:
            with suppress(OSError), self._opened(what) as names:
                for run in {*os.listdir(names)} - known:
                    with suppress(OSError):
                        os.unlink(run, dir_fd=names)

    def _make_state(self) -> None:
        own = None if self.runner.own else (self.runner.uid, self.runner.gid)
        for path in (self.state, *(f"{self.state}/{name}" for name in _STATES)):
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
                if own is not None:
                    os.chown(path, *own, follow_symlinks=False)

    def _restore(self, generation: str) -> Iterator[Bunch]:
        """The bunches of a closed generation; what was not written to its end was never submitted, and goes."""
        closed = generation + _CLOSED
        for token in sorted(os.listdir(closed)):
            try:
                with open(f"{closed}/{token}/{INDEX}", "rb") as file:
                    launches = _decode(file.read())
            except (FileNotFoundError, msgspec.DecodeError):
                shutil.rmtree(f"{closed}/{token}", ignore_errors=True)
                continue
            there = {name: launch for name, launch in launches.items() if os.path.exists(f"{closed}/{token}/{name}")}
            if there:
                yield Bunch(token, f"{generation}/{token}", there)
            else:
                shutil.rmtree(f"{closed}/{token}", ignore_errors=True)
        with suppress(OSError):
            os.rmdir(closed)

    def is_current(self) -> bool:
        """Whether no other server has taken over since."""
        return os.path.isdir(self._current)

    # Bunches.

    def write(self, token: str, launches: Mapping[str, Launch], scripts: Mapping[str, bytes]) -> Bunch:
        """Write a bunch; when this returns it is known after a crash. Raises OSError, also when another took over."""
        folder = f"{self._current}/{token}"
        os.mkdir(folder)
        _let_pass(folder)
        for name, script in scripts.items():
            self._write(f"{folder}/{name}", script)
        bunch = Bunch(token, folder, launches)
        self._write_index(bunch, folder)
        _sync(self._current)
        return bunch

    def add(self, bunch: Bunch, name: str, launch: Launch, script: bytes) -> Bunch:
        """Add an element to a bunch that was submitted already. Raises OSError."""
        folder = next(folder for folder in _both(bunch.folder) if os.path.isdir(folder))
        more = Bunch(bunch.token, bunch.folder, {**bunch.launches, name: launch})
        self._write_index(more, folder)
        with suppress(FileNotFoundError):  # a server may have ended right here
            os.unlink(f"{folder}/.{name}")
        self._write(f"{folder}/.{name}", script)
        os.rename(f"{folder}/.{name}", f"{folder}/{name}")
        _sync(folder)
        return more

    def _write_index(self, bunch: Bunch, folder: str) -> None:
        with open(f"{folder}/.{INDEX}", "wb", opener=_private) as file:
            file.write(_encode(bunch.launches))
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{folder}/.{INDEX}", f"{folder}/{INDEX}")
        _sync(folder)

    def _write(self, path: str, script: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with open(descriptor, "wb") as file:
            file.write(script)
            if not self.runner.own:
                os.fchown(descriptor, self.runner.uid, self.runner.gid)

    def forget(self, bunch: Bunch, element: str, run: str) -> None:
        """Forget a run that is over and acknowledged: its element first, so that nobody who claims it has anything."""
        for folder in _both(bunch.folder):
            with suppress(FileNotFoundError):
                os.unlink(f"{folder}/{element}")
        for name in ("ended", "why", "returned", "asked"):
            self._remove(name, run)
        with self._opened("claims") as claims, suppress(OSError):
            os.unlink(run, dir_fd=claims)

    def drop(self, bunch: Bunch) -> None:
        """Remove the folder of a bunch whose runs are all forgotten, and then the mark of its end."""
        for folder in _both(bunch.folder):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            self._remove("asked", bunch.token)

    def _remove(self, what: str, name: str) -> None:
        with self._opened(what) as names, suppress(FileNotFoundError):
            os.unlink(name, dir_fd=names)

    def ask(self, bunch: Bunch, mark: Mark) -> None:
        """Leave the mark without which a wrapper takes a signal for somebody else's. Raises OSError.

        Whoever forgets the run removes what the mark `stands` by first: either of the two sees that it has to go.
        """
        with self._opened("asked") as names, suppress(FileExistsError):
            os.close(os.open(mark.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=names))
        if not any(os.path.exists(f"{folder}/{mark.stands}") for folder in _both(bunch.folder)):
            self._remove("asked", mark.name)

    # What the wrappers tell.

    def runs(self, what: str) -> list[str]:
        """The runs that were claimed, have returned or have ended (`claims`, `returned`, `ended`)."""
        with self._opened(what) as names:
            return os.listdir(names)

    def moment(self, what: str, run: str) -> int:
        """When that was: microseconds since the epoch, by the clock of the shared folder. Raises OSError."""
        with self._opened(what) as names:
            return os.stat(run, dir_fd=names, follow_symlinks=False).st_mtime_ns // 1000

    def record(self, run: str) -> tuple[str, int]:
        """What the wrapper wrote at the end of a run, and when. Raises OSError."""
        with self._opened("ended") as ended:
            descriptor = os.open(run, _FILE, dir_fd=ended)
            try:
                facts = os.fstat(descriptor)
                text = os.read(descriptor, LARGEST) if stat.S_ISREG(facts.st_mode) else b""
                return text.decode(errors="replace"), facts.st_mtime_ns // 1000
            finally:
                os.close(descriptor)

    def claim(self, run: str) -> bool:
        """Take a run for ourselves, so that it is never started; False when it was. Raises OSError.

        A server that comes later sees by the link whose claim it is: made whole in one step, on NFS too. That leads
        nowhere, so that the shell's own exclusive create finds something there.
        """
        with self._opened("claims") as claims:
            try:
                os.symlink(_NOWHERE, run, dir_fd=claims)
            except FileExistsError:
                return _is_ours(claims, run)
            return True

    def started(self, run: str) -> int | None:
        """When a claimed run was started, in microseconds since the epoch; None for one that we took. OSError too."""
        with self._opened("claims") as claims:
            made = os.stat(run, dir_fd=claims, follow_symlinks=False).st_mtime_ns // 1000
            return None if _is_ours(claims, run) else made

    @contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        state = os.open(self.state, _FOLDER)
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=state)
        finally:
            os.close(state)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _is_ours(claims: int, run: str) -> bool:
    """Whether a server made the claim: any other is one of whoever runs it."""
    try:
        return os.readlink(run, dir_fd=claims) == _NOWHERE
    except OSError:
        return False


def _both(folder: str) -> tuple[str, str]:
    """Where a bunch is, or is once its generation is closed."""
    generation, _, token = folder.rpartition("/")
    return folder, f"{generation}{_CLOSED}/{token}"


def _let_pass(folder: str) -> None:
    """Let the user pass through a folder of the server's, whatever its umask."""
    os.chmod(folder, 0o711)  # noqa: S103 - no more than that


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, _FOLDER)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
