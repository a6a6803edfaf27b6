"""The engine at work: its loop and its effects, on the real store, with nodes that note what they are told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from linarite.engine import core, jobs, pools, tasks
from linarite.engine.autoscale.records import Scaling
from linarite.engine.core import Engine
from linarite.engine.errors import NotFound, Unavailable
from linarite.engine.finding import find_job, find_pool, find_schedule, find_task
from linarite.engine.housekeeping import Retention
from linarite.engine.launching import (
    Launch,
    NodeFreed,
    NodeOrder,
    NodeReady,
    NodeRef,
    NodeReport,
    RunExited,
    RunStarted,
)
from linarite.engine.model import Event, JobSpec, PoolSpec, ResourceFile, Task, TaskSpec, TaskState
from linarite.engine.ports import Listener
from linarite.engine.recurrence import schedules
from linarite.engine.recurrence.records import ScheduleSpec, Timetable
from linarite.engine.templates import JobTemplate
from linarite.store import open_store

ACCOUNT, DEADLINE = "test", 20.0
FILE = ResourceFile(url="http://localhost/file", path="file")


class Clock:
    """Stands until it is set."""

    def __init__(self) -> None:
        self.time = 1_000_000_000

    def now(self) -> int:
        return self.time


class WallClock:
    """Goes."""

    def now(self) -> int:
        return time.time_ns() // 1000


class FakeNodes:
    """Nodes that are ready at once; `told` is what they heard, in its order; `refuse` names a call that fails."""

    standing = False

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.refuse = ""
        self.left: dict[str, list[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, listener: Listener) -> None:
        self._listener = listener

    def _hear(self, what: str, names: Sequence[str]) -> None:
        if what == self.refuse:
            raise OSError(28, "No space left on device")
        self.told += [(what, name) for name in names]

    async def provision(self, orders: Sequence[NodeOrder]) -> None:
        self._hear("provision", [order.node.node for order in orders])
        self._report([NodeReady(node=order.node) for order in orders])

    async def deallocate(self, nodes: Sequence[NodeRef]) -> None:
        self._hear("deallocate", [node.node for node in nodes])
        self._report([NodeFreed(node=node) for node in nodes])

    def _report(self, reports: Sequence[NodeReport]) -> None:
        self._tasks.add(asyncio.create_task(self._listener.on_node_reports(reports)))

    async def release(self, nodes: Sequence[NodeRef]) -> None:
        self._hear("release", [node.node for node in nodes])

    async def launch(self, launches: Sequence[Launch]) -> None:
        self._hear("launch", [launch.run for launch in launches])

    async def end(self, runs: Sequence[tuple[NodeRef, str]], grace: float, *, outputs: bool = False) -> None:
        self._hear("end", [run for _, run in runs])

    async def remove_directory(self, node: NodeRef, directory: str) -> None:
        self._hear("remove", [directory])

    async def forget_others(self, nodes: Sequence[NodeRef]) -> None:
        self._hear("forget all but", [node.node for node in nodes])

    async def directories(self, node: NodeRef) -> list[str]:
        return self.left.get(node.node, [])

    async def send_logs(self, node: NodeRef, url: str, folder: str, logs: Mapping[str, bytes], since: int) -> int:
        raise AssertionError("no story here sends logs")

    def root(self, node: NodeRef) -> str:
        return ""

    async def stop(self) -> None:
        return

    def heard(self, what: str) -> list[str]:
        return [name for kind, name in self.told if kind == what]


class Store:
    """The real store; `fail` lets so many calls fail, `unanswered` so many after their commit; `held` holds answers."""

    def __init__(self, path: Path) -> None:
        self.real = open_store(path)
        self.fail: dict[str, int] = {"read": 0, "write": 0}
        self.calls: dict[str, int] = {"read": 0, "write": 0}
        self.unanswered = 0
        self.held = asyncio.Event()
        self.held.set()
        self.committed = asyncio.Event()

    def _count(self, what: str) -> None:
        self.calls[what] += 1
        if self.fail[what]:
            self.fail[what] -= 1
            raise Unavailable("The store cannot be used just now.")

    @property
    def shared(self) -> bool:
        return self.real.shared

    def listen(self, told: Callable[[], object]) -> Callable[[], None]:
        return self.real.listen(told)

    def read_now(self, work: Callable[[Any], Any]) -> Any:
        return self.real.read_now(work)

    async def read(self, work: Callable[[Any], Any]) -> Any:
        self._count("read")
        return await self.real.read(work)

    async def write(self, work: Callable[[Any], Any]) -> Any:
        self._count("write")
        result = await self.real.write(work)
        self.committed.set()
        if self.unanswered:
            self.unanswered -= 1
            raise Unavailable("The store cannot be used just now.")
        await self.held.wait()
        return result


class Site:
    """An engine that runs, with a pool of one node, an active job, and what a story needs to wait."""

    def __init__(self, path: Path, retention: Retention) -> None:
        self.store, self.nodes, self.clock, names = Store(path), FakeNodes(), Clock(), count(1)
        self.engine = Engine(
            self.store, self.nodes, self.clock, lambda kind: f"{kind}-{next(names)}", lambda *_: {}, retention
        )

    async def start(self) -> None:
        await self.engine.start()
        await self.engine.do(pools.add, ACCOUNT, PoolSpec(id="pool", target_dedicated=1, slots_per_node=8), {})
        await self.engine.do(jobs.add, ACCOUNT, JobSpec(id="job", pool="pool"), {})

    async def add(self, name: str, **spec: Any) -> None:
        await self.engine.do(tasks.add, ACCOUNT, "job", [(TaskSpec(id=name, command="true", **spec), {})])

    async def launched(self, number: int = 1) -> str:
        """The latest run, once so many were launched."""
        await until(lambda: len(self.nodes.heard("launch")) >= number)
        return self.nodes.heard("launch")[-1]

    async def exit(self, run: str, code: int = 0) -> None:
        now = self.clock.now()
        await self.engine.on_reports([RunExited(run=run, code=code, started_at=now, at=now)])

    async def task(self, name: str) -> Task:
        return await self.store.real.read(lambda tx: find_task(tx, ACCOUNT, "job", name)[1])

    async def ticked(self) -> None:
        """Wait until nothing of a pool's scaling is due any more."""
        async with asyncio.timeout(DEADLINE):
            while True:
                due = await self.store.real.read(lambda tx: tx.pools.next_tick())
                if due > self.clock.time:
                    return
                await asyncio.sleep(0.005)

    async def gone(self, find: Callable[..., Any], *names: str) -> None:
        """Wait until a record is not found any more."""
        with contextlib.suppress(NotFound):
            async with asyncio.timeout(DEADLINE):
                while True:
                    await self.store.real.read(lambda tx: find(tx, ACCOUNT, *names))
                    await asyncio.sleep(0.01)


