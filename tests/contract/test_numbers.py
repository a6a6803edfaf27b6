"""Keys and aliases: given at commit, never twice."""

from __future__ import annotations

import pytest
from tests.contract.records import insert, job, node, pool, task

from linarite.engine.errors import WrongState


def test_insert_numbers_jobs_in_each_account(play):
    """A job's alias counts within its account, its key over all."""

    async def story(store):
        jobs = [job("a"), job("b"), job("a", account="beta"), job("c")]
        await insert(store, *jobs)
        assert [each.alias for each in jobs] == [1, 2, 1, 3]
        assert [each.key for each in jobs] == [1, 2, 3, 4]

    play(story)


def test_insert_numbers_tasks_in_each_account(play):
    """A task's account alias counts over all jobs of its account, in the order of the insert."""

    async def story(store):
        tasks = [task("1"), task("2"), task("1", job_key=2, account="beta"), task("3"), task("1", job_key=3)]
        await store.write(lambda tx: tx.tasks.insert(tasks))
        assert [each.account_alias for each in tasks] == [1, 2, 1, 3, 4]
        assert [each.key for each in tasks] == [1, 2, 3, 4, 5]
        found = await store.read(lambda tx: tx.tasks.by_account_alias("alpha", 4))
        assert (found.job_key, found.key) == (3, 5)

    play(story)


def test_insert_numbers_nodes_in_each_account(play):
    """A node's alias counts over all pools of its account."""

    async def story(store):
        nodes = [node("a"), node("b", pool_key=2), node("a", pool_key=3, account="beta")]
        await store.write(lambda tx: tx.nodes.insert(nodes))
        assert [each.alias for each in nodes] == [1, 2, 1]
        assert [each.key for each in nodes] == [1, 2, 3]

    play(story)


@pytest.mark.parametrize("area", ["jobs", "tasks", "nodes", "pools"])
def test_insert_never_reuses_a_number_after_deletes(play, area):
    """The newest record is deleted, the next one has a number of its own all the same."""
    make = {"jobs": job, "tasks": task, "nodes": node, "pools": pool}[area]

    async def story(store):
        records = [make("1"), make("2")]
        await insert(store, *records)
        last = records[-1].key
        await store.write(lambda tx: getattr(tx, area).delete(last if area in {"jobs", "pools"} else [last]))
        again = make("2")
        await insert(store, again)
        assert again.key == last + 1
        for name in ("alias", "account_alias"):
            if area != "pools" and hasattr(again, name) and not (area == "tasks" and name == "alias"):
                assert getattr(again, name) == 3

    play(story)


def test_insert_numbers_go_on_after_a_failed_unit(play):
    """A unit that failed gave its numbers to nobody: the next insert has neither a gap nor a duplicate."""

    async def story(store):
        def fails(tx):
            tx.jobs.insert(job("a"))
            raise WrongState("job", "completed", "test")

        with pytest.raises(WrongState):
            await store.write(fails)
        good = job("a")
        await insert(store, good)
        assert (good.key, good.alias) == (1, 1)

    play(story)


def test_by_alias_finds_in_its_own_job_and_account(play):
    """An alias means something only within its job or account."""

    async def story(store):
        await insert(
            store, job("a"), job("b", account="beta"), task("7", job_key=1, alias=7), task("8", job_key=2, alias=7)
        )
        assert (await store.read(lambda tx: tx.jobs.by_alias("beta", 1))).spec.id == "b"
        assert await store.read(lambda tx: tx.jobs.by_alias("beta", 2)) is None
        assert (await store.read(lambda tx: tx.tasks.by_alias(2, 7))).spec.id == "8"
        assert await store.read(lambda tx: tx.tasks.by_alias(3, 7)) is None

    play(story)
