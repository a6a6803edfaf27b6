"""The engine at work over machines of a cluster: what the cluster tells is heard, and so is what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest
from tests.engine.test_core import DEADLINE, FakeNodes, WallClock, until

from linarite.engine import jobs, machines, pools, tasks
from linarite.engine.core import Engine
from linarite.engine.effects import Effects
from linarite.engine.errors import Unavailable
from linarite.engine.finding import find_task
from linarite.engine.housekeeping import Retention
from linarite.engine.launching import Machine, MachineState, NodeRef, Report, RunStarted
from linarite.engine.leading import leave_orders, take_orders
from linarite.engine.ledger import Ledger
from linarite.engine.model import JobSpec, PoolSpec, Task, TaskSpec, TaskState
from linarite.engine.ports import ClusterListener, Transaction
from linarite.store import open_store

ACCOUNT = "test"


class Machines(FakeNodes):
    """Those of a cluster: `there` is told at the start, and what runs have to report with it."""

    standing = True

    def __init__(self, *there: str) -> None:
        super().__init__()
        self.there = [Machine(name=name, state=MachineState.IDLE) for name in there]
        self.reports: list[Report] = []

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        return True

    async def start(self, listener: ClusterListener) -> None:
        await super().start(listener)
        await listener.on_machines(self.there)
        if self.reports:
            await listener.on_reports(self.reports)

    async def hold(self, node: NodeRef, *, held: bool) -> None:
        self._hear("hold" if held else "let go", [node.node])


class Made(FakeNodes):
    """Nodes that are made as pools want them."""


class Site:
    """A server that is started again and again on one store."""

    def __init__(self, path: Path) -> None:
        self.store, self._names = open_store(path), count(1)
        self.units = 0

    async def serve(self, nodes: FakeNodes, story: Callable[[Engine], Coroutine[Any, Any, None]]) -> None:
        engine = Engine(
            _Counting(self), nodes, WallClock(), lambda kind: f"{kind}-{next(self._names)}", lambda *_: {},
            Retention(),
        )  # fmt: skip
        await engine.start()
        try:
            await story(engine)
        finally:
            await engine.stop()

    async def task(self) -> Task:
        return await self.store.read(lambda tx: find_task(tx, ACCOUNT, "job", "a")[1])

    async def become(self, states: dict[str, str]) -> None:
        """Wait until the nodes are in these states."""
        async with asyncio.timeout(DEADLINE):
            while True:
                if await self.store.read(lambda tx: {node.id: node.state.value for node in tx.nodes.all()}) == states:
                    return
                await asyncio.sleep(0.005)


class _Counting:
    """The real store; counts its units."""

    def __init__(self, site: Site) -> None:
        self._site, self._real = site, site.store

    @property
    def shared(self) -> bool:
        return False

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        return self._real.listen(told)

    async def read(self, work: Callable[[Any], Any]) -> Any:
        return await self._real.read(work)

    async def write(self, work: Callable[[Any], Any]) -> Any:
        self._site.units += 1
        return await self._real.write(work)


def play(folder: Path, story: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    async def go() -> None:
        site = Site(folder / "store.db")
        try:
            await story(site)
        finally:
            await site.store.close()

    asyncio.run(go())


async def a_task(engine: Engine) -> None:
    await engine.do(pools.add, ACCOUNT, PoolSpec(id="pool", target_dedicated=1), {})
    await engine.do(jobs.add, ACCOUNT, JobSpec(id="job", pool="pool"), {})
    await engine.do(tasks.add, ACCOUNT, "job", [(TaskSpec(id="a", command="true"), {})])


def test_start_that_is_told_while_the_nodes_are_greeted_is_heard(tmp_path: Path) -> None:
    """A run that began while the server was away: its start is told before anybody could wait for it."""

    async def story(site: Site) -> None:
        nodes = Machines("n1")

        async def first(engine: Engine) -> None:
            await a_task(engine)
            await until(lambda: nodes.heard("launch"))
            assert (await site.task()).state is TaskState.PREPARING

        async def second(engine: Engine) -> None:
            task = await site.task()
            assert (task.state, task.started_at) == (TaskState.RUNNING, 17)

        await site.serve(nodes, first)
        nodes.reports = [RunStarted(run=nodes.heard("launch")[0], at=17)]
        await site.serve(nodes, second)

    play(tmp_path, story)


def test_machines_that_are_as_they_were_make_no_unit(tmp_path: Path) -> None:
    """A poll that finds nothing new costs the store nothing; one that could not be committed is made again."""

    async def story(site: Site) -> None:
        async def serving(engine: Engine) -> None:
            one = Machine(name="n1", state=MachineState.IDLE)
            await engine.on_machines([one])
            before = site.units
            await engine.on_machines([one])
            assert site.units == before
            down: Sequence[Machine] = [Machine(name="n1", state=MachineState.UNUSABLE)]
            real, engine.store = engine.store, _Broken()  # type: ignore[assignment]
            with pytest.raises(Unavailable):
                await engine.on_machines(down)
            engine.store = real
            await engine.on_machines(down)
            assert await site.store.read(machines.known) == down

        await site.serve(Machines("n1"), serving)

    play(tmp_path, story)


class _Broken:
    async def write(self, work: Callable[[Any], Any]) -> Any:
        raise Unavailable("The store cannot be used just now.")


def test_nodes_are_told_to_hold_and_told_again_after_a_restart(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        nodes = Machines("n1")

        async def first(engine: Engine) -> None:
            await a_task(engine)
            await engine.do(pools.set_scheduling, ACCOUNT, "pool", "n1", enabled=False)
            assert nodes.heard("hold") == ["n1"]

        async def second(engine: Engine) -> None:
            assert nodes.heard("hold") == ["n1", "n1"]
            await engine.do(pools.set_scheduling, ACCOUNT, "pool", "n1", enabled=True)
            assert nodes.heard("let go") == ["n1"]

        await site.serve(nodes, first)
        await site.serve(nodes, second)

    play(tmp_path, story)


def test_what_another_server_wants_held_is_left_as_an_order(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        node = NodeRef(account=ACCOUNT, pool="pool", node="n1", key=1)

        def leave(tx: Transaction) -> None:
            unit = Ledger(tx, 0, "other", str, cast("Any", None), Machines())
            unit.effects.hold.append((node, True))
            leave_orders(unit)

        await site.store.write(leave)
        (taken,) = await site.store.write(take_orders)
        assert (taken.hold, taken.quiet) == ([(node, True)], False)

    play(tmp_path, story)


def test_pool_that_another_server_adds_gets_its_machines_where_they_are_known(tmp_path: Path) -> None:
    """A server that does not speak with the cluster cannot tell which machines are whose."""

    async def story(site: Site) -> None:
        async def serving(engine: Engine) -> None:
            def add(tx: Transaction) -> Effects:
                unit = Ledger(tx, engine.clock.now(), "other", str, cast("Any", None), Machines(), leads=False)
                pools.add(unit, ACCOUNT, PoolSpec(id="pool", target_dedicated=2), {})
                unit.flush()
                return unit.effects

            effects = await site.store.write(add)
            assert (effects.tend, effects.provision) == (True, [])
            await engine._carry_out([effects])
            await site.become({"n1": "idle", "n2": "idle"})

        await site.serve(Machines("n1", "n2", "n3"), serving)

    play(tmp_path, story)


def test_server_with_nodes_of_its_own_again_forgets_the_cluster(tmp_path: Path) -> None:
    async def story(site: Site) -> None:
        async def on_cluster(engine: Engine) -> None:
            await engine.do(pools.add, ACCOUNT, PoolSpec(id="pool", target_dedicated=2), {})
            await engine.on_machines([Machine(name="n1", state=MachineState.OFFLINE)])
            await site.become({"n1": "offline", "n2": "unusable"})

        async def on_its_own(engine: Engine) -> None:
            assert await site.store.read(machines.known) == []
            await site.become({"n1": "idle", "n2": "idle"})

        await site.serve(Machines("n1", "n2"), on_cluster)
        await site.serve(Made(), on_its_own)

    play(tmp_path, story)
