"""Nodes on a real Slurm with a listener that remembers; what Slurm rarely says is said in its place."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.nodes.helpers import Heard
from tests.support.fake_slurm import FakeSlurm
from tests.support.slurm import SlurmCluster, unprivileged_user

from linarite.engine.launching import Launch, Machine, NodeOrder, NodeReady, NodeRef, RunExited, RunStarted
from linarite.nodes.slurm import Options, SlurmNodes
from linarite.nodes.slurm.users import Users

SECONDS = 60.0


class HeardOfCluster(Heard):
    """A listener that hears of machines as well."""

    def __init__(self, refuse: int = 0) -> None:
        super().__init__(refuse)
        self.machines: list[Machine] = []

    async def on_machines(self, machines: Sequence[Machine]) -> None:
        self.machines = list(machines)
        self._news.set()

    def machine(self, name: str) -> Machine:
        return next(machine for machine in self.machines if machine.name == name)

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(SECONDS):
            while not true():
                self._news.clear()
                await self._news.wait()


class SlurmSite:
    """Nodes below one shared folder, as one server or a row of servers uses them."""

    def __init__(self, cluster: SlurmCluster, patch: pytest.MonkeyPatch) -> None:
        self.cluster = cluster
        self.shared = Path(tempfile.mkdtemp(prefix="site-", dir=cluster.shared))
        self.shared.chmod(0o711)
        self._apart = Path(tempfile.mkdtemp(prefix="linarite-fake-"))
        self._apart.chmod(0o711)
        self.fake = FakeSlurm(self._apart / "fake")
        for name, value in (cluster.environment | self.fake.environment).items():
            patch.setenv(name, value)
        self.heard = HeardOfCluster()
        self.nodes = self._make()

    def _make(self, *, mountable: Any = None, **options: Any) -> SlurmNodes:
        given = Options(**({"poll": 0.3, "patience": 10.0} | options))
        users = Users(unprivileged_user(), {})
        return SlurmNodes(self.shared, self.shared, given, users, mountable=mountable, fetch_patience=0.0)

    async def start(self, *, refuse: int = 0, **options: Any) -> None:
        self.heard = HeardOfCluster(refuse)
        self.nodes = self._make(**options)
        await self.nodes.start(self.heard)

    async def again(self, **options: Any) -> None:
        """The server ends and starts."""
        await self.nodes.stop()
        await self.start(**options)

    def node(self, name: str = "n1") -> NodeRef:
        return NodeRef(account="devaccount", pool="pool1", node=name, key=int(name[1:]))

    async def provision(self, name: str = "n1", **facts: Any) -> Any:
        """Make a node; what is told of it."""
        known = len(self.heard.nodes)
        await self.nodes.provision([NodeOrder(node=self.node(name), **facts)])
        await self.heard.until(lambda: len(self.heard.nodes) > known)
        return self.heard.nodes[-1]

    def make_launch(self, command: str, *, node: str = "n1", **facts: Any) -> Launch:
        run = uuid.uuid4().hex
        own = {"run": run, "node": self.node(node), "directory": f"workitems/job1/job-1/{run}", "command": command}
        return Launch(**own | facts)

    async def launch(self, command: str, **facts: Any) -> str:
        launch = self.make_launch(command, **facts)
        await self.nodes.launch([launch])
        return launch.run

    async def sh(self, script: str, **facts: Any) -> str:
        return await self.launch(script, shell=True, **facts)

    async def end(self, *runs: str, grace: float = 0.0, **options: Any) -> None:
        await self.nodes.end([(self.node(), run) for run in runs], grace, **options)

    def folder(self, run: str, node: str = "n1") -> Path:
        return Path(self.nodes.root(self.node(node))) / "workitems/job1/job-1" / run

    def out(self, run: str, name: str = "stdout.txt") -> str:
        return (self.folder(run) / name).read_text()

    def ran(self, run: str) -> int:
        """How often a run of `COUNTED` was started."""
        return len((self.folder(run) / "wd/ran").read_text().splitlines())

    async def close(self) -> None:
        """End the server; a call to Slurm that is going on may still note itself."""
        await self.nodes.stop()
        await self.until(lambda: shutil.rmtree(self._apart, ignore_errors=True) or not self._apart.exists())

    async def called(self, program: str, number: int) -> None:
        """Wait until a command of Slurm's has been called so often."""
        await self.until(lambda: len(self.fake.calls(program)) >= number)

    async def until(self, true: Callable[[], Any]) -> Any:
        """Poll what gives no signal, until it holds."""
        deadline = time.monotonic() + SECONDS
        while not (value := true()):
            assert time.monotonic() < deadline, "this never came true"
            await asyncio.sleep(0.05)
        return value

    def left(self) -> list[str]:
        """What the shared folder still has of runs."""
        top = self.shared / "slurm" / str(os.geteuid() if (user := unprivileged_user()) is None else _uid(user))
        found = [Path(folder, name) for folder, _, names in os.walk(top) for name in names]  # those that go meanwhile
        return [str(path.relative_to(top)) for path in found]

    def queue(self, *words: str) -> list[str]:
        return self.cluster.run("squeue", "-h", "-r", *words, "-o", "%i %T %k").splitlines()

    async def told_once(self, run: str) -> RunExited:
        """A run that was started once, which is told once, and leaves nothing."""
        exited = await self.heard.exited(run)
        assert [type(report) for report in self.heard.of(run)] == [RunStarted, RunExited]
        await self.until(lambda: not any(run in path for path in self.left()))
        return exited


def _uid(user: str) -> int:
    return pwd.getpwnam(user).pw_uid


COUNTED = "echo $$ >> ran"


def is_ready(report: Any) -> bool:
    return isinstance(report, NodeReady)
