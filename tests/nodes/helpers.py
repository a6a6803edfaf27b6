"""What the tests of the nodes share: a listener that remembers, and ways to wait for what it hears."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from linarite.engine.launching import (
    Launch,
    NodeOrder,
    NodeReady,
    NodeRef,
    NodeReport,
    NodeUse,
    Report,
    RunExited,
    RunFailed,
    RunLost,
    RunReturned,
    RunStarted,
)
from linarite.nodes.local import LocalNodes

DEADLINE = 30.0
"""Seconds after which a thing that should have happened has not."""

NODE = NodeRef(account="devaccount", pool="pool1", node="node1", key=1)


def is_ready(report: NodeReport, node: NodeRef = NODE) -> bool:
    """Whether a node is told to be ready, whatever the machine is that it is on."""
    return isinstance(report, NodeReady) and report.node == node


class Heard:
    """A listener that keeps all that it hears; `refuse` makes so many calls fail."""

    def __init__(self, refuse: int = 0) -> None:
        self.reports: list[Report] = []
        self.nodes: list[NodeReport] = []
        self.uses: dict[int, list[NodeUse]] = {}
        self.refuse = refuse
        self._news = asyncio.Event()

    async def on_reports(self, reports: Sequence[Report]) -> None:
        if self.refuse:
            self.refuse -= 1
            raise RuntimeError("The store is away.")
        self.reports += reports
        self._news.set()

    async def on_node_reports(self, reports: Sequence[NodeReport]) -> None:
        self.nodes += reports
        self._news.set()

    async def on_node_uses(self, uses: Sequence[NodeUse], slot: int) -> None:
        self.uses[slot] = list(uses)
        self._news.set()

    def of(self, run: str) -> list[Report]:
        return [report for report in self.reports if report.run == run]

    def ends(self, run: str) -> list[RunExited | RunFailed | RunLost]:
        return [report for report in self.of(run) if not isinstance(report, RunStarted | RunReturned)]

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def started(self, run: str) -> RunStarted:
        await self.until(lambda: self.of(run))
        first = self.of(run)[0]
        assert isinstance(first, RunStarted), first
        return first

    async def end(self, run: str) -> RunExited | RunFailed | RunLost:
        await self.until(lambda: self.ends(run))
        return self.ends(run)[0]

    async def exited(self, run: str) -> RunExited:
        report = await self.end(run)
        assert isinstance(report, RunExited), report
        return report

    async def failed(self, run: str) -> RunFailed:
        report = await self.end(run)
        assert isinstance(report, RunFailed), report
        return report


class Site:
    """Nodes below one data folder, as one server or a row of servers uses them."""

    def __init__(self, data: Path, uid: int | None) -> None:
        self.data = data
        self.uid = uid
        self._uids = {} if uid is None else {NODE.account: uid}
        self.heard = Heard()
        self.local = self._make()

    def _make(self, **options: Any) -> LocalNodes:
        uid = self.uid
        uid_of = None if uid is None else lambda account: self._uids.setdefault(account, uid + len(self._uids))
        users = {"uid_of_user": self.uid_of_user}
        return LocalNodes(self.data, uid_of=uid_of, **{"fetch_patience": 0.0} | users | options)

    def uid_of_user(self, number: int) -> int:
        """The user that is the pool's user of this number; the first of these are accounts' own."""
        return (self.uid or 0) + number

    async def start(self, heard: Heard | None = None, **options: Any) -> None:
        self.heard = heard or Heard()
        self.local = self._make(**options)
        await self.local.start(self.heard)

    async def provision(self, node: NodeRef = NODE) -> None:
        await self.local.provision([NodeOrder(node=node)])
        await self.heard.until(lambda: any(is_ready(report, node) for report in self.heard.nodes))

    async def use(self, slot: int, node: NodeRef = NODE) -> NodeUse:
        """What a look at a node tells."""
        await self.local.measure([node], slot)
        await self.heard.until(lambda: slot in self.heard.uses)
        (use,) = self.heard.uses[slot]
        return use

    async def again(self, **options: Any) -> None:
        """The server ends and starts."""
        await self.local.stop()
        await self.start(**options)

    async def launch(self, command: str, *, directory: str = "", **facts: Any) -> str:
        """Launch in a directory of the run's own and give the run's name."""
        launch = self.make_launch(command, directory=directory, **facts)
        await self.local.launch([launch])
        return launch.run

    def make_launch(self, command: str, *, directory: str = "", **facts: Any) -> Launch:
        run = uuid.uuid4().hex
        directory = directory or f"workitems/job1/job-1/{run}"
        return Launch(**{"run": run, "node": NODE, "directory": directory, "command": command} | facts)

    async def sh(self, script: str, **facts: Any) -> str:
        return await self.launch(script, shell=True, **facts)

    def root(self, node: NodeRef = NODE) -> Path:
        return Path(self.local.root(node))

    def folder(self, run: str, node: NodeRef = NODE) -> Path:
        return self.root(node) / "workitems/job1/job-1" / run

    def out(self, run: str, name: str = "stdout.txt") -> str:
        return (self.folder(run) / name).read_text()

    def mark(self, run: str) -> str:
        """What the processes of a run are marked with, so that no other server takes them for its own."""
        return f"{run}@{zlib.crc32(str(self.data / 'hosts').encode()):08x}"

    def host_pids(self) -> set[int]:
        """The node hosts below the data folder."""
        return {
            pid
            for pid, what in _processes("cmdline")
            if b"linarite.nodes.host" in what and os.fsencode(self.data) in what
        }

    def task_pids(self) -> set[int]:
        """The processes of runs below the data folder."""
        marker = b"AZ_BATCH_NODE_ROOT_DIR=" + os.fsencode(self.data)
        return {pid for pid, what in _processes("environ") if marker in what}

    def _pids_inside(self) -> set[int]:
        """What works below the data folder, also when it hides and outlived a host that was killed."""
        found = set()
        for name in filter(str.isdecimal, os.listdir("/proc")):
            with suppress(OSError):
                if os.readlink(f"/proc/{name}/cwd").startswith(f"{self.data}/"):
                    found.add(int(name))
        return found

    def kill_everything(self) -> None:
        for pid in self.host_pids() | self.task_pids() | self._pids_inside():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _processes(fact: str) -> Iterator[tuple[int, bytes]]:
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                yield int(name), Path("/proc", name, fact).read_bytes()
            except OSError:
                continue


async def eventually(true: Callable[[], Any]) -> Any:
    """Poll what gives no signal, until it holds."""
    deadline = time.monotonic() + DEADLINE
    while not (value := true()):
        assert time.monotonic() < deadline, "this never came true"
        await asyncio.sleep(0.01)
    return value
