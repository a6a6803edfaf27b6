"""Containers of podman: brought, made, inspected and removed, by the user whose command lines they run.

The host itself but starts and enters them, as command lines (`start_words`, `enter_words`); the rest is its carrier's.
Nothing secret stands among words: every user of the machine can read those. Source: podman's manual pages,
containers-auth.json(5).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from time import monotonic

from linarite.engine.containers import Container, ContainerInfo, Registry, reference
from linarite.nodes.containers import Contained, ContainerError, home, mounts, own_environment

PULL_SECONDS = 3600.0
SECONDS = 120.0
"""How long podman may take for anything but bringing an image."""
NEVER_STARTED = ("configured", "created", "initialized")
ENDED = ("exited", "stopped")
KILLED = 137
"""What a container has exited with that still ran when it was removed."""
_LOOK = 0.1
"""Seconds between looks whether anybody still waits for what podman does."""
_QUIET = "--log-level=fatal"
_TAIL = 4096
_OUTSIDE = ("HOME", "LANG", "PATH")
"""Variables that podman itself has otherwise than the command line."""
_IDLE = ("--interactive", "--entrypoint=/bin/sh")
"""What a container runs that command lines enter: a shell that waits for a word that nobody says."""

Stopped = Callable[[], bool]


def never() -> bool:
    """Tell that somebody waits."""
    return False


def create(program: str, contained: Contained, stopped: Stopped = never) -> ContainerInfo:
    """Make a container, having brought its image where it lacks; one that stays is started. Raises ContainerError."""
    wanted, folder = contained.wanted, home(contained.root)
    image = have_image(program, wanted, folder, stopped)
    own = own_environment(folder)
    words = [_QUIET, "create", f"--name={contained.name}", "--network=host", "--log-driver=none"]
    words.append(f"--conmon-pidfile={watcher_file(folder, contained.name)}")
    words += [*_seen(contained), *_told(contained.variables), *wanted.options]
    words += [*_IDLE, image] if contained.stays else [image, *contained.words]
    done = _run([program, *words], {**contained.variables, **own}, SECONDS, stopped)
    if done.returncode == 0 and contained.stays:
        made = done.stdout
        done = _run([program, _QUIET, "start", contained.name], own, SECONDS, stopped)
        done.stdout = made
    if done.returncode != 0 or stopped():
        remove(program, folder, [contained.name])
        raise refused_settings(wanted, _complaint(done.stderr))
    return ContainerInfo(id=done.stdout.decode().split()[-1], state="running")


def refused_settings(wanted: Container, message: str) -> ContainerError:
    """Tell that podman makes or starts no such container, with what was asked of it."""
    asked = {"ContainerSettings": " ".join(wanted.options)} if wanted.options else {}
    return ContainerError("container-settings", message, asked)


def start_words(program: str, name: str) -> tuple[str, ...]:
    """The command line that starts a container and is there until it has ended, with its exit code."""
    return (program, _QUIET, "start", "--attach", name)


def enter_words(program: str, contained: Contained) -> tuple[str, ...]:
    """The command line that runs another one in a container that stays, with variables of its own."""
    variables = contained.variables
    where = [] if contained.wanted.in_image else [f"--workdir={variables['AZ_BATCH_TASK_WORKING_DIR']}"]
    return (program, _QUIET, "exec", *where, *_told(variables), contained.name, *contained.words)


def _told(variables: Mapping[str, str]) -> list[str]:
    """Values are passed on by their names, so that no list of processes shows them.

    The image knows where its programs are.
    """
    by_name = [f"--env={name}" for name in variables if name not in _OUTSIDE]
    return [*by_name, *(f"--env={name}={variables[name]}" for name in ("HOME", "LANG") if name in variables)]


def _seen(contained: Contained) -> list[str]:
    """The folders that are seen inside. A working directory that is none of theirs is made in the container alone."""
    folders = mounts(contained)
    words = [f"--volume={path}:{path}{':ro' if read_only else ''}" for path, read_only in folders.items()]
    if contained.wanted.in_image:
        return words
    wd = contained.variables["AZ_BATCH_TASK_WORKING_DIR"]
    if not any(wd.startswith(f"{path}/") for path in folders):
        words.append(f"--volume={wd}")
    return [*words, f"--workdir={wd}"]


def watcher_file(folder: str, name: str) -> str:
    """The file with the number of the process that watches a container and waits for what runs in it."""
    return f"{folder}/run/{name}.pid"


def watcher(folder: str, name: str) -> int | None:
    """The number of that process; None when the container never started."""
    try:
        with open(watcher_file(folder, name), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def have_image(program: str, wanted: Container, folder: str, stopped: Stopped = never) -> str:
    """See that podman has the image, bringing it where it lacks; gives a name for it here. Raises ContainerError."""
    own, image = own_environment(folder), reference(wanted.image)
    if _run([program, "image", "exists", image], own, SECONDS, stopped).returncode == 0:
        return image
    with _authorized(wanted.registry, folder) as options:
        words = [program, "--log-level=error", "pull", "--quiet", *options, image]
        done = _run(words, own, PULL_SECONDS, stopped)
    if done.returncode != 0:
        raise _no_image(wanted, _complaint(done.stderr))
    return done.stdout.decode().split()[-1]


def _no_image(wanted: Container, complaint: str) -> ContainerError:
    """Tell that an image cannot be had; one whose registry refused the user it was given is the registry's fault."""
    words = ("unauthorized", "authentication required", "invalid username/password")
    refused = wanted.registry is not None and any(word in complaint.lower() for word in words)
    if refused and wanted.registry is not None:
        details = {"ContainerRegistry": wanted.registry.host}
        return ContainerError("container-registry", complaint, details)
    return ContainerError("container-image", complaint, {"ContainerImage": wanted.image})


