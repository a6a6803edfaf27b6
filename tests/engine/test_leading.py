"""Several servers on one store: one schedules, each answers; who was superseded commits nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from tests.engine.test_core import ACCOUNT, Clock, FakeNodes, until

from linarite.engine import core, jobs, pools, tasks
from linarite.engine.core import Engine
from linarite.engine.finding import find_task
from linarite.engine.housekeeping import Retention
from linarite.engine.launching import NodeRef, RunExited
from linarite.engine.leading import Lease, SupersededError
from linarite.engine.model import JobSpec, PoolSpec, TaskResult, TaskSpec, TaskState
from linarite.store import SqlStore, open_store

NAMES = count(1)


class Server:
    """One of the servers: an engine, with nodes that tell what they heard."""

    def __init__(self, store: SqlStore, name: str) -> None:
        self.store, self.nodes, self.awake = store, FakeNodes(), True
        self.lease = Lease(store, name, lambda: self.awake)
        self.engine = Engine(
            store,
            self.nodes,
            Clock(),
            lambda kind: f"{kind}-{next(NAMES)}",
            lambda *_: {},
            Retention(events=None, finished_jobs=None),
            lease=self.lease,
        )

    async def launched(self, number: int = 1) -> str:
        await until(lambda: len(self.nodes.heard("launch")) >= number)
        return self.nodes.heard("launch")[-1]

    async def add(self, name: str) -> None:
        await self.engine.do(tasks.add, ACCOUNT, "job", [(TaskSpec(id=name, command="true"), {})])

    async def task(self, name: str) -> Any:
        return await self.store.read(lambda tx: find_task(tx, ACCOUNT, "job", name)[1])

    def fall_deaf(self) -> None:
        """As one whom the database's word of orders has not reached yet."""
        self.engine._leading.pop().cancel()

    def fall_silent(self) -> None:
        """As one whose process was stopped: it neither renews nor knows."""
        assert self.engine._standing is not None
        self.engine._standing.cancel()


def play(address: str, story: Callable[[Server, Server], Awaitable[None]]) -> None:
    """Tell a story of two servers; the first one schedules when it begins."""

    async def told() -> None:
        stores = [open_store(address) for _ in range(2)]
        servers = [Server(store, name) for store, name in zip(stores, "ab", strict=True)]
        try:
            for server in servers:
                await server.engine.start()
            await servers[0].engine.do(
                pools.add, ACCOUNT, PoolSpec(id="pool", target_dedicated=1, slots_per_node=8), {}
            )
            await servers[0].engine.do(jobs.add, ACCOUNT, JobSpec(id="job", pool="pool"), {})
            await story(*servers)
        finally:
            for server, store in zip(servers, stores, strict=True):
                await server.engine.stop()
                await store.close()

    asyncio.run(told())


def test_what_one_server_is_asked_the_scheduling_one_carries_out(new_database):
    """A task that is added, and ended, at the other server runs, and ends, at once."""

    async def story(first: Server, second: Server) -> None:
        await second.add("a")
        run = await first.launched()
        await second.engine.do(tasks.terminate, ACCOUNT, "job", "a")
        await until(lambda: first.nodes.heard("end") == [run])
        assert second.nodes.told == []

    play(new_database, story)


def test_server_that_stops_hands_over_at_once(new_database):
    """The next one launches what runs again by its old name, and goes on with what waits."""

    async def story(first: Server, second: Server) -> None:
        await first.add("a")
        run = await first.launched()
        await first.engine.stop()
        assert await second.launched() == run
        await first.add("b")
        assert await second.launched(2) != run

    play(new_database, story)


def test_server_that_fell_silent_is_superseded_and_commits_nothing(new_database):
    """It wakes up with reports of its nodes: they are not taken from it, and nothing is told to its nodes any more."""

    async def story(first: Server, second: Server) -> None:
        await first.add("a")
        run = await first.launched()
        first.fall_silent()
        assert await second.launched() == run
        exited = [RunExited(run=run, code=3, started_at=1, at=2)]
        with pytest.raises(SupersededError):
            await first.engine.on_reports(exited)
        assert (await first.task("a")).state is TaskState.RUNNING
        before = list(first.nodes.told)
        await first.engine.do(tasks.terminate, ACCOUNT, "job", "a")
        await until(lambda: second.nodes.heard("end") == [run])
        assert first.nodes.told == before
        await second.engine.on_reports(exited)
        task = await first.task("a")
        assert (task.state, task.result, task.exit_code) == (TaskState.COMPLETED, TaskResult.FAILURE, 3)

    play(new_database, story)


