"""What a host and its carrier say to each other, framed as the server and the host do it (`nodes.wire`)."""

from __future__ import annotations

import msgspec

from linarite.engine.containers import Container
from linarite.engine.launching import Fetch, Problem
from linarite.engine.outputs import OutputFile
from linarite.engine.packages import Package


class Bring(msgspec.Struct, frozen=True, tag="bring"):
    """Bring the files of `fetches` into the folder `wd` (absolute), each whole or not at all.

    Before that, install `packages` in the node at `root`, from their archives in the folder `archives`, and see that
    the image of `container` is there.
    """

    number: int
    fetches: tuple[Fetch, ...]
    wd: str
    packages: tuple[Package, ...] = ()
    root: str = ""
    archives: str = ""
    container: Container | None = None


class TakeAway(msgspec.Struct, frozen=True, tag="take-away"):
    """Send the files of the task's `directory` (absolute) that `outputs` mean; `variables` are the task's."""

    number: int
    outputs: tuple[OutputFile, ...]
    directory: str
    variables: dict[str, str]


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Nobody waits for errand `number` any more."""

    number: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The carrier's first message: it has imported all that it needs."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Errand `number` is over; `problem` is what went wrong."""

    number: int
    problem: Problem | None = None


Errand = Bring | TakeAway
Request = Bring | TakeAway | Cancel
Answer = Ready | Done

encode = msgspec.msgpack.Encoder().encode
requests = msgspec.msgpack.Decoder(Request)
answers = msgspec.msgpack.Decoder(Answer)
