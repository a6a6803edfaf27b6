"""The node host: `python -m linarite.nodes.host`, the long-lived process that starts command lines.

It imports all that it will ever need, opens its folder's files, gives up its privileges and then serves one server at a
time, over the socket that it was started with or one that connects later. Without a server it stays while runs are
running, and ends when they have. One thread does everything but removing files; a process of its own moves them.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import logging
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from linarite.engine.launching import Usage
from linarite.nodes.access import adopt_orphans, drop_privileges, set_mask
from linarite.nodes.environment import set_site
from linarite.nodes.folders import Sweeper, make_node, not_there
from linarite.nodes.journal import Journal
from linarite.nodes.leftovers import end_leftovers
from linarite.nodes.metering import Meter
from linarite.nodes.moving.carriage import Carriage
from linarite.nodes.moving.errands import Done
from linarite.nodes.runs import Runs
from linarite.nodes.starting import Starter
from linarite.nodes.visitor import Visitor, Wake
from linarite.nodes.wire import (
    VERSION,
    Acknowledge,
    EndRun,
    Hello,
    LaunchRun,
    MakeNode,
    Measure,
    Measured,
    MeasureRuns,
    Message,
    NodeFailed,
    NodeMade,
    Remove,
    Removed,
    Request,
    RunsMeasured,
    Sweep,
    WireError,
)

SOCKET = "s"
UNVISITED = 10.0
"""Seconds for which a host without runs waits for its first server."""

_log = logging.getLogger(__name__)


class Host:
    """The loop: whatever comes in goes to the runs, whatever they tell goes out."""

    def __init__(
        self, runs: Runs, meter: Meter, carriage: Carriage, wake: Wake, listening: socket.socket, owner: int | None
    ) -> None:  # fmt: skip
        """Serve `runs`, which `meter` follows; new folders are given to `owner`."""
        self._runs = runs
        self._meter = meter
        self._carriage = carriage
        self._wake = wake
        self._listening = listening
        self._owner = owner
        self._sweeper = Sweeper()
        self._visitor: Visitor | None = None
        self._answers: list[Message] = []
        self._leave_at = time.monotonic() + UNVISITED
        self._selector = selectors.DefaultSelector()
        self._watch(wake.read_end, self._on_wake)
        self._watch(listening, self._on_visit)
        self._watch(carriage.connection, self._on_carrier)

    def run(self) -> None:
        """Serve until no server is connected and nothing is running."""
        self._tell()
        while not self._finished():
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._runs.step()
            if not self._carriage.gone:
                self._watch_writing(self._carriage.connection, self._on_carrier, waits=self._carriage.waits)
            self._tell()

    def welcome(self, connection: socket.socket) -> None:
        """Serve this server from now on; an earlier one is dead or will connect again."""
        self._dismiss()
        self._visitor = Visitor(connection)
        self._watch(connection, self._on_requests)
        self._leave_at = 0.0
        self._runs.take_reports()  # the stories tell them too
        self._answers = [Hello(VERSION, self._runs.names()), *self._runs.stories()]

    def _watch(self, file: int | socket.socket, react: Callable[[], None]) -> None:
        self._selector.register(file, selectors.EVENT_READ, react)

    def _finished(self) -> bool:
        if self._runs.busy:
            return False
        if self._carriage.spent and not (self._visitor and self._visitor.waits):
            return True  # what the server asks in this moment it asks our successor again
        return self._visitor is None and time.monotonic() >= self._leave_at

    def _patience(self) -> float | None:
        leave = idle = None
        if not self._runs.busy:  # else the end of a run comes first
            leave = self._leave_at - time.monotonic() if self._visitor is None else None
            idle = self._carriage.idle_for if self._visitor is None or not self._visitor.waits else None
        due = (self._runs.seconds_to_wait(), idle, leave)
        return min((max(0.0, seconds) for seconds in due if seconds is not None), default=None)

    def _on_wake(self) -> None:
        self._wake.clear()
        self._runs.reap()

    def _on_visit(self) -> None:
        connection, _ = self._listening.accept()
        self.welcome(connection)

    def _on_carrier(self) -> None:
        self._carriage.send()
        self._carriage.receive()
        if self._carriage.gone:
            self._selector.unregister(self._carriage.connection)

    def _on_requests(self) -> None:
        if self._visitor is None:
            return
        try:
            requests = self._visitor.receive()
        except WireError as error:
            _log.error("The server cannot be understood: %s", error)
            requests = None
        if requests is None:
            self._dismiss()
        else:
            self._obey(requests)

    def _obey(self, requests: list[Request]) -> None:
        launches: list[LaunchRun] = []
        for request in requests:
            if isinstance(request, LaunchRun):
                launches.append(request)
                continue
            if launches:
                self._runs.launch(launches)
                launches = []
            self._obey_one(request)
        if launches:
            self._runs.launch(launches)

    def _obey_one(self, request: Acknowledge | EndRun | MakeNode | Remove | Sweep | Measure | MeasureRuns) -> None:
        match request:
            case Acknowledge():
                self._runs.forget(request.runs)
            case EndRun():
                self._runs.end(request.run, request.grace, outputs=request.outputs)
            case MakeNode():
                self._make_node(request)
            case Remove():
                self._remove(request)
            case Sweep():
                self._sweeper.sweep(request.trash)
            case Measure():
                self._answers.append(Measured(request.number, self._meter.look(request.roots)))
            case MeasureRuns():
                self._answers.append(RunsMeasured(request.number, self._usages(request.runs)))

    def _usages(self, runs: list[str]) -> dict[str, Usage]:
        """What runs have used until now, or had when they ended, which the server may not have taken note of yet."""
        return {**self._meter.usages(runs), **self._runs.usages(runs)}

    def _make_node(self, request: MakeNode) -> None:
        root = request.root
        try:
            make_node(root, self._owner)
        except OSError as error:
            self._answers.append(NodeFailed(root, f"The node's folder cannot be made: {error}."))
            return
        lacking = not_there(request.packages, root)
        if lacking or request.images:
            told = partial(self._on_installed, root)
            self._carriage.bring(
                (), "", told, packages=lacking, root=root, archives=request.archives, images=request.images
            )  # fmt: skip
        else:
            self._answers.append(NodeMade(root))

    def _on_installed(self, root: str, done: Done) -> None:
        problem = done.problem
        if problem is None:
            self._answers.append(NodeMade(root))
        else:
            self._answers.append(NodeFailed(root, problem.message, problem.code, problem.details))

    def _remove(self, request: Remove) -> None:
        try:
            self._sweeper.discard(request.path, request.trash, request.keep)
        except OSError as error:
            _log.warning("%s cannot be removed: %s", request.path, error)
        self._answers.append(Removed(request.path))

    def _tell(self) -> None:
        reports = self._runs.take_reports()
        if self._visitor is None:
            # Nothing is lost: the next server hears every story.
            self._answers.clear()
            return
        batch, self._answers = self._answers + reports, []
        if (batch or self._visitor.waits) and not self._visitor.send(batch):
            self._dismiss()
            return
        self._watch_writing(self._visitor.connection, self._on_requests, waits=self._visitor.waits)

    def _watch_writing(self, file: socket.socket, react: Callable[[], None], *, waits: bool) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if waits else 0)
        if self._selector.get_key(file).events != events:
            self._selector.modify(file, events, react)

    def _dismiss(self) -> None:
        if self._visitor is not None:
            self._selector.unregister(self._visitor.connection)
            self._visitor.connection.close()
            self._visitor = None


def open_folder(folder: Path) -> tuple[Journal, socket.socket]:
    """Become the one host of `folder`: wait for its lock, then open its journal and its socket. Raises OSError."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # held, by the open descriptor, until this process ends
    journal = Journal(folder)
    # The path of a socket has at most 107 bytes: name it from within its folder.
    os.chdir(folder)
    (folder / SOCKET).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(SOCKET)
    listening.listen()
    listening.settimeout(0)
    os.chdir("/")
    return journal, listening


