"""What pools were like: samples, the counters of a pool's jobs, and which pool is due next."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.contract.records import ACCOUNT, NOW, job, pool

from linarite.engine.autoscale.records import PoolSample, Scaling, ScalingRun
from linarite.engine.filtering import Compare
from linarite.engine.model import Counts, JobState, Pool, PoolSpec


@pytest.fixture
def run(play):
    """Write a unit on the same store; gives what it gives."""
    return lambda work: play(lambda store: store.write(work))


def sample(slot: int, pool_key: int = 1, **numbers: int) -> PoolSample:
    return PoolSample(pool_key=pool_key, slot=slot, **numbers)


FULL = msgspec.structs.replace(sample(7), **{name: at for at, name in enumerate(PoolSample.__struct_fields__[2:], 1)})
"""A sample each of whose numbers is another."""


def scaling_pool(id: str, **fields: Any) -> Pool:
    made = pool(id, **fields)
    made.spec = PoolSpec(id=id, scaling=Scaling(formula="x=1"))
    return made


def test_sample_comes_back_as_it_was_kept(run):
    run(lambda tx: tx.samples.add(FULL))
    assert run(lambda tx: tx.samples.of_pool(1)) == [FULL]


def test_samples_of_a_pool_come_in_their_order(run):
    def keep(tx: Any) -> None:
        for slot in (5, 3, 4):
            tx.samples.add(sample(slot))
        tx.samples.add(sample(4, pool_key=2))

    run(keep)
    assert [one.slot for one in run(lambda tx: tx.samples.of_pool(1))] == [3, 4, 5]
    assert [one.slot for one in run(lambda tx: tx.samples.of_pool(2))] == [4]
    assert run(lambda tx: tx.samples.of_pool(3)) == []


def test_first_sample_of_a_slot_stays(run):
    run(lambda tx: tx.samples.add(sample(1, nodes=1)))
    run(lambda tx: tx.samples.add(sample(1, nodes=2)))
    assert [one.nodes for one in run(lambda tx: tx.samples.of_pool(1))] == [1]


def test_what_nodes_used_comes_to_its_sample_later(run):
    used = {"cpu_millionths": 5, "memory_bytes": 6, "disk_bytes": 7, "read_bytes": 8, "write_bytes": 9}
    run(lambda tx: [tx.samples.add(sample(slot, nodes=slot, running_tasks=3)) for slot in (1, 2)])
    run(lambda tx: tx.samples.measured(sample(2, **used)))
    run(lambda tx: tx.samples.measured(sample(3, **used)))
    run(lambda tx: tx.samples.measured(sample(1, pool_key=2, **used)))
    plain, measured = run(lambda tx: tx.samples.of_pool(1))
    assert plain == sample(1, nodes=1, running_tasks=3)
    assert measured == sample(2, nodes=2, running_tasks=3, **used)
    assert run(lambda tx: tx.samples.of_pool(2)) == []


def test_old_samples_of_one_pool_are_pruned(run):
    def keep(tx: Any) -> None:
        for slot in range(4):
            tx.samples.add(sample(slot))
            tx.samples.add(sample(slot, pool_key=2))

    run(keep)
    run(lambda tx: tx.samples.prune(1, 2))
    assert [one.slot for one in run(lambda tx: tx.samples.of_pool(1))] == [2, 3]
    assert len(run(lambda tx: tx.samples.of_pool(2))) == 4


def test_samples_go_with_their_pool(run):
    made = scaling_pool("p")

    def keep(tx: Any) -> None:
        tx.pools.insert(made)
        tx.samples.add(sample(1, pool_key=made.key))
        tx.samples.add(sample(1, pool_key=made.key + 1))

    run(keep)
    run(lambda tx: tx.pools.delete(made.key))
    assert run(lambda tx: tx.samples.of_pool(made.key)) == []
    assert len(run(lambda tx: tx.samples.of_pool(made.key + 1))) == 1


def test_pool_keeps_its_formula_and_its_last_run(run):
    made = scaling_pool("p", scaling_due=NOW + 2, scaling_tick=NOW + 1, scaling_asked_at=NOW)
    made.scaling_run = ScalingRun(at=NOW, dedicated=1, low_priority=2, option="requeue", variables="x=1", detail="d")
    run(lambda tx: tx.pools.insert(made))
    assert run(lambda tx: tx.pools.by_key(made.key)) == made
    made.scaling_run, made.scaling_due = None, None
    run(lambda tx: tx.pools.update(made))
    assert run(lambda tx: tx.pools.by_key(made.key)) == made


@pytest.mark.parametrize(
    ("operator", "value", "names"),
    [("eq", True, ["s"]), ("eq", False, ["f"]), ("ne", True, ["f"]), ("ne", False, ["s"])],
)
def test_pools_are_filtered_by_whether_they_scale_themselves(run, operator, value, names):
    def keep(tx: Any) -> None:
        tx.pools.insert(scaling_pool("s"))
        tx.pools.insert(pool("f"))

    run(keep)
    where = Compare("enableAutoScale", operator, value)
    assert [found.spec.id for found in run(lambda tx: tx.pools.page(ACCOUNT, where, 0, 10))] == names


def test_pools_are_due_in_the_order_of_their_moments(run):
    assert run(lambda tx: tx.pools.next_tick()) is None

    def keep(tx: Any) -> None:
        for name, tick in (("b", NOW + 2), ("a", NOW + 1), ("c", NOW + 3), ("never", None)):
            tx.pools.insert(scaling_pool(name, scaling_tick=tick))

    run(keep)
    assert run(lambda tx: tx.pools.next_tick()) == NOW + 1
    assert [found.spec.id for found in run(lambda tx: tx.pools.ticking(NOW + 2, 10))] == ["a", "b"]
    assert [found.spec.id for found in run(lambda tx: tx.pools.ticking(NOW + 9, 2))] == ["a", "b"]
    assert run(lambda tx: tx.pools.ticking(NOW, 10)) == []


def test_counters_of_a_pools_jobs_are_added_up(run):
    """What could start is counted of active jobs alone whose time has come, in instances; the rest of all of them."""

    def counts(number: int) -> Counts:
        return Counts(active=100, running=number, succeeded=10 * number, failed=100 * number)

    def keep(tx: Any) -> None:
        tx.jobs.insert(job("a", queued=2, queued_instances=3, counts=counts(1)))
        tx.jobs.insert(job("b", spec={"pool": "POOL"}, queued=4, queued_instances=4, counts=counts(2)))
        tx.jobs.insert(job("held", state=JobState.DISABLED, queued=50, queued_instances=50, counts=counts(4)))
        tx.jobs.insert(job("over", state=JobState.COMPLETED, queued=50, queued_instances=50, counts=counts(0)))
        tx.jobs.insert(job("later", spec={"not_before": NOW + 1}, queued=5, queued_instances=5, counts=counts(0)))
        tx.jobs.insert(job("elsewhere", spec={"pool": "other"}, queued=60, queued_instances=60, counts=counts(8)))
        tx.jobs.insert(job("foreign", account="beta", queued=60, queued_instances=60, counts=counts(8)))

    run(keep)
    found = run(lambda tx: tx.jobs.task_counts(ACCOUNT, "Pool", NOW))
    assert (found.active, found.running, found.succeeded, found.failed) == (7, 7, 70, 700)
    assert run(lambda tx: tx.jobs.task_counts(ACCOUNT, "pool", NOW + 1)).active == 12
    assert run(lambda tx: tx.jobs.task_counts(ACCOUNT, "none", NOW)) == Counts()
