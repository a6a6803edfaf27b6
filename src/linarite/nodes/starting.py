"""From a launch to a process: the task's folders, its standard streams, its environment.

The hot path of a host: plain strings and system calls.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress

from linarite.engine.certificates import SmallFile
from linarite.engine.containers import Container
from linarite.engine.launching import Launch
from linarite.nodes import podman
from linarite.nodes.containers import Contained, ContainerError, apptainer, home, is_podman, own_environment, runtime
from linarite.nodes.environment import run_environment, stays_below
from linarite.nodes.folders import make_folder
from linarite.nodes.processes import CannotStartError, container_name, spawn, split_command

_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_NOCTTY
_INPUT = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_VARIABLE = re.compile("%([A-Za-z_][A-Za-z0-9_]*)%")
_full = (errno.ENOSPC, errno.EDQUOT)


class Starter:
    """Starts command lines; `owner` is who is given the folders (None: whom they belong to anyway)."""

    def __init__(self, owner: int | None) -> None:
        """Open what every run needs."""
        self._owner = owner
        self._null = os.open(os.devnull, os.O_RDWR)

    def prepare(self, launch: Launch, root: str) -> str:
        """Make the folders of the run and give its task's directory (absolute). Raises CannotStartError."""
        for folder in (launch.directory, launch.fetch_into):
            if folder is not None and not stays_below(folder):
                raise CannotStartError("failed", f"The directory {folder!r} leaves the node.", user=False)
        directory = f"{root}/{launch.directory}"
        try:
            make_folder(directory, self._owner)
            make_folder(f"{directory}/wd", self._owner)
            for file in launch.files:
                self._write(directory, file)
        except OSError as error:
            raise _disk_refusal("directory", directory, error, user=False) from error
        return directory

    def _write(self, directory: str, file: SmallFile) -> None:
        """Write a file for the run alone; what an earlier run put in its place leads nowhere. Raises OSError."""
        folder, _, name = file.path.rpartition("/")
        make_folder(f"{directory}/{folder}", self._owner)
        at = os.open(f"{directory}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=at)
            descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640, dir_fd=at)
            with os.fdopen(descriptor, "wb") as written:
                written.write(file.data)
            if self._owner is not None:
                os.chown(name, self._owner, self._owner, dir_fd=at, follow_symlinks=False)
        finally:
            os.close(at)

    @staticmethod
    def fetch_folder(launch: Launch, root: str, directory: str) -> str:
        """Where the files of a prepared run go (absolute)."""
        return f"{directory}/wd" if launch.fetch_into is None else f"{root}/{launch.fetch_into}"

    @staticmethod
    def contained(launch: Launch, root: str, directory: str) -> Contained | None:
        """The container that is to be made for a prepared run, if any. Raises CannotStartError."""
        if launch.container is None or launch.enters is not None:
            return None
        return _contained(launch, launch.container, root, directory)

    def start(self, launch: Launch, root: str, directory: str) -> int:
        """Start the command line of a prepared run and give the process's number. Raises CannotStartError."""
        if launch.container is None:
            words, environment = words_of(launch), run_environment(launch, root, directory)
        else:
            words, environment = _in_container(launch, _contained(launch, launch.container, root, directory))
        wd = f"{directory}/wd"
        cwd = wd if launch.working_directory is None else os.path.join(wd, launch.working_directory)
        opened: list[int] = []
        try:
            files = self._streams(launch, directory, wd, opened)
            return spawn(words, environment, cwd, files)
        finally:
            for file in opened:
                os.close(file)

    def _streams(self, launch: Launch, directory: str, wd: str, opened: list[int]) -> tuple[int, int, int]:
        if launch.stdin is None:
            source = self._null
        else:
            source = _open("standard input", stream_path(wd, launch, launch.stdin), _INPUT, opened)
        flags = _output_flags(launch)
        usual = f"{directory}/stdout.txt", f"{directory}/stderr.txt"
        output = _output("standard output", usual[0], wd, launch, launch.stdout, flags, opened)
        if launch.stdout is not None and launch.stdout == launch.stderr:
            return source, output, output
        return source, output, _output("standard error", usual[1], wd, launch, launch.stderr, flags, opened)


def _output_flags(launch: Launch) -> int:
    """What one run leaves writing while the next one goes on with the file is appended, by both."""
    if launch.keeps_output:
        return _OUTPUT & ~os.O_TRUNC | os.O_APPEND
    return _OUTPUT | os.O_APPEND if launch.stays else _OUTPUT


def words_of(launch: Launch) -> tuple[str, ...]:
    """The command line as words; none where a container's image has one of its own."""
    if launch.shell:
        return "/bin/sh", "-c", launch.command
    if launch.container is not None and not launch.command.strip():
        return ()
    return split_command(launch.command)


def _contained(launch: Launch, wanted: Container, root: str, directory: str) -> Contained:
    return Contained(
        wanted=wanted, name=container_name(launch.enters or launch.run), words=words_of(launch), root=root,
        variables=run_environment(launch, root, directory), directory=directory, stays=launch.stays,
    )  # fmt: skip


def _in_container(launch: Launch, contained: Contained) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words and the environment that start the container of a run, or enter the one that stays."""
    try:
        program = runtime()
        if not is_podman(program):
            return apptainer(program, contained)
        enters = contained.stays or launch.enters is not None
        words = podman.enter_words(program, contained) if enters else podman.start_words(program, contained.name)
        return words, {**contained.variables, **own_environment(home(contained.root))}
    except ContainerError as error:
        raise CannotStartError(error.code, error.message) from error
    except OSError as error:
        raise _disk_refusal("folder of containers", contained.root, error, user=False) from error


def _output(
    what: str, usual: str, wd: str, launch: Launch, wanted: str | None, flags: int, opened: list[int]
) -> int:  # fmt: skip
    if wanted is None:
        return _open(what, usual, flags | os.O_NOFOLLOW, opened)
    return _open(what, stream_path(wd, launch, wanted), flags, opened)


def stream_path(wd: str, launch: Launch, wanted: str) -> str:
    """A path of the user's own: `%NAME%` is the launch's variable of that name, as HPC Pack's nodes expand it."""
    known = launch.environment
    return os.path.join(wd, _VARIABLE.sub(lambda found: known.get(found[1], found[0]), wanted))


def _open(what: str, path: str, flags: int, opened: list[int]) -> int:
    """Open without waiting for a FIFO's other end, and then give the task a file that does wait."""
    try:
        file = os.open(path, flags, 0o600)
    except (OSError, ValueError) as error:
        raise _disk_refusal(what, path, error, user=True) from error
    opened.append(file)
    os.set_blocking(file, True)
    return file


def _disk_refusal(what: str, path: str, error: OSError | ValueError, *, user: bool) -> CannotStartError:
    if isinstance(error, OSError) and error.errno in _full:
        return CannotStartError("disk-full", "The node's disk is full.", user=False)
    reason = (isinstance(error, OSError) and error.strerror) or str(error)
    return CannotStartError("failed", f"The {what} {path!r} cannot be opened: {reason}.", user=user)