async def until(true: Callable[[], Any]) -> None:
    """Poll what gives no signal, until it holds."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline, "this never came true"
        await asyncio.sleep(0.005)


def play(folder: Path, story: Callable[[Site], Coroutine[Any, Any, None]], **retention: int) -> None:
    """Run a story on an engine that has started."""

    async def go() -> None:
        site = Site(folder / "store.db", Retention(**retention))
        try:
            await site.start()
            await story(site)
        finally:
            site.store.held.set()
            await site.engine.stop()
            await site.store.real.close()

    asyncio.run(go())


def test_delete_job_with_a_running_task_goes_once_the_run_has_ended(tmp_path):
    """Nothing else has to happen: the end of the last run takes the job with it."""

    async def story(site: Site) -> None:
        await site.add("a")
        run = await site.launched()
        await site.engine.do(jobs.delete, ACCOUNT, "job")
        await until(lambda: site.nodes.heard("end") == [run])
        await site.exit(run, 137)
        await site.gone(find_job, "job")

    play(tmp_path, story)


def test_delete_pool_with_a_running_task_goes_once_the_run_has_ended(tmp_path):
    """Nothing else has to happen: the end of the last run takes the node and its pool with it."""

    async def story(site: Site) -> None:
        await site.add("a")
        run = await site.launched()
        await site.engine.do(pools.delete, ACCOUNT, "pool")
        await until(lambda: site.nodes.heard("end") == [run])
        await site.exit(run, 143)
        await site.gone(find_pool, "pool")
        assert len(site.nodes.heard("release")) == 1

    play(tmp_path, story)


@pytest.mark.parametrize("what", ["read", "write"])
def test_loop_goes_on_after_the_store_failed(tmp_path, monkeypatch, what):
    """A store that fails for a while, in reading or writing, ends no loop: what waits is started afterwards."""
    monkeypatch.setattr(core, "PAUSE", 0.01)

    async def story(site: Site) -> None:
        site.store.fail[what] = 3
        site.engine._wake.set()  # a pass that nobody waits for
        await until(lambda: not site.store.fail[what])
        await site.add("a")
        await site.launched()

    play(tmp_path, story)


def test_pass_that_fails_is_not_tried_again_without_a_pause(tmp_path, monkeypatch):
    """A deadline that is due and cannot be tended to must not keep a processor busy."""
    monkeypatch.setattr(core, "PAUSE", 3600.0)

    async def story(site: Site) -> None:
        await site.add("a", max_wall_clock=1_000_000)
        await site.launched()
        site.clock.time += 2_000_000
        site.store.fail["write"] = 1_000_000
        before = site.store.calls["write"]
        site.engine._wake.set()
        await until(lambda: site.store.calls["write"] > before)
        for _ in range(100):
            await site.store.real.read(lambda tx: tx.pools.all())
        assert site.store.calls["write"] == before + 1
        site.store.fail["write"] = 0

    play(tmp_path, story)


def test_launch_that_the_nodes_refuse_keeps_nothing_else_from_them(tmp_path):
    """What was committed is no failure of the caller, and every other effect of the unit reaches the nodes."""

    async def story(site: Site) -> None:
        await site.add("a")
        run = await site.launched()
        await site.exit(run)
        site.nodes.refuse = "remove"
        await site.engine.do(pools.delete, ACCOUNT, "pool")
        await site.engine.do(jobs.delete, ACCOUNT, "job")
        await site.gone(find_pool, "pool")
        assert len(site.nodes.heard("release")) == 1

    play(tmp_path, story)


def test_caller_that_goes_away_takes_no_effect_with_it(tmp_path):
    """A request that is cancelled once its unit is committed: the nodes hear of it all the same."""

    async def story(site: Site) -> None:
        await site.add("a")
        run = await site.launched()
        site.store.committed.clear()
        site.store.held.clear()
        asking = asyncio.create_task(site.engine.do(tasks.terminate, ACCOUNT, "job", "a"))
        await site.store.committed.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        site.store.held.set()
        await until(lambda: site.nodes.heard("end") == [run])

    play(tmp_path, story)


def test_stop_lets_the_nodes_hear_what_was_committed(tmp_path):
    """A pass that is under way when the engine stops tells its effects: nothing repeats a removal."""

    async def story(site: Site) -> None:
        await site.add("a", retention=1_000_000)
        await site.exit(await site.launched())
        site.clock.time += 2_000_000
        site.store.held.clear()
        site.engine._tend = True
        site.engine._wake.set()
        async with asyncio.timeout(DEADLINE):
            while (await site.task("a")).cleanup_at is not None:
                site.store.held.set()  # another pass may be under way
                site.store.held.clear()
        stopping = asyncio.create_task(site.engine.stop())
        await asyncio.sleep(0)
        site.store.held.set()
        await stopping
        assert site.nodes.heard("remove") == ["workitems/job/job-1/a"]

    play(tmp_path, story)


def test_report_of_a_start_is_heard_again_when_it_was_not_committed(tmp_path):
    """A host repeats what the engine could not commit: a task that prepared is seen running."""

    async def story(site: Site) -> None:
        await site.add("a", resource_files=(FILE,))
        run = await site.launched()
        report = RunStarted(run=run, at=site.clock.now())
        site.store.fail["write"] = 1000  # the loop may write too
        with pytest.raises(Unavailable):
            await site.engine.on_reports([report])
        site.store.fail["write"] = 0
        await site.engine.on_reports([report])
        assert (await site.task("a")).state is TaskState.RUNNING

    play(tmp_path, story)


def test_what_was_committed_without_an_answer_reaches_the_nodes(tmp_path):
    """A database that goes away between a commit and its answer loses nothing of what was to be done."""

    async def story(site: Site) -> None:
        await site.add("a")
        run = await site.launched()
        site.store.unanswered = 1
        with pytest.raises(Unavailable):
            await site.engine.do(tasks.terminate, ACCOUNT, "job", "a")
        await until(lambda: run in site.nodes.heard("end"))

    play(tmp_path, story)


def test_launch_is_told_before_the_end_of_its_run_is_acknowledged(tmp_path):
    """A host that has forgotten a run would start it again."""

    async def story(site: Site) -> None:
        await site.add("a")
        run = await site.launched()
        async with site.engine._order:
            ended = asyncio.create_task(site.exit(run))
            await until(site.store.committed.is_set)
            done, _ = await asyncio.wait([ended], timeout=0.05)
            assert not done
        await ended

    play(tmp_path, story)


def test_stop_ends_a_loop_that_was_just_woken(tmp_path):
    """Whatever wakes the loop in the very moment of the stop, the stop wins."""

    async def story(site: Site) -> None:
        for _ in range(20):
            await site.store.real.read(lambda tx: tx.pools.all())  # the loop has come to rest
        site.engine._wake.set()
        async with asyncio.timeout(DEADLINE):
            await site.engine.stop()

    play(tmp_path, story)


def test_finished_jobs_that_are_old_go_however_many_they_are(tmp_path):
    """What one pass leaves the next one takes: nobody has to ask again."""

    async def story(site: Site) -> None:
        for number in range(25):
            await site.engine.do(jobs.add, ACCOUNT, JobSpec(id=f"old-{number}", pool="pool"), {})
            await site.engine.do(jobs.terminate, ACCOUNT, f"old-{number}", "over")
        site.clock.time += 2_000_000
        await site.engine.do(jobs.delete, ACCOUNT, "job")
        await site.engine.do(pools.delete, ACCOUNT, "pool")
        site.engine._tend = True
        site.engine._wake.set()
        await site.gone(lambda tx, account: tx.jobs.page(account, None, 0, 1) or find_job(tx, account, "none"))

    play(tmp_path, story, finished_jobs=1_000_000)


def test_events_that_are_old_go_however_many_they_are(tmp_path):
    """History is pruned in pieces, one after the other until the rest is young enough."""

    async def story(site: Site) -> None:
        old = [Event(account=ACCOUNT, kind="task", key=1, at=0, what="created") for _ in range(2500)]
        await site.store.write(lambda tx: tx.events.add(old))
        site.clock.time += 1_000_000
        site.engine._tend = True
        site.engine._wake.set()
        await site.gone(lambda tx, _: tx.events.of("task", 1, 1) or find_job(tx, ACCOUNT, "none"))

    play(tmp_path, story, events=999_000_000)


def test_schedule_makes_its_jobs_by_itself_when_their_time_comes(tmp_path):
    """The loop wakes at the time of the next job and at the end of the last one; nobody else asks for anything."""
    task = (TaskSpec(id="manager", command="true"), {})
    template = JobTemplate(spec=JobSpec(id="", pool="pool", ends_with="manager"), first_tasks=(task,))
    spec = ScheduleSpec(id="s", template=template, timetable=Timetable(interval=50_000))

    async def story(site: Site) -> None:
        site.engine.clock = WallClock()
        began = site.engine.clock.now()
        await site.engine.do(schedules.add, ACCOUNT, spec, {})
        for number in (1, 2, 3):
            await site.exit(await site.launched(number))
        assert site.engine.clock.now() - began >= 100_000
        await site.engine.do(schedules.delete, ACCOUNT, "s")
        await site.gone(find_schedule, "s")
        await site.gone(find_job, "s:job-3")

    play(tmp_path, story)


def test_formula_of_a_pool_is_evaluated_when_it_is_due(tmp_path):
    """The loop takes the samples and evaluates by itself: nobody asks for it but the clock."""

    async def story(site: Site) -> None:
        scaling = Scaling(formula="$TargetDedicatedNodes=$RunningTasks.Count()", interval=300_000_000)
        await site.engine.do(pools.add, ACCOUNT, PoolSpec(id="elastic", scaling=scaling), {})
        await until(lambda: len(site.nodes.heard("provision")) == 2)
        for half_minutes in range(1, 11):
            site.clock.time = 1_000_000_000 + half_minutes * 30_000_000
            site.engine._wake.set()
            await site.ticked()
        pool = await site.store.real.read(lambda tx: find_pool(tx, ACCOUNT, "elastic"))
        assert pool.scaling_run.at == site.clock.time
        assert pool.spec.target_dedicated == 11, "ten samples and the first one"
        await until(lambda: len(site.nodes.heard("provision")) == 12)

    play(tmp_path, story)
