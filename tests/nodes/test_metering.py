"""What the runs on nodes use: the meter by a clock of the test's own, and real processes under a real host."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, TypeVar

import pytest
from tests.nodes.helpers import DEADLINE, NODE, Site

from linarite.engine.launching import NodeRef, NodeUse, Usage
from linarite.nodes import metering
from linarite.nodes.metering import Meter
from linarite.nodes.processes import ProcessUse, use_of
from linarite.nodes.wire import RootUse

pytestmark = pytest.mark.anyio
T = TypeVar("T")
OTHER = NodeRef(account=NODE.account, pool=NODE.pool, node="node2", key=2)
BUSY = "/bin/sh -c 'while :; do :; done'"


class Bench:
    """A meter whose clock and whose processes are the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.uses: list[tuple[str, ProcessUse]] = []
        self.meter = Meter(lambda: self.now)
        monkeypatch.setattr(metering, "_uses", lambda _leaders: iter(self.uses))

    def runs(self, run: str, *processes: tuple[float, int, int, int]) -> None:
        """The run has these processes now: seconds, memory, bytes read and written."""
        self.uses = [one for one in self.uses if one[0] != run] + [
            (run, ProcessUse(seconds, 0.0, *rest)) for seconds, *rest in processes
        ]

    def look(self, after: float, root: str = "/n") -> tuple[float, int, int, int]:
        self.now += after
        (use,) = self.meter.look([root])
        return use.cores, use.memory_bytes, use.read_bytes, use.write_bytes


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_first_look_tells_the_mean_since_each_run_began(bench: Bench):
    bench.meter.started("a", "/n", 1)
    bench.now += 50
    bench.meter.started("b", "/n", 2)
    bench.runs("a", (30.0, 5, 1000, 0))
    bench.runs("b", (10.0, 7, 0, 600), (5.0, 1, 0, 0))
    assert bench.look(10) == (30 / 60 + 15 / 10, 13, 500, 600)


def test_next_look_tells_what_came_since_the_last(bench: Bench):
    bench.meter.started("a", "/n", 1)
    bench.runs("a", (30.0, 5, 1000, 0))
    bench.look(60)
    bench.runs("a", (45.0, 6, 1500, 30))
    assert bench.look(30) == (0.5, 6, 500, 30)
    assert bench.look(30) == (0.0, 6, 0, 0)


def test_run_that_ended_between_two_looks_is_part_of_the_second(bench: Bench):
    bench.meter.started("a", "/n", 1)
    bench.runs("a", (10.0, 5, 0, 0))
    bench.look(20)
    bench.runs("a")
    bench.meter.ended("a", Usage(user_seconds=20, kernel_seconds=5, read_operations=2, write_operations=4))
    bench.meter.started("b", "/n", 2)
    bench.meter.ended("b", Usage(user_seconds=15))
    assert bench.look(30) == (1.0, 0, 1024, 2048)
    assert bench.look(30) == (0.0, 0, 0, 0)


def test_what_a_returned_command_left_is_counted_beside_it(bench: Bench):
    bench.meter.started("a", "/n", 1)
    bench.runs("a", (4.0, 5, 0, 0), (1.0, 5, 0, 0))
    bench.look(10)
    bench.meter.returned("a", Usage(user_seconds=6))
    bench.runs("a", (2.0, 5, 0, 0))
    assert bench.look(30) == (0.1, 5, 0, 0)


def test_process_that_went_unwaited_takes_nothing_from_others(bench: Bench):
    bench.meter.started("a", "/n", 1)
    bench.meter.started("b", "/n", 2)
    bench.runs("a", (100.0, 0, 0, 0))
    bench.runs("b", (10.0, 0, 0, 0))
    bench.look(100)
    bench.runs("a", (1.0, 0, 0, 0))
    bench.runs("b", (40.0, 0, 0, 0))
    assert bench.look(30) == (1.0, 0, 0, 0)


def test_long_look_tells_the_bytes_of_half_a_minute(bench: Bench):
    bench.meter.started("a", "/n", 1)
    bench.look(1)
    bench.runs("a", (0.0, 0, 6000, 60))
    assert bench.look(60) == (0.0, 0, 3000, 30)