def test_server_keeps_the_lease_while_it_takes_up_the_work(new_database, monkeypatch):
    """A cluster may take long to answer whoever takes over: that is no silence, after which yet another one would."""
    monkeypatch.setattr(core, "RENEWED", 0.02)

    async def story(first: Server, second: Server) -> None:
        await first.add("a")
        run = await first.launched()
        answer, begun, renewed = asyncio.Event(), asyncio.Event(), 0
        start, renew = second.nodes.start, second.lease.renew

        async def slow(listener: Any) -> None:
            begun.set()
            await answer.wait()
            await start(listener)

        async def counted() -> int | None:
            nonlocal renewed
            renewed += begun.is_set()
            return await renew()

        second.nodes.start, second.lease.renew = slow, counted
        first.fall_silent()
        await until(lambda: renewed > 3)
        assert await first.lease.renew() is None
        assert second.nodes.heard("launch") == []
        answer.set()
        assert await second.launched() == run

    play(new_database, story)


def test_server_that_comes_back_stands_by_and_leads_again_when_it_must(new_database):
    """Leading ends and begins in one process as often as it must."""

    async def story(first: Server, second: Server) -> None:
        await first.add("a")
        run = await first.launched()
        first.awake = False
        await until(lambda: first.engine._epoch is None)
        await first.store.write(lambda tx: tx.leases.let_go("a", 1))
        assert await second.launched() == run
        first.awake, second.awake = True, False
        await until(lambda: second.engine._epoch is None)
        await second.store.write(lambda tx: tx.leases.let_go("b", 2))
        assert await first.launched(2) == run
        await second.add("b")
        assert await first.launched(3) != run

    play(new_database, story)


NODE = NodeRef(account=ACCOUNT, pool="pool", node="node", key=1)


def _remove(u: Any) -> None:
    u.effects.remove.append((NODE, "left"))


def _end(u: Any) -> None:
    u.effects.end.append((NODE, "1.1", 0.0, False))


def test_orders_are_carried_out_in_the_order_of_their_commits(new_database):
    """Two units of another server do not become one, in which ends would come before all else."""

    async def story(first: Server, second: Server) -> None:
        first.fall_deaf()
        await second.engine.do(_remove)
        await second.engine.do(_end)
        await first.engine.do(lambda _: None)
        told = [what for what in first.nodes.told if what[0] in {"remove", "end"}]
        assert told == [("remove", "left"), ("end", "1.1")]

    play(new_database, story)


def test_what_was_ordered_before_comes_before_what_the_scheduling_server_wants(new_database):
    """A directory that was to go is not removed below the task that was started in it afterwards."""

    async def story(first: Server, second: Server) -> None:
        await first.add("a")
        run = await first.launched()
        await first.engine.on_reports([RunExited(run=run, code=0, started_at=1, at=2)])
        first.fall_deaf()
        await second.engine.do(tasks.delete, ACCOUNT, "job", "a")
        await first.add("a")
        again = await first.launched(2)
        told = [what for what in first.nodes.told if what[0] in {"remove", "launch"}]
        assert [what for what, _ in told] == ["launch", "remove", "launch"]
        assert told[-1] == ("launch", again)

    play(new_database, story)


def test_server_that_takes_over_leaves_no_order_for_later(new_database):
    """What is launched again from the records would run twice if it were ordered once it had ended."""

    async def story(first: Server, second: Server) -> None:
        first.fall_deaf()
        await second.engine.do(_remove)

        async def deaf() -> None:
            return None

        second.engine._follow = deaf  # type: ignore[method-assign]
        await first.engine.stop()
        await until(lambda: second.engine._epoch is not None)
        assert [*first.nodes.heard("remove"), *second.nodes.heard("remove")] == ["left"]

    play(new_database, story)
