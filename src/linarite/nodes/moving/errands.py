"""What a host and its carrier say to each other, framed as the server and the host do it (`nodes.wire`)."""

from __future__ import annotations

import msgspec

from linarite.engine.containers import Container, ContainerInfo
from linarite.engine.launching import Fetch, Launch, Problem
from linarite.engine.outputs import OutputFile
from linarite.engine.packages import Package
from linarite.nodes.containers import Contained


class Bring(msgspec.Struct, frozen=True, tag="bring"):
    """Bring the files of `fetches` into the folder `wd` (absolute), each whole or not at all.

    Before that, install `packages` in the node at `root`, from their archives in the folder `archives`, and see that
    `images` are there; after it, make the `container`.
    """

    number: int
    fetches: tuple[Fetch, ...]
    wd: str
    packages: tuple[Package, ...] = ()
    root: str = ""
    archives: str = ""
    images: tuple[Container, ...] = ()
    container: Contained | None = None


class TakeAway(msgspec.Struct, frozen=True, tag="take-away"):
    """Send the files of the task's `directory` (absolute) that `outputs` mean; `variables` are the task's."""

    number: int
    outputs: tuple[OutputFile, ...]
    directory: str
    variables: dict[str, str]


class Discard(msgspec.Struct, frozen=True, tag="discard"):
    """Remove containers, below their user's `home`, and tell what became of one; podman's words are in `said`."""

    number: int
    names: tuple[str, ...]
    home: str
    said: str = ""


class Prepare(msgspec.Struct, frozen=True, tag="prepare"):
    """Make the folders of a run in the node at `root`, and bring all that is to be there before it starts."""

    number: int
    launch: Launch
    root: str
    archives: str = ""


class MakeNode(msgspec.Struct, frozen=True, tag="make-node"):
    """Make the folders of the node at `root`, and install `packages`."""

    number: int
    root: str
    packages: tuple[Package, ...] = ()
    archives: str = ""


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """Move `path` into `trash` at once and empty that slowly. Parents left empty go too, down to `keep`.

    Without a path that is gone on with.
    """

    number: int
    path: str
    trash: str
    keep: str = ""


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Nobody waits for errand `number` any more."""

    number: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The carrier's first message: it has imported all that it needs."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Errand `number` is over; `problem` is what went wrong, `container` the one that was made or removed.

    `code` is the exit code of one that was removed, where it had started.
    """

    number: int
    problem: Problem | None = None
    container: ContainerInfo | None = None
    code: int | None = None


Errand = Bring | TakeAway | Discard | Prepare | MakeNode | Remove
Request = Bring | TakeAway | Discard | Prepare | MakeNode | Remove | Cancel
Answer = Ready | Done

encode = msgspec.msgpack.Encoder().encode
requests = msgspec.msgpack.Decoder(Request)
answers = msgspec.msgpack.Decoder(Answer)