def test_nodes_are_told_apart_and_forgotten_when_nobody_asks(bench: Bench):
    bench.meter.started("a", "/n", 1)
    bench.meter.started("b", "/m", 2)
    bench.runs("a", (3.0, 1, 0, 0))
    assert bench.meter.look(["/m", "/n", "/o"]) == [
        RootUse(root="/m", cores=0.0, memory_bytes=0, read_bytes=0, write_bytes=0),
        RootUse(root="/n", cores=3.0, memory_bytes=1, read_bytes=0, write_bytes=0),
        RootUse(root="/o", cores=0.0, memory_bytes=0, read_bytes=0, write_bytes=0),
    ]
    bench.meter.ended("b", Usage(user_seconds=9))
    bench.look(metering.FORGOTTEN, "/n")
    assert bench.look(0, "/m")[0] == 0.0, "it was let go with what ended there"


def test_use_of_a_process_is_what_the_kernel_says():
    use = use_of(os.getpid())
    assert use is not None
    assert use.user_seconds > 0
    assert use.kernel_seconds >= 0
    assert use.memory_bytes > 1 << 20
    assert use_of(2**22 + 1) is None


async def eventually(seen: Callable[[], Awaitable[T]], true: Callable[[T], Any]) -> T:
    """What is seen, once it is as it should be."""
    async with asyncio.timeout(DEADLINE):
        for _ in count():
            if true(found := await seen()):
                return found
            await asyncio.sleep(0.05)
    raise AssertionError


async def test_nodes_tell_what_their_runs_use(site: Site):
    """A busy one and an idle one; a process in a session of its own is its run's all the same."""
    await site.provision(OTHER)
    busy = await site.sh(f"setsid {BUSY} & wait")
    await site.heard.started(busy)
    slots, busied = count(1), [0.0]

    async def look() -> NodeUse:
        use = await site.use(next(slots))
        busied.append(use.cores)
        return use

    use = await eventually(look, lambda _: sum(busied) > 0.1)
    assert use.node == NODE
    assert use.disk_bytes > 0
    other = await site.use(0, OTHER)
    assert (other.node, other.cores, other.memory_bytes) == (OTHER, 0.0, 0)
    await site.local.end([(NODE, busy)], 0)
    await site.heard.end(busy)
    await eventually(look, lambda use: not use.memory_bytes)


async def test_runs_tell_what_they_have_used(site: Site):
    """As they go on; of others nothing is told."""
    busy = await site.sh("while :; do :; done")
    await site.heard.started(busy)

    async def used() -> float:
        return (await site.local.usages([(NODE, busy), (OTHER, "unknown")])).get(busy, Usage()).user_seconds

    first = await eventually(used, bool)
    last = await eventually(used, lambda seconds: seconds > first)
    await site.local.end([(NODE, busy)], 0)
    assert (await site.heard.exited(busy)).usage.user_seconds >= last
    assert await site.local.usages([(NODE, "unknown")]) == {}


@pytest.mark.parametrize("grace", [0.0, 5.0])
async def test_run_that_is_ended_is_charged_with_what_it_did_not_wait_for(site: Site, grace: float):
    """Its first process had started others, which are ended with it: what they used is no less than was told before."""
    run = await site.sh(f"{BUSY} & {BUSY} & wait")
    await site.heard.started(run)

    async def used() -> float:
        return (await site.local.usages([(NODE, run)])).get(run, Usage()).user_seconds

    last = await eventually(used, lambda seconds: seconds > 0.2)
    await site.local.end([(NODE, run)], grace)
    assert (await site.heard.exited(run)).usage.user_seconds >= last


async def test_nodes_of_which_one_is_gone_give_no_sample(site: Site):
    await site.local.measure([NODE, OTHER], 1)
    await site.use(2)
    assert list(site.heard.uses) == [2]


async def test_host_that_came_back_tells_of_its_runs(site: Site):
    """A server that starts again asks the host that is still there. `tail` keeps all of a line in memory."""
    run = await site.sh("(head -c 20000000 /dev/zero; sleep 600) | tail -n 1")
    await site.heard.started(run)
    await site.again()
    slots = count(1)
    await eventually(lambda: site.use(next(slots)), lambda use: use.memory_bytes > 15_000_000)
