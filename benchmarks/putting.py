"""A large file put in ranges of 4 MiB over four connections, beside the same bytes as a block blob of Azurite.

Ours is Create File and Put Range, without a checksum (`--files-md5 asked`; beside it as the server comes, which tells
the MD5 of all that it writes); Azurite's Put Block and Put Block List. All write to one file system, in turn, round by
round: once to memory, touched before, and once to a disk. Both flush each range or block before its answer: ours bytes
and times of the file that is read (fsync), Azurite those of a file of blocks that it appends to (fdatasync, once a
block, as strace shows); what that file says of the blob, it keeps in a database that it saves now and then. `bare` is
no server: four threads that write and flush the same ranges of a file, with no socket before them. A figure is the
median of the rounds, in MB/s.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import beside
from benchmarks.bench_server import Server, file_system, fresh_folder, server
from benchmarks.getting import CONNECTIONS, rate
from benchmarks.share import MEBIBYTE, RANGE, Share
from benchmarks.wire import Wire, side_by_side


def run(*, short: bool = False) -> dict[str, object]:
    """Rates of both in memory and on the disk, their ratios, and the server's peak memory."""
    ranges, rounds = (8, 1) if short else (256, 5)
    return {
        "mib": ranges * RANGE // MEBIBYTE, "rounds": rounds,
        "memory": _measure(ranges, rounds, disk=False), "disk": _measure(ranges, rounds, disk=True),
    }  # fmt: skip


def _measure(ranges: int, rounds: int, *, disk: bool) -> dict[str, object]:
    with ExitStack() as stack:
        home = stack.enter_context(fresh_folder(disk=disk))
        data, works, servers = os.urandom(RANGE), {}, []
        if file_system(home) == "tmpfs":
            _touch(home / "touched", data, (rounds + 7) * ranges)
        for title, words in {"linarite": ("--files-md5", "asked"), "with_md5": ()}.items():
            (home / title).mkdir(mode=0o755)
            servers.append(stack.enter_context(server(home / title, *words)))
            share = Share(servers[-1].files)
            share.make()
            works[title] = lambda name, share=share: _put_file(share, name, data, ranges)
        works["bare"] = lambda name: _write_file(home / name, data, ranges)
        account = stack.enter_context(beside.azurite(home / "azurite"))
        if account is not None:
            works["azurite"] = lambda name: _put_blob(account, name, data, ranges)
        rates: dict[str, list[float]] = {name: [] for name in works}
        for turn in range(rounds + 1):
            for name, work in works.items():
                found = rate(ranges * RANGE, lambda work=work, turn=turn: work(f"f{turn % 2}"))
                if turn:  # the first round warms both up
                    rates[name].append(found)
        shown: dict[str, object] = {"file_system": file_system(home), "peak_kib": max(map(Server.peak_memory, servers))}
    medians = {name: statistics.median(found) for name, found in rates.items()}
    shown |= {f"{name}_mb_s": round(found) for name, found in medians.items()}
    shown["to_bare"] = round(medians["linarite"] / medians["bare"], 2)
    if "azurite" in medians:
        return {**shown, "to_azurite": round(medians["linarite"] / medians["azurite"], 2)}
    return {**shown, "no_azurite": beside.MISSING["azurite"]}


def _touch(path: Path, data: bytes, most: int) -> None:
    """Have as much memory as the rounds will use, or half of what there is.

    A virtual machine gets memory when it first touches it, and for those who come first that is most of their time.
    """
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with path.open("wb", buffering=0) as file:
        for _ in range(min(most, free // 2 // len(data))):
            file.write(data)
    path.unlink()


def _put_file(share: Share, name: str, data: bytes, ranges: int) -> None:
    with Wire(share.url) as wire:
        share.create_file(wire, name, ranges * len(data))
    _spread(share.url, ranges, lambda wire, number: share.put_range(wire, name, number * len(data), data))


def _put_blob(account: beside.BlobAccount, name: str, data: bytes, ranges: int) -> None:
    _spread(account.url, ranges, lambda wire, number: account.put_block(wire, name, number, data))
    with Wire(account.url) as wire:
        account.put_block_list(wire, name, ranges)


def _write_file(path: Path, data: bytes, ranges: int) -> None:
    with path.open("wb") as file:
        file.truncate(ranges * len(data))
        numbers = iter(range(ranges))

        def work() -> None:
            for number in numbers:
                os.pwrite(file.fileno(), data, number * len(data))
                os.fsync(file.fileno())

        side_by_side([work] * CONNECTIONS)


def _spread(url: str, count: int, put: Callable[[Wire, int], None]) -> None:
    """Numbers in turn, the next one by whichever connection is free."""
    numbers = iter(range(count))

    def work() -> None:
        with Wire(url) as wire:
            for number in numbers:
                put(wire, number)

    side_by_side([work] * CONNECTIONS)
