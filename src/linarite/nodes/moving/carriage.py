"""A host's half of its carrier: errands out, answers in, on the host's one thread.

A host that has given up its privileges may not be able to start another program of this installation. So it starts a
shell before it does, which waits for a word and then becomes the carrier: until a file is to be moved, that costs a
megabyte. There is one carrier for a host's life; one that died, or that had nothing to do for a while, is the end of
its host as soon as no run needs it, and the host's successor has a new one.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence

from linarite.engine.containers import Container
from linarite.engine.launching import Fetch, Launch, Problem
from linarite.engine.outputs import OutputFile
from linarite.engine.packages import Package
from linarite.nodes.containers import Contained
from linarite.nodes.environment import passed_on
from linarite.nodes.moving import errands
from linarite.nodes.moving.errands import (
    Bring,
    Cancel,
    Discard,
    Done,
    Errand,
    MakeNode,
    Prepare,
    Remove,
    Request,
    TakeAway,
)
from linarite.nodes.open_files import as_given
from linarite.nodes.wire import Frames, frame

IDLE = 60.0
"""Seconds for which a carrier without errands is kept."""

_seed = 'read -r word && exec "$@"'
_begin = b"begin\n"

Told = Callable[[Done], None]
GONE = Problem(code="failed", message="The process that moves files has ended.", user=False)
"""What errands come to that a carrier left undone: another one may do them."""


def _spawn(command: list[str], stdin: socket.socket) -> int:
    """Start the shell that becomes `command`, in a session of its own, and give its number. Raises OSError."""
    words = as_given(["/bin/sh", "-c", _seed, "sh", *command])
    return os.posix_spawn(
        words[0], words, passed_on(), file_actions=[(os.POSIX_SPAWN_DUP2, stdin.fileno(), 0)], setsid=True
    )  # fmt: skip


class Carriage:
    """Asks the carrier to move files and make containers. `done` of an errand is called with what it came to."""

    def __init__(self, options: Sequence[str]) -> None:
        """Start the shell that will become the carrier, with these `options`. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            self.pid = _spawn([sys.executable, "-P", "-s", "-m", "linarite.nodes.moving.carrier", *options], theirs)
        ours.settimeout(0)
        self.connection = ours
        self._frames = Frames()
        self._unsent = bytearray()
        self._held: bytearray | None = bytearray()
        self._asked: dict[int, Told] = {}
        self._last = 0
        self._begun = False
        self.gone = False
        self._idle_since = time.monotonic()

    @property
    def spent(self) -> bool:
        """Whether there is no use in this carrier any more: it is gone, or was idle for long."""
        idle = self._begun and not self._asked and time.monotonic() - self._idle_since > IDLE
        return self.gone or idle

    @property
    def idle_for(self) -> float | None:
        """Seconds until the carrier will have been idle for too long; None: it is not idle, or never worked."""
        if not self._begun or self._asked or self.gone:
            return None
        return max(0.0, self._idle_since + IDLE - time.monotonic())

    @property
    def waits(self) -> bool:
        """Whether something is left to send."""
        return bool(self._unsent)

    def bring(
        self, fetches: Sequence[Fetch], wd: str, done: Told, *, packages: Sequence[Package] = (), root: str = "",
        archives: str = "", images: Sequence[Container] = (), container: Contained | None = None,
    ) -> int:  # fmt: skip
        """Install packages, have images, bring files into the folder `wd`, make a container; gives its number."""
        self._last += 1
        bring = Bring(self._last, tuple(fetches), wd, tuple(packages), root, archives, tuple(images), container)
        return self._ask(bring, done)

    def take_away(
        self, outputs: Sequence[OutputFile], directory: str, variables: dict[str, str], done: Told
    ) -> int:  # fmt: skip
        """Send files of the task's `directory`; gives the errand's number."""
        self._last += 1
        return self._ask(TakeAway(self._last, tuple(outputs), directory, variables), done)

    def prepare(self, launch: Launch, root: str, archives: str, done: Told) -> int:
        """Make a run's folders in the node at `root` and bring what is to be there; gives the errand's number."""
        self._last += 1
        return self._ask(Prepare(self._last, launch, root, archives), done)

    def make_node(self, root: str, packages: Sequence[Package], archives: str, done: Told) -> int:
        """Make a node's folders and install packages; gives the errand's number."""
        self._last += 1
        return self._ask(MakeNode(self._last, root, tuple(packages), archives), done)

    def remove(self, path: str, trash: str, keep: str, done: Told) -> int:
        """Move `path` away and remove it slowly; without a path, go on with `trash`. Gives the errand's number."""
        self._last += 1
        return self._ask(Remove(self._last, path, trash, keep), done)

    def discard(self, names: Sequence[str], home: str, done: Told, said: str = "") -> None:
        """Remove containers; that is never given up."""
        self._last += 1
        self._ask(Discard(self._last, tuple(names), home, said), done)

    def cancel(self, number: int) -> None:
        """Give up an errand: its `done` is not called any more."""
        if self._asked.pop(number, None) is not None:
            self._send(Cancel(number))
            self._idle_since = time.monotonic()

    def receive(self) -> None:
        """Take the answers that have come."""
        try:
            data = self.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._on_gone()
            return
        self._frames.feed(data)
        for body in self._frames.bodies():
            answer = errands.answers.decode(body)
            if isinstance(answer, Done):
                self._on_done(answer)
            elif self._held is not None:
                self._unsent += self._held
                self._held = None
                self.send()

    def send(self) -> None:
        """Send what is left."""
        try:
            while self._unsent:
                del self._unsent[: self.connection.send(self._unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()

    def _ask(self, request: Errand, done: Told) -> int:
        self._asked[request.number] = done
        if self.gone:
            self._on_gone()
            return request.number
        if not self._begun:
            self._begun = True
            self._unsent += _begin
        self._send(request)
        return request.number

    def _send(self, request: Request) -> None:
        # Until it is the carrier's, the shell reads what comes.
        unsent = self._unsent if self._held is None else self._held
        unsent += frame(errands.encode(request))
        self.send()

    def _on_done(self, answer: Done) -> None:
        done = self._asked.pop(answer.number, None)
        self._idle_since = time.monotonic()
        if done is not None:
            done(answer)

    def _on_gone(self) -> None:
        self.gone = True
        asked, self._asked = self._asked, {}
        for number, done in asked.items():
            done(Done(number, GONE))
