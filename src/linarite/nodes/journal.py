"""What a host keeps on disk about its runs, so that a successor knows which were started and how they ended.

Two files take turns. Each is a list of msgpack records behind 4-byte lengths: a header, a snapshot, a record that says
that the snapshot is whole, and what came since. The file of the highest generation with a whole snapshot counts, up to
its last whole record. Both stay open: a host that gave up its privileges cannot open them again, and no task can.

Nothing is fsynced: the page cache survives the host, and after a crash of the machine no process is left to know about.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from linarite.engine.launching import Ended


class Header(msgspec.Struct, frozen=True, tag="journal"):
    """The first record: which of the two files is younger, and in which boot of the machine it was written."""

    generation: int
    boot: str


class Whole(msgspec.Struct, frozen=True, tag="whole"):
    """The snapshot before this record is complete."""


class Intended(msgspec.Struct, frozen=True, tag="intended"):
    """`run` will be started; without a later record nobody knows whether it was.

    `home` is where its container is, should it have one of its own.
    """

    run: str
    home: str = ""


class Spawned(msgspec.Struct, frozen=True, tag="spawned"):
    """`run` is process `pid` since `at` (microseconds since the epoch).

    It is told from later ones of that number by its start, which lies between the clock ticks `earliest` and `latest`.
    """

    run: str
    pid: int
    earliest: int
    latest: int
    at: int
    home: str = ""


class Forgotten(msgspec.Struct, frozen=True, tag="forgotten"):
    """The server has committed the ends of these runs."""

    runs: list[str]


Record = Header | Whole | Intended | Spawned | Ended | Forgotten


class KnownRun(msgspec.Struct):
    """A run as the journal tells it: `ended` is its last report, once there is one."""

    run: str
    home: str = ""
    spawned: Spawned | None = None
    ended: Ended | None = None


class History(msgspec.Struct):
    """What one journal file tells."""

    generation: int = 0
    boot: str = ""
    whole: bool = False
    runs: dict[str, KnownRun] = msgspec.field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Apply the next record."""
        match record:
            case Header():
                self.generation, self.boot = record.generation, record.boot
            case Whole():
                self.whole = True
            case Intended():
                self.runs[record.run] = KnownRun(record.run, record.home)
            case Spawned():
                self.runs[record.run] = KnownRun(record.run, record.home, spawned=record)
            case Forgotten():
                for run in record.runs:
                    self.runs.pop(run, None)
            case _:
                self.runs[record.run] = KnownRun(record.run, ended=record)


_FILES = ("journal.0", "journal.1")
_length = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Record)


def _packed(records: Iterable[Record]) -> bytes:
    bodies = [_encode(record) for record in records]
    return b"".join(part for body in bodies for part in (_length.pack(len(body)), body))


def _records(data: bytes) -> Iterator[Record]:
    """Read up to the last whole record: a killed host may have left a torn one behind it."""
    at = 0
    while at + _length.size <= len(data):
        (size,) = _length.unpack_from(data, at)
        at += _length.size
        if at + size > len(data):
            return
        try:
            yield _decoder.decode(data[at : at + size])
        except msgspec.DecodeError:
            return
        at += size


def read_history(folder: Path) -> History:
    """Read what the journal in `folder` tells; an empty history when there is none. Raises OSError."""
    best = History()
    for name in _FILES:
        try:
            data = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        history = History()
        for record in _records(data):
            history.take(record)
        if history.whole and history.generation > best.generation:
            best = history
    return best


def boot_id() -> str:
    """Name this boot of the machine: process numbers mean nothing across boots."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class Journal:
    """The journal of one host, open for appending. The host holds the folder's lock."""

    def __init__(self, folder: Path) -> None:
        """Open both files in `folder`, making them where they lack, and read what they tell. Raises OSError."""
        self.history = read_history(folder)
        self._boot = boot_id()
        self._generation = self.history.generation
        self._files = [os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600) for name in _FILES]
        self._size = 0
        self._records = 0

    @property
    def same_boot(self) -> bool:
        """Whether the history is of this boot of the machine: its process numbers may still mean something."""
        return self.history.boot == self._boot

    def append(self, records: Sequence[Record]) -> None:
        """Write the records at once. Raises OSError, and then none of them stands in the journal."""
        if records:
            self._write(_packed(records))
            self._records += len(records)

    def worth_compacting(self, live: int) -> bool:
        """Whether most of the file tells of forgotten runs, when `live` runs are not."""
        return self._records > 8192 + 8 * live

    def compact(self, live: Sequence[Record]) -> None:
        """Begin the other file with `live`, the records of all unforgotten runs. Raises OSError: the old one stays."""
        generation = self._generation + 1
        data = _packed([Header(generation, self._boot), *live, Whole()])
        target = self._files[generation % 2]
        os.ftruncate(target, 0)
        _write_whole(target, data, 0)
        os.ftruncate(self._files[self._generation % 2], 0)
        self._generation, self._size, self._records = generation, len(data), len(live)

    def _write(self, data: bytes) -> None:
        current = self._files[self._generation % 2]
        try:
            _write_whole(current, data, self._size)
        except OSError:
            # Later records must not stand behind a torn one, which ends the reading.
            os.ftruncate(current, self._size)
            raise
        self._size += len(data)


def _write_whole(file: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written
