"""The first and a later page of a directory of 100,000 files: cold (the server has just started) and warm, in ms."""

from __future__ import annotations

import base64
import statistics
import time
from urllib.parse import quote

from benchmarks.bench_server import Server, fresh_folder, server
from benchmarks.share import VERSION, Share
from benchmarks.wire import Wire

LIST = "restype=directory&comp=list&"


def run(*, short: bool = False) -> dict[str, object]:
    """Median of warm pages, the cold one, a page in the middle, and the server's peak memory meanwhile."""
    files, rounds = (2_000, 1) if short else (100_000, 9)
    with fresh_folder(disk=True) as home:
        with server(home) as running:
            share = Share(running.files)
            share.make()
            folder = Share.folder(home / "data") / "many"
            folder.mkdir()
            for number in range(files):
                (folder / f"file {number:06}.txt").touch()
        with server(home) as running:
            return {"files": files, **_measure(running, files, rounds)}


def _measure(running: Server, files: int, rounds: int) -> dict[str, object]:
    share = Share(running.files)
    with Wire(share.url) as wire:
        marker = _marker(files // 2)
        cold = _ask(share, wire, "")
        warm = [_ask(share, wire, "") for _ in range(rounds)]
        later = [_ask(share, wire, f"marker={marker}&") for _ in range(rounds)]
    return {
        "cold_ms": round(cold), "warm_ms": round(statistics.median(warm)), "later_ms": round(statistics.median(later)),
        "peak_kib": running.peak_memory(),
    }  # fmt: skip


def _ask(share: Share, wire: Wire, query: str) -> float:
    """Milliseconds of one page."""
    began = time.perf_counter()
    wire.call("GET", share.target("many", LIST + query), VERSION)
    return (time.perf_counter() - began) * 1000


def _marker(number: int) -> str:
    """The marker of a page that begins with a file, as the server writes it: its name in URL-safe base64."""
    return quote(base64.urlsafe_b64encode(f"file {number:06}.txt".encode()).decode())