def main(arguments: list[str]) -> None:
    """Run a host. Standard input is the connection to the server that started it."""
    parser = argparse.ArgumentParser(prog="linarite.nodes.host")
    parser.add_argument("--folder", type=Path, required=True, help="the host's own folder")
    parser.add_argument("--uid", type=int, help="become this user before anything is started")
    parser.add_argument("--gid", type=int, help="in this group, not in that of the user's number")
    parser.add_argument("--owner", type=int, help="give new folders to this user")
    parser.add_argument("--ca-file", help="trust these certificate authorities too")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds to try again when a fetch fails")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")

    set_site(str(options.folder.parent))
    journal, listening = open_folder(options.folder)
    connection = _take_over_stdin()
    carriage = Carriage(_of_carrier(options))
    if options.uid is not None:
        drop_privileges(options.uid, options.gid)
    set_mask(alone=options.uid is not None)
    adopt_orphans()
    unfinished = [run for run in journal.history.runs.values() if run.ended is None]
    end_leftovers(unfinished, same_boot=journal.same_boot)

    wake = Wake()
    meter = Meter()
    runs = Runs(journal, Starter(options.owner), carriage, meter)
    runs.restore(journal.history.runs.values())
    host = Host(runs, meter, carriage, wake, listening, options.owner)
    host.welcome(connection)
    gc.freeze()
    host.run()
    os._exit(0)  # at once: a thread may still empty a folder, which a successor goes on with


def _of_carrier(options: argparse.Namespace) -> list[str]:
    """The carrier's options: it becomes the same user, and trusts the same authorities."""
    words = ["--patience", str(options.patience)]
    given = {"--uid": options.uid, "--gid": options.gid, "--owner": options.owner, "--ca-file": options.ca_file}
    for name, value in given.items():
        words += [] if value is None else [name, str(value)]
    return words


def _take_over_stdin() -> socket.socket:
    connection = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    return connection


if __name__ == "__main__":
    main(sys.argv[1:])
