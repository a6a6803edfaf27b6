"""The engine at work: units of work on the store, their effects on the nodes, and the loop that schedules.

This is the only part of the engine that waits (on a signal or a deadline); its rules are in the modules beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from linarite.engine import cluster, housekeeping, leftovers, pools, runs, sampling
from linarite.engine.effects import Effects, node_ref
from linarite.engine.errors import Unavailable
from linarite.engine.going import Going
from linarite.engine.launching import Machine, NodeReport, NodeUse, Report, RunStarted
from linarite.engine.leading import RENEWED, Lease, SupersededError, leave_orders, take_orders
from linarite.engine.ledger import Environment, Ledger
from linarite.engine.model import Node
from linarite.engine.ports import Clock, Nodes, Store, Transaction
from linarite.engine.scheduling import schedule, schedule_all
from linarite.engine.usage import NOTHING, Spent

T = TypeVar("T")
PAUSE = 1.0
"""Seconds until the loop tries again what failed."""
log = structlog.get_logger("linarite.engine")


class Engine:
    """One engine under all faces."""

    def __init__(
        self, store: Store, nodes: Nodes, clock: Clock, make_id: Callable[[str], str], environment: Environment,
        retention: housekeeping.Retention, rand: Callable[[], float] = lambda: 0.0, lease: Lease | None = None,
    ) -> None:  # fmt: skip
        """`make_id` makes names (of nodes), `environment` the service's variables of a task, `rand` chance.

        `lease` is the claim to schedule, for a store that other servers may use.
        """
        self.store, self.nodes, self.clock, self.rand = store, nodes, clock, rand
        self._make_id, self._environment, self._retention = make_id, environment, retention
        self._lease = lease or Lease(store, "")
        self._wake, self._ordered = asyncio.Event(), asyncio.Event()
        self._tend, self._doubtful = True, False
        self._moment = 0
        self._machines: list[Machine] | None = None
        self._order = asyncio.Lock()
        self._awaited: set[str] = set()
        self._going: set[asyncio.Task[Any]] = set()
        self.on_notices: Callable[[], None] = lambda: None
        """Called when there is something that users are to be told (`engine.notices`)."""
        self._leading: list[asyncio.Task[None]] = []
        self._standing: asyncio.Task[None] | None = None
        self._epoch: int | None = None

    # What the faces call.

    async def do(self, operation: Callable[..., T], *args: Any, who: str = "", **options: Any) -> T:  # noqa: ANN401
        """Run `operation(ledger, *args, **options)` as one unit: on disk when this returns. Refusals are raised."""
        return await self._unit(lambda u: operation(u, *args, **options), who)

    async def ask(self, question: Callable[[Transaction], T]) -> T:
        """Read on a consistent view."""
        return await self.store.read(question)

    async def used(self, going: Sequence[Going]) -> dict[int, Spent]:
        """What runs that go on have used until now, but for their time; by what they belong to."""
        known = await self.nodes.usages([(one.node, one.run) for one in going]) if going else {}
        found: dict[int, Spent] = {}
        for one in going:
            if (usage := known.get(one.run)) is not None:
                found[one.owner] = found.get(one.owner, NOTHING).plus(Spent.of_run(usage, None, 0))
        return found

    # Its life.

    async def start(self) -> None:
        """Take up the work where it was left, or stand by while another server does it."""
        if not self._lease.shared:
            await self._take_up()
            return
        await self._campaign()
        self._standing = asyncio.create_task(self._stand())

    async def _stand(self) -> None:
        while True:
            await asyncio.sleep(RENEWED)
            try:
                await self._campaign()
            except Exception:
                log.exception("the lease could not be renewed", again_in_seconds=RENEWED)

    async def _campaign(self) -> None:
        """Keep the lease, or take it from one who fell silent: a new epoch begins as after a start."""
        epoch = await self._lease.renew()
        if epoch == self._epoch:
            return
        if self._epoch is not None:
            log.warning("another server schedules from now on", epoch=self._epoch)
            self._epoch = None
            await self._step_down()
        if epoch is not None:
            log.info("this server schedules", epoch=epoch)
            epoch = await self._take_over(epoch)
        self._epoch = epoch

    async def _take_over(self, epoch: int) -> int | None:
        """Take up the work, and keep the lease meanwhile: nodes may be slow to answer. None when it was lost."""
        taking, kept = asyncio.create_task(self._take_up()), True
        try:
            while kept and not (await asyncio.wait([taking], timeout=RENEWED))[0]:
                kept = await self._lease.renew() == epoch
            if kept:
                await taking
                return epoch
        except BaseException:
            await self._give_up(taking)
            raise
        await self._give_up(taking)
        return None

    async def _give_up(self, taking: asyncio.Task[None]) -> None:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await self._step_down()

    async def _take_up(self) -> None:
        """Let the nodes repeat their reports, and launch what should run."""
        self._machines = None
        await self.nodes.start(self)
        await self._unit(runs.resume, "restart", leading=True)
        known = await self.ask(lambda tx: tx.nodes.all())
        await self.nodes.forget_others([node_ref(node) for node in known])
        self._leading = [asyncio.create_task(work) for work in (self._run(), self._sweep(known), self._follow())]

    async def _step_down(self) -> None:
        """Stop scheduling; what runs goes on running."""
        passing, self._leading = self._leading, []
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        await asyncio.gather(*self._going, return_exceptions=True)
        await self.nodes.stop()

    async def _follow(self) -> None:
        """Carry out what other servers leave."""
        loop = asyncio.get_running_loop()
        end = self.store.listen(lambda: loop.call_soon_threadsafe(self._ordered.set))
        try:
            while True:
                await self._ordered.wait()
                self._ordered.clear()
                with contextlib.suppress(Unavailable, SupersededError):  # a unit of the loop follows on doubt
                    await self._unit(lambda _: None, "restart", leading=True)
        finally:
            await asyncio.to_thread(end)

    async def _sweep(self, nodes: Sequence[Node]) -> None:
        """Remove what a crash left of tasks that are gone, beside all else."""
        for node in nodes:
            try:
                directories = await self.nodes.directories(node_ref(node))
                for first in range(0, len(directories), leftovers.AT_ONCE):
                    some = directories[first : first + leftovers.AT_ONCE]
                    await self._unit(
                        partial(leftovers.sweep, node_key=node.key, directories=some), "restart", leading=True
                    )
            except Exception:
                log.exception("what was left on a node could not be removed", node=node.id)

    async def stop(self) -> None:
        """Stop scheduling; what runs goes on running, and the nodes hear of all that was committed."""
        if self._standing is not None:
            self._standing.cancel()
            await asyncio.gather(self._standing, return_exceptions=True)
        await self._step_down()
        with contextlib.suppress(Unavailable):
            await self._lease.let_go()

    # What the nodes call.

    async def on_reports(self, reports: Sequence[Report]) -> None:
        """Commit what the runs report and start what can start in their place, in one unit."""
        news = [report for report in reports if not isinstance(report, RunStarted) or self._awaits(report.run)]
        if news:
            await self._unit(lambda u: self._take(u, news), "node", leading=True)
            # Until its end is acknowledged, a host knows a run and does not start it twice: launches that were
            # committed before this report leave before the acknowledgement does.
            async with self._order:
                pass
        self._awaited.difference_update(report.run for report in news)

    def _awaits(self, run: str) -> bool:
        return self.nodes.standing or run in self._awaited

    def _take(self, u: Ledger, reports: Sequence[Report]) -> None:
        runs.take(u, reports)
        for key in sorted(u.effects.pools):
            pool = u.tx.pools.by_key(key)
            if pool is not None:
                schedule(u, pool)

    async def on_node_reports(self, reports: Sequence[NodeReport]) -> None:
        """Commit what became of the nodes."""
        await self._unit(lambda u: runs.take_nodes(u, reports), "node", leading=True)

    async def on_node_uses(self, uses: Sequence[NodeUse], slot: int) -> None:
        """Commit what the runs on nodes used, for the samples of `slot`."""
        await self._unit(lambda u: sampling.keep_uses(u, uses, slot), "node", leading=True)

    async def on_machines(self, machines: Sequence[Machine]) -> None:
        """Commit how the machines of the cluster are, if that is another than was told last."""
        told = list(machines)
        if told != self._machines:
            await self._unit(lambda u: cluster.take(u, told), "node", leading=True)
            self._machines = told

    # Inside.

    async def _unit(self, operation: Callable[[Ledger], T], who: str, *, leading: bool = False) -> T:
        """One unit and its effects, as a whole: a caller that is cancelled stops waiting for it, and no more.

        Raises SupersededError for what is `leading` when another server schedules: nothing is committed then.
        """
        going = asyncio.create_task(self._whole(operation, who, leading=leading))
        self._going.add(going)
        going.add_done_callback(self._going.discard)
        return await asyncio.shield(going)

    async def _whole(self, operation: Callable[[Ledger], T], who: str, *, leading: bool) -> T:
        def work(tx: Transaction) -> tuple[T, Sequence[Effects]]:
            held = self._lease.held(tx)
            if leading and not held:
                raise SupersededError
            before = take_orders(tx) if held and self._lease.shared else ()
            unit = Ledger(
                tx, self.clock.now(), who, self._make_id, self._environment, self.nodes, self.rand, leads=held
            )
            result = operation(unit)
            pools.retire(unit)
            unit.flush()
            if not held:
                leave_orders(unit)
            return result, (*before, unit.effects)

        try:
            result, effects = await self.store.write(work)
        except Unavailable:
            self._doubt()
            raise
        await self._carry_out(effects)
        return result

    def _doubt(self) -> None:
        """A commit without an answer may be on disk: what it wanted of the nodes is found in the records, later."""
        self._doubtful = True
        self._wake.set()

    async def _carry_out(self, wanted: Sequence[Effects]) -> None:
        """Tell the nodes, in the order of the commits. Ends go first, removals before launches into the same place."""
        for effects in wanted:
            if effects.notices:
                self.on_notices()
            self._tend = self._tend or effects.tend
            sooner = effects.due is not None and effects.due < self._moment
            if effects.wake or effects.tend or sooner:
                self._wake.set()
            self._awaited.update(launch.run for launch in effects.launch if launch.announced)
        loud = [effects for effects in wanted if not effects.quiet]
        if loud:
            async with self._order:
                for effects in loud:
                    await self._tell(effects)

    async def _tell(self, effects: Effects) -> None:
        """All of it is committed: what the nodes cannot do keeps nothing else from them, and fails no caller."""
        for told in self._instructions(effects):
            try:
                await told
            except Exception:
                log.exception("the nodes could not be told what was committed")

    def _instructions(self, effects: Effects) -> Iterator[Awaitable[None]]:
        for node, held in effects.hold:
            yield self.nodes.hold(node, held=held)
        if effects.provision:
            yield self.nodes.provision(effects.provision)
        if effects.deallocate:
            yield self.nodes.deallocate(effects.deallocate)
        for way in sorted({(grace, outputs) for _, _, grace, outputs in effects.end}):
            runs = [(node, run) for node, run, *how in effects.end if tuple(how) == way]
            yield self.nodes.end(runs, way[0], outputs=way[1])
        for node, directory in effects.remove:
            yield self.nodes.remove_directory(node, directory)
        if effects.launch:
            yield self.nodes.launch(effects.launch)
        for nodes, slot in effects.measure:
            yield self.nodes.measure(nodes, slot)
        if effects.release:
            yield self.nodes.release(effects.release)

    async def _run(self) -> None:
        """Pass whenever something changed, or when the next deadline has come. What fails never ends the loop."""
        while True:
            try:
                await self._turn()
            except Exception:
                log.exception("a pass of the scheduler failed", again_in_seconds=PAUSE)
                self._tend = True
                await asyncio.sleep(PAUSE)

    async def _turn(self) -> None:
        now = self.clock.now()
        self._moment = now + housekeeping.LONGEST_SLEEP  # what falls due while the question is asked wakes the loop
        self._moment = moment = await self.ask(housekeeping.next_moment(now))
        if not self._tend:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, (moment - self.clock.now()) / 1_000_000)):
                    await self._wake.wait()
        self._wake.clear()
        tend = self._tend or moment <= self.clock.now()
        self._tend = False
        if self._doubtful:
            self._doubtful = False
            await self._unit(runs.resume, "restart", leading=True)
        await self._unit(lambda u: self._pass(u, tend=tend), "scheduler", leading=True)

    def _pass(self, u: Ledger, *, tend: bool) -> None:
        if tend:
            housekeeping.tend(u, self._retention)
        schedule_all(u)