@contextmanager
def _authorized(registry: Registry | None, folder: str) -> Iterator[list[str]]:
    """Options that tell podman who asks a registry, by a file that it alone reads and that is gone afterwards."""
    if registry is None or not registry.username:
        yield []
        return
    secret = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="auth-", suffix=".json") as file:  # for us alone
        json.dump({"auths": {registry.host: {"auth": secret}}}, file)
        file.flush()
        yield [f"--authfile={file.name}"]


def discard(program: str, name: str, folder: str, said: str) -> tuple[ContainerInfo | None, int | None]:
    """Tell what became of a container, and its exit code, and remove it with all that still runs in it.

    One that never started has an error instead, the last thing that podman wrote to the file `said`; there may be none
    at all. Raises ContainerError, OSError.
    """
    form = "{{.Id}} {{.State.Status}} {{.State.ExitCode}}"
    done = _run([program, _QUIET, "container", "inspect", f"--format={form}", name], own_environment(folder), SECONDS)
    remove(program, folder, [name])
    if done.returncode != 0:
        return None, None
    id, state, code = done.stdout.decode().split()
    if state in NEVER_STARTED:
        return ContainerInfo(id=id, state="created", error=_last_words(said)), None
    return ContainerInfo(id=id, state="exited"), int(code) if state in ENDED else KILLED


def remove(program: str, folder: str, names: Sequence[str]) -> None:
    """Remove containers, running or not, with what they alone had; those that are not there are none. Raises OSError.

    Raises ContainerError when podman does not answer.
    """
    words = [_QUIET, "rm", "--force", "--ignore", "--volumes", "--time=0", *names]
    for name in names:
        with suppress(FileNotFoundError):
            os.unlink(watcher_file(folder, name))
    _run([program, *words], own_environment(folder), SECONDS)


def _last_words(path: str) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return _complaint(file.read())
    except OSError:
        return ""


def _complaint(said: bytes) -> str:
    """Podman's last error among what it said."""
    lines = said.decode(errors="replace").strip().splitlines() or ["podman says nothing"]
    errors = [line for line in lines if line.startswith("Error: ")]
    return (errors or lines)[-1].removeprefix("Error: ")


def _run(
    words: list[str], environment: dict[str, str], seconds: float, stopped: Stopped = never
) -> subprocess.CompletedProcess[bytes]:
    """Run podman to its end, or until nobody waits any more, or for so many seconds. Raises ContainerError."""
    # Into files: the process that keeps a user's namespaces would hold a pipe open after podman has ended.
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complained:
        process = subprocess.Popen(
            words, env=environment, cwd=environment["HOME"], stdin=subprocess.DEVNULL, stdout=told, stderr=complained,
        )  # fmt: skip
        code = _wait(process, monotonic() + seconds, stopped)
        for file in (told, complained):
            file.seek(0)
        return subprocess.CompletedProcess(words, code, told.read(), complained.read())


def _wait(process: subprocess.Popen[bytes], deadline: float, stopped: Stopped) -> int:
    while True:
        try:
            return process.wait(_LOOK)
        except subprocess.TimeoutExpired:
            if not stopped() and monotonic() < deadline:
                continue
        process.kill()
        process.wait()
        if stopped():
            return -1
        raise ContainerError("container-image", "Podman took too long.", {})
