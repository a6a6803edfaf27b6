"""What the server and a node host say to each other: msgpack lists of tagged messages, each behind a 4-byte length.

The server asks (`Request`), the host answers (`Message`). Both batch: one frame carries all that a turn brought.
Fields may be added; a change that an older host would misread raises `VERSION`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from linarite.engine.containers import Container
from linarite.engine.launching import Ended, Launch, RunReturned, RunStarted, Usage
from linarite.engine.packages import Package

T = TypeVar("T")

VERSION = 1
LARGEST_FRAME = 256 * 1024 * 1024
"""Bytes. No honest frame comes near; a larger length means that the stream is not ours."""


class LaunchRun(msgspec.Struct, frozen=True, tag="launch"):
    """Start `launch` once in the node folder `root` (absolute); the archives of its packages lie in `archives`."""

    launch: Launch
    root: str
    archives: str = ""


class EndRun(msgspec.Struct, frozen=True, tag="end"):
    """SIGTERM to the run's process group, SIGKILL after `grace` seconds; then `outputs` are taken away, or not."""

    run: str
    grace: float
    outputs: bool = False


class Acknowledge(msgspec.Struct, frozen=True, tag="acknowledge"):
    """The ends of these runs are committed: forget them."""

    runs: list[str]


class MakeNode(msgspec.Struct, frozen=True, tag="make-node"):
    """Make the folders of the node at `root`; `packages`, whose archives lie in `archives`, and `images` come to it."""

    root: str
    packages: tuple[Package, ...] = ()
    archives: str = ""
    images: tuple[Container, ...] = ()


class Remove(msgspec.Struct, frozen=True, tag="remove"):
    """Move `path` into `trash` at once and empty that slowly. Parents left empty go too, down to `keep`."""

    path: str
    trash: str
    keep: str


class Sweep(msgspec.Struct, frozen=True, tag="sweep"):
    """Go on emptying `trash`."""

    trash: str


class Measure(msgspec.Struct, frozen=True, tag="measure"):
    """Tell what the runs of the nodes at `roots` use; the answer repeats `number`."""

    number: int
    roots: list[str]


class MeasureRuns(msgspec.Struct, frozen=True, tag="measure-runs"):
    """Tell what these runs have used, as far as they go on here; the answer repeats `number`."""

    number: int
    runs: list[str]


Request = LaunchRun | EndRun | Acknowledge | MakeNode | Remove | Sweep | Measure | MeasureRuns


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The host's first message: every run that it knows. Reports on the running and ended ones follow."""

    version: int
    runs: list[str]


class NodeMade(msgspec.Struct, frozen=True, tag="node-made"):
    """The folders of the node at `root` are there."""

    root: str


class NodeFailed(msgspec.Struct, frozen=True, tag="node-failed"):
    """The folders of the node at `root` cannot be made, or its packages not installed (`code`, `details`)."""

    root: str
    message: str
    code: str = "node-unusable"
    details: dict[str, str] = {}


class Removed(msgspec.Struct, frozen=True, tag="removed"):
    """`path` is out of the way."""

    path: str


class RootUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs of the node at `root` use: processors on the mean, memory now, bytes in 30 seconds."""

    root: str
    cores: float
    memory_bytes: int
    read_bytes: int
    write_bytes: int


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """The answer to the `Measure` of this number."""

    number: int
    uses: list[RootUse]


class RunsMeasured(msgspec.Struct, frozen=True, tag="runs-measured"):
    """The answer to the `MeasureRuns` of this number."""

    number: int
    usages: dict[str, Usage]


Message = Hello | RunStarted | RunReturned | Ended | NodeMade | NodeFailed | Removed | Measured | RunsMeasured


class WireError(Exception):
    """The other side does not speak this protocol."""


_length = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_requests = msgspec.msgpack.Decoder(list[Request])
_messages = msgspec.msgpack.Decoder(list[Message])


def frame(body: bytes) -> bytes:
    """Put the length before a body."""
    return _length.pack(len(body)) + body


def pack(batch: Sequence[Request] | Sequence[Message]) -> bytes:
    """Make one frame of a batch."""
    return frame(_encode(batch))


class Frames:
    """Bytes in as they come, whole frames out."""

    def __init__(self) -> None:
        """Start with nothing received."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._buffer += data

    def requests(self) -> Iterator[Request]:
        """Give the requests of every whole frame. Raises WireError."""
        for body in self.bodies():
            yield from _decoded(_requests, body)

    def messages(self) -> Iterator[Message]:
        """Give the messages of every whole frame. Raises WireError."""
        for body in self.bodies():
            yield from _decoded(_messages, body)

    def bodies(self) -> Iterator[bytes]:
        """Give the bodies of every whole frame. Raises WireError."""
        while len(self._buffer) >= _length.size:
            (size,) = _length.unpack_from(self._buffer)
            if size > LARGEST_FRAME:
                raise WireError(f"A frame of {size} bytes.")
            end = _length.size + size
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_length.size : end])
            del self._buffer[:end]
            yield body


def _decoded(decoder: msgspec.msgpack.Decoder[list[T]], body: bytes) -> list[T]:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise WireError(str(error)) from error
