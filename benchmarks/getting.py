"""Get File of a large file, whole and in ranges of 4 MiB over four connections, beside nginx and Azurite.

All three serve the same bytes out of the page cache of a disk, in turn, round by round; a figure is the median of the
rounds, in MB/s. nginx serves the very file; Azurite serves a blob of its own, made of blocks as clients make them.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import beside
from benchmarks.bench_server import fresh_folder, server
from benchmarks.share import MEBIBYTE, RANGE, VERSION, Share
from benchmarks.wire import Wire, side_by_side

CONNECTIONS = 4
WHOLE, RANGES = "whole", "ranges"


class Reader:
    """Reads one target in both ways."""

    def __init__(self, url: str, target: str, headers: dict[str, str], size: int) -> None:
        """`size` is how many bytes there must be."""
        self._url, self._target, self._headers, self._size = url, target, headers, size

    def whole(self) -> None:
        """One request."""
        with Wire(self._url) as wire:
            got = wire.call("GET", self._target, self._headers)
        if got != self._size:
            raise SystemExit(f"{self._target}: {got} bytes")

    def ranges(self) -> None:
        """Ranges in turn, the next one by whichever connection is free."""
        offsets = iter(range(0, self._size, RANGE))  # a next() of it is one step of the interpreter: no lock

        def work() -> None:
            with Wire(self._url) as wire:
                for offset in offsets:
                    wanted = {"Range": f"bytes={offset}-{min(offset + RANGE, self._size) - 1}"}
                    wire.call("GET", self._target, {**self._headers, **wanted})

        side_by_side([work] * CONNECTIONS)


def rate(size: int, work: Callable[[], None]) -> float:
    """MB/s."""
    began = time.perf_counter()
    work()
    return size / (time.perf_counter() - began) / 1e6


def run(*, short: bool = False) -> dict[str, object]:
    """Rates of all and the ratios of their medians; the server's peak memory."""
    size, rounds = (16 * MEBIBYTE, 1) if short else (1024 * MEBIBYTE, 9)
    with ExitStack() as stack:
        home = stack.enter_context(fresh_folder(disk=True))
        running = stack.enter_context(server(home))
        share = Share(running.files)
        share.make()
        folder = Share.folder(home / "data")
        piece = os.urandom(RANGE)
        _fill(folder / "file", piece, size)
        readers = {"linarite": Reader(share.url, share.target("file"), VERSION, size)}
        if (url := stack.enter_context(beside.nginx(home, folder))) is not None:
            readers["nginx"] = Reader(url, "/file", {}, size)
        if (account := stack.enter_context(beside.azurite(home / "azurite"))) is not None:
            with Wire(account.url) as wire:
                for number in range(size // RANGE):
                    account.put_block(wire, "file", number, piece)
                account.put_block_list(wire, "file", size // RANGE)
            readers["azurite"] = Reader(account.url, account.target("file"), {"x-ms-version": beside.API}, size)
        rates = _measure(readers, size, rounds)
        peak = running.peak_memory()
    found: dict[str, object] = {"mib": size // MEBIBYTE, "rounds": rounds, "peak_kib": peak, **_shown(rates)}
    for name in ("nginx", "azurite"):
        if name not in readers:
            found[f"no_{name}"] = beside.MISSING[name]
    return found


def _fill(path: Path, piece: bytes, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // len(piece)):
            file.write(piece)
        os.fsync(file.fileno())


def _measure(readers: dict[str, Reader], size: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    rates: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds + 1):
        for way in (WHOLE, RANGES):
            for name, reader in readers.items():
                found = rate(size, getattr(reader, way))
                if turn:  # the first round warms all of them up
                    rates.setdefault((way, name), []).append(found)
    return rates


def _shown(rates: dict[tuple[str, str], list[float]]) -> dict[str, object]:
    medians = {key: statistics.median(found) for key, found in rates.items()}
    shown: dict[str, object] = {f"{way}_{name}_mb_s": round(found) for (way, name), found in medians.items()}
    for (way, name), found in medians.items():
        if name != "linarite":
            shown[f"{way}_to_{name}"] = round(medians[way, "linarite"] / found, 2)
    return shown
