"""The carrier: `python -m linarite.nodes.moving.carrier`, the process that moves files for one host.

It is started once there is a file to move, imports what it takes (30 MB more than a host needs), gives up its
privileges as its host did, and leaves with it. Its standard input is the connection to the host. Errands run in
threads: what is slow here slows no process's start.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from linarite.engine.containers import Container, ContainerInfo
from linarite.engine.launching import Problem
from linarite.engine.packages import Package
from linarite.nodes import podman
from linarite.nodes.access import drop_privileges, set_mask
from linarite.nodes.containers import Contained, ContainerError, home, is_podman, runtime
from linarite.nodes.folders import Sweeper, make_folder, make_node, not_there
from linarite.nodes.moving import errands
from linarite.nodes.moving.blobs import Storage
from linarite.nodes.moving.bringing import Bringing
from linarite.nodes.moving.errands import (
    Answer,
    Bring,
    Cancel,
    Discard,
    Done,
    Errand,
    MakeNode,
    Prepare,
    Ready,
    Remove,
    TakeAway,
)
from linarite.nodes.moving.errors import CancelledMoveError, MovingError, Stop
from linarite.nodes.moving.fetching import make_context
from linarite.nodes.moving.sending import Journey
from linarite.nodes.moving.unpacking import Unpacker
from linarite.nodes.moving.working import Patience
from linarite.nodes.processes import CannotStartError
from linarite.nodes.starting import Starter
from linarite.nodes.wire import Frames, frame

ERRANDS = 8
"""Runs whose files are moved at a time."""
TRIES = 3
"""How often a request to a storage service is tried again by itself."""

_log = logging.getLogger(__name__)


class Carrier:
    """Errands in, answers out."""

    def __init__(
        self, connection: socket.socket, unpacker: Unpacker, bringing: Bringing, storage: Storage, patience: Patience
    ) -> None:  # fmt: skip
        """Serve the host behind `connection`."""
        self._connection, self._unpacker = connection, unpacker
        self._bringing, self._storage, self._patience = bringing, storage, patience
        self._starter, self._sweeper = Starter(None), Sweeper()
        self._threads = ThreadPoolExecutor(ERRANDS, thread_name_prefix="errand")
        self._going: dict[int, Stop] = {}
        self._speaking = threading.Lock()

    def serve(self) -> None:
        """Do what is asked until the host has gone."""
        frames = Frames()
        self._say(Ready())
        while data := self._connection.recv(1 << 18):
            frames.feed(data)
            for body in frames.bodies():
                self._obey(errands.requests.decode(body))

    def _obey(self, request: Errand | Cancel) -> None:
        if isinstance(request, Cancel):
            if (stop := self._going.get(request.number)) is not None:
                stop.set()
            return
        stop = self._going[request.number] = Stop()
        if isinstance(request, Remove):  # what is asked next may be made anew under the same name
            self._run(request, stop)
        else:
            self._threads.submit(self._run, request, stop)

    def _run(self, errand: Errand, stop: Stop) -> None:
        try:
            done = self._attempt(errand, stop)
        except CancelledMoveError:
            return
        finally:
            self._going.pop(errand.number, None)
        self._say(done)

    def _do(self, errand: Errand, stop: Stop) -> Done:
        match errand:
            case Bring():
                self._install(errand.packages, errand.root, errand.archives, stop)
                for image in errand.images:
                    _have_image(image, errand.root, stop)
                self._bringing.bring(errand.fetches, errand.wd, stop)
                made = None if errand.container is None else _create(errand.container, stop)
                return Done(errand.number, container=made)
            case Discard():
                return _discard(errand)
            case Prepare():
                self._prepare(errand, stop)
                return Done(errand.number)
            case MakeNode():
                make_node(errand.root, None)
                self._install(errand.packages, errand.root, errand.archives, stop)
                return Done(errand.number)
            case Remove():
                self._remove(errand)
                return Done(errand.number)
            case TakeAway():
                journey = Journey(self._storage, self._patience, errand.directory, errand.variables)
                journey.send(errand.outputs, stop)
                return Done(errand.number)

    def _install(self, packages: Iterable[Package], root: str, archives: str, stop: Stop) -> None:
        for package in packages:
            self._unpacker.install(package, root, archives, stop)

    def _prepare(self, errand: Prepare, stop: Stop) -> None:
        launch, root = errand.launch, errand.root
        directory = self._starter.prepare(launch, root)
        self._install(not_there(launch.packages, root), root, errand.archives, stop)
        if launch.fetches:
            folder = self._starter.fetch_folder(launch, root, directory)
            make_folder(folder, None)
            self._bringing.bring(launch.fetches, folder, stop)

    def _remove(self, errand: Remove) -> None:
        if errand.path:
            self._sweeper.discard(errand.path, errand.trash, errand.keep)
        else:
            self._sweeper.sweep(errand.trash)

    def _attempt(self, errand: Errand, stop: Stop) -> Done:
        try:
            return self._do(errand, stop)
        except MovingError as error:
            problem = error.problem
        except CannotStartError as error:
            problem = Problem(code=error.code, message=error.message, user=error.user)
        except ContainerError as error:
            problem = Problem(code=error.code, message=error.message, details=error.details)
        except CancelledMoveError:
            raise
        except Exception as error:  # noqa: BLE001 - a run must hear of whatever went wrong
            _log.exception("An errand failed.")
            problem = Problem(code="failed", message=f"Files were not moved: {type(error).__name__}.", user=False)
        return Done(errand.number, problem)

    def _say(self, answer: Answer) -> None:
        with self._speaking:
            self._connection.sendall(frame(errands.encode(answer)))


def _have_image(wanted: Container, root: str, stop: Stop) -> None:
    """Apptainer brings its images by itself, when it runs them."""
    if is_podman(program := runtime()):
        podman.have_image(program, wanted, home(root), stop.is_set)
        stop.check()


def _create(wanted: Contained, stop: Stop) -> ContainerInfo | None:
    if not is_podman(program := runtime()):
        return None
    try:
        return podman.create(program, wanted, stop.is_set)
    except ContainerError:
        stop.check()
        raise


def _discard(errand: Discard) -> Done:
    if not is_podman(program := runtime()):
        return Done(errand.number)
    if len(errand.names) == 1:
        info, code = podman.discard(program, errand.names[0], errand.home, errand.said)
        return Done(errand.number, container=info, code=code)
    podman.remove(program, errand.home, errand.names)
    return Done(errand.number)


def main(arguments: list[str]) -> None:
    """Run a carrier."""
    parser = argparse.ArgumentParser(prog="linarite.nodes.moving.carrier")
    parser.add_argument("--uid", type=int, help="become this user before anything is moved")
    parser.add_argument("--gid", type=int, help="in this group, not in that of the user's number")
    parser.add_argument("--owner", type=int, help="give installed packages to this user")
    parser.add_argument("--ca-file", help="trust these certificate authorities too")
    parser.add_argument("--private", action="store_true", help="let the user's group do nothing with new files")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds to try again when the other side fails")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")

    context, patience = make_context(options.ca_file), Patience(options.patience)
    storage = Storage(context, TRIES if options.patience else 0)
    bringing = Bringing(context, storage, patience)
    bringing.warm_up()
    connection = socket.socket(fileno=os.dup(0))
    if options.uid is not None:
        drop_privileges(options.uid, options.gid)
    set_mask(alone=options.uid is not None and not options.private)
    gc.freeze()
    try:
        Carrier(connection, Unpacker(options.owner), bringing, storage, patience).serve()
    finally:
        # At once: a thread may still wait for a server of files that nobody wants any more.
        os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
