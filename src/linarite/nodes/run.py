"""One run of a host, as the host remembers it, and what there is to tell about it."""

from __future__ import annotations

import time

from linarite.engine.containers import ContainerInfo
from linarite.engine.launching import Ended, Problem, RunExited, RunFailed, RunReturned, RunStarted
from linarite.nodes.containers import home
from linarite.nodes.journal import Spawned
from linarite.nodes.processes import CannotStartError
from linarite.nodes.wire import LaunchRun, Message


class Run:
    """A run that the server may still ask about: waiting, fetching, a process, sending, or ended and unacknowledged.

    `home` is where its container is, should it have one of its own, and `container` that one, once it is made; `going`
    tells that it is being removed. `watcher` is the process that waits for what runs in it. A run that `enters` a
    container is out of reach of its process. `returned` is how its command line ended when the run stays. `exited` is
    its report once the process has ended and its files are being taken away. `asked` is whether it was to end, and then
    whether its files go all the same.
    """

    __slots__ = (
        "asked", "container", "directory", "ended", "enters", "errand", "exited", "going", "home", "name", "request",
        "returned", "spawned", "stays", "watcher",
    )  # fmt: skip

    def __init__(self, name: str, request: LaunchRun | None = None, ended: Ended | None = None, home: str = "") -> None:
        """`request` is kept until the process exists, and longer when there will be something to take away."""
        self.name = name
        self.request = request
        self.ended = ended
        self.home = home
        self.container: ContainerInfo | None = None
        self.going = False
        self.directory = ""
        self.spawned: Spawned | None = None
        self.stays = False
        self.enters = False
        self.watcher: int | None = None
        self.returned: RunExited | None = None
        self.errand: int | None = None
        self.exited: RunExited | None = None
        self.asked: bool | None = None


def story(run: Run) -> list[Message]:
    """All that there is to tell about a run."""
    if run.ended is not None:
        return [run.ended]
    if run.spawned is None:
        return []
    told: list[Message] = [RunStarted(run=run.name, at=run.spawned.at, container=run.container)]
    return told if run.returned is None else [*told, returned(run, run.returned.at)]


def returned(run: Run, at: int) -> RunReturned:
    """That the command line of a run that stays has returned."""
    return RunReturned(run=run.name, at=at, container=run.container)


def failed(run: Run, error: CannotStartError | Problem) -> RunFailed:
    """That a run cannot start."""
    details = error.details if isinstance(error, Problem) else {}
    return RunFailed(
        run=run.name, code=error.code, message=error.message, at=now(), user=error.user, details=details
    )  # fmt: skip


def not_started(run: Run, container: ContainerInfo) -> RunFailed:
    """That the container of a run was made and could not start."""
    return RunFailed(
        run=run.name, code="container-settings", message=container.error or "The container did not start.", at=now()
    )


def container_home(request: LaunchRun) -> str:
    """Where the run's own container will be; empty when it has none."""
    launch = request.launch
    return home(request.root) if launch.container is not None and launch.enters is None else ""


def ended_early(name: str) -> RunFailed:
    """That a run was ended before it had a process."""
    message = "The run was ended before its command line started."
    return RunFailed(run=name, code="ended", message=message, at=now())


def now() -> int:
    """Microseconds since the epoch."""
    return time.time_ns() // 1000
