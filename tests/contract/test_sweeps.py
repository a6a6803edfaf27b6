"""Parametric sweeps in a store: kept whole, listed in one order with tasks, found while they grow."""

from __future__ import annotations

from tests.contract.records import ACCOUNT, NOW, insert, job, task
from tests.contract.test_records import FACTS

from linarite.engine.model import Counts, Ending, Sweep, SweepSpec, TaskSpec

PATTERN = SweepSpec(task=TaskSpec(id="1", command="echo *"), first=2, last=9, step=3, variable="V", fails_after=4)


def sweep(job_key: int, alias: int = 1, **fields) -> Sweep:
    values = {"account": ACCOUNT, "spec": PATTERN, "created_at": NOW, "modified_at": NOW, "counts": Counts()}
    return Sweep(job_key=job_key, alias=alias, **{**values, **fields})


def test_sweep_comes_back_as_it_was_stored(play):
    """To the last field, when it was inserted and when it was updated; it goes with its job's."""

    async def story(store):
        first, second = sweep(1), sweep(1, alias=2, facts=FACTS, growing=True)
        for each in (first, second, sweep(2)):
            await store.write(lambda tx, each=each: tx.sweeps.insert(each))
        assert await store.read(lambda tx: tx.sweeps.of_job(1)) == [first, second]
        assert await store.read(lambda tx: tx.sweeps.of_job(1, first.key)) == [second]
        assert await store.read(lambda tx: tx.sweeps.growing(10)) == [second]
        second.wound, second.made, second.growing, second.ending, second.satisfied = (
            2,
            3,
            False,
            Ending.TERMINATED,
            True,
        )
        second.ending_reason = "enough"
        second.started_at, second.ended_at = NOW + 1, NOW + 2
        second.counts = Counts(active=1, running=2, succeeded=3, failed=4)
        await store.write(lambda tx: tx.sweeps.update([second]))
        assert await store.read(lambda tx: tx.sweeps.by_alias(1, 2)) == second
        assert await store.read(lambda tx: tx.sweeps.growing(10)) == []
        await store.write(lambda tx: tx.sweeps.delete_of_job(1))
        assert await store.read(lambda tx: tx.sweeps.of_job(1)) == []
        assert len(await store.read(lambda tx: tx.sweeps.of_job(2))) == 1

    play(story)


def test_tasks_of_a_sweep_share_its_number(play):
    """They are told apart by their index, and stand in one order of keys with sweeps."""

    async def story(store):
        home = job("j")
        await insert(store, home)
        of = sweep(home.key)
        await store.write(lambda tx: tx.sweeps.insert(of))
        made = [task(f"1-{index}", job_key=home.key, alias=1, index=index) for index in (1, 2, 3)]
        plain = task("other", job_key=home.key, alias=2)
        await insert(store, *made, plain)
        assert of.key < made[0].key < plain.key
        found = await store.read(lambda tx: tx.tasks.of_sweep(home.key, 1, 1, 10))
        assert [each.index for each in found] == [2, 3]
        by_alias = await store.read(lambda tx: [tx.tasks.by_alias(home.key, *which) for which in ((1, 2), (1,), (2,))])
        assert [each.spec.id if each else None for each in by_alias] == ["1-2", None, "other"]

    play(story)


def test_no_queued_task_of_a_sweep_starts_any_more(play):
    """Those of others do; it tells how many there were."""

    async def story(store):
        home = job("j")
        await insert(store, home)
        made = [task(f"1-{index}", job_key=home.key, alias=1, index=index) for index in (1, 2)]
        done = task("1-3", job_key=home.key, alias=1, index=3, queued=False)
        await insert(store, *made, done, task("other", job_key=home.key, alias=2))
        assert await store.write(lambda tx: tx.tasks.unqueue(home.key, 1)) == 2
        left = await store.read(lambda tx: tx.tasks.queue(home.key, 9, 9, 9))
        assert [each.spec.id for each in left] == ["other"]

    play(story)
