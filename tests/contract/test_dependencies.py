"""Waiting for ids and for ranges of integer ids."""

from __future__ import annotations

import pytest
from tests.contract.records import completed, insert, task, waiting

from linarite.engine.model import TaskState


async def satisfy(store, *names):
    """What the engine does when tasks end well: ask whom it concerns, note it, let those wait less."""

    def work(tx):
        counts = tx.tasks.satisfy(1, names)
        ended = [tx.tasks.get(1, name) for name in names]
        for each in ended:
            each.state, each.queued, each.satisfied = TaskState.COMPLETED, False, True
        tx.tasks.update(ended)
        return [each.spec.id for each in tx.tasks.wait_less(counts)]

    return await store.write(work)


def test_wait_less_gives_a_task_once_it_waits_for_nothing(play):
    """Each satisfied dependency lowers the count; the task comes back at 0, not yet queued."""

    async def story(store):
        await insert(store, task("1"), task("2"), waiting("last", "1", "2", count=2))
        assert await satisfy(store, "1") == []
        assert await satisfy(store, "2") == ["last"]
        last = await store.read(lambda tx: tx.tasks.get(1, "last"))
        assert (last.waiting, last.queued, last.state) == (0, False, TaskState.ACTIVE)

    play(story)


def test_wait_less_never_goes_below_nothing(play):
    """A count that is too great leaves 0."""

    async def story(store):
        one = waiting("last", "1", count=1)
        await insert(store, one)
        assert [each.waiting for each in await store.write(lambda tx: tx.tasks.wait_less({one.key: 5}))] == [0]

    play(story)


def test_wait_less_keeps_back_tasks_that_ended_meanwhile(play):
    """A task that was terminated while it waited is not brought back, and has nothing to wait for when it is."""

    async def story(store):
        gone = waiting("gone", "1", count=1)
        await insert(store, task("1"), gone)
        gone.state = TaskState.COMPLETED
        await store.write(lambda tx: tx.tasks.update([gone]))
        assert await satisfy(store, "1") == []
        assert (await store.read(lambda tx: tx.tasks.get(1, "gone"))).waiting == 0

    play(story)


def test_update_leaves_alone_what_a_task_waits_for(play):
    """A record that was read before a dependency was satisfied does not bring the old count back."""

    async def story(store):
        await insert(store, task("1"), waiting("last", "1", "2", count=2))
        before = await store.read(lambda tx: tx.tasks.get(1, "last"))
        await satisfy(store, "1")
        await store.write(lambda tx: tx.tasks.update([before]))
        assert (await store.read(lambda tx: tx.tasks.get(1, "last"))).waiting == 1

    play(story)


def test_satisfy_is_known_to_the_next_question_of_the_unit(play):
    """Two tasks of one number that end in one unit satisfy a range once, before either record is written."""

    async def story(store):
        last = waiting("last", ranges=((1, 2),), count=2)
        await insert(store, task("1"), task("01", alias=9), last)
        both = await store.write(lambda tx: (tx.tasks.satisfy(1, ["1"]), tx.tasks.satisfy(1, ["01"])))
        assert both == ({last.key: 1}, {})
        assert await store.read(lambda tx: tx.tasks.satisfied_count(1, ["01"], [(1, 2)])) == 2

    play(story)


def test_wait_less_forgets_what_the_task_waited_for(play):
    """A task that waits no more is nobody's dependent: what ends again does not concern it."""

    async def story(store):
        await insert(store, task("1"), waiting("last", "1", ranges=((1, 1),), count=2))
        assert await satisfy(store, "1") == ["last"]
        assert await store.read(lambda tx: tx.tasks.dependents(1, ["1"])) == {}

    play(story)


def test_dependents_counts_ids_without_regard_to_case(play):
    """Ids are one when they differ by case alone, also in the list of one task."""

    async def story(store):
        last = waiting("last", "First", "FIRST", "other", count=2)
        await insert(store, task("first"), last)
        assert await store.read(lambda tx: tx.tasks.dependents(1, ["fIRST"])) == {last.key: 1}
        assert await store.read(lambda tx: tx.tasks.dependents(2, ["first"])) == {}
        assert await store.read(lambda tx: tx.tasks.dependents(1, ["nobody"])) == {}

    play(story)


def test_dependents_counts_every_range_that_holds_the_number(play):
    """Both ends belong to a range, ranges that overlap count each, an id counts besides."""

    async def story(store):
        last = waiting("last", "5", ranges=((1, 5), (5, 9), (6, 7)), count=13)
        await insert(store, last)

        async def count(*names):
            return (await store.read(lambda tx: tx.tasks.dependents(1, names))).get(last.key, 0)

        assert [await count(str(n)) for n in (0, 1, 4, 5, 6, 9, 10)] == [0, 1, 1, 3, 2, 1, 0]
        assert await count("1", "5", "6", "nobody") == 6

    play(story)


@pytest.mark.parametrize("first", ["7", "007"])
def test_dependents_counts_a_number_once_whatever_its_zeros(play, first):
    """`7` and `007` are two ids and one number: the first of them satisfies a range."""

    async def story(store):
        other = "007" if first == "7" else "7"
        await insert(store, task("7"), task("007"), waiting("last", ranges=((1, 9),), count=9))
        last = await store.read(lambda tx: tx.tasks.get(1, "last"))
        assert await store.read(lambda tx: tx.tasks.dependents(1, [first, other])) == {last.key: 1}
        await satisfy(store, first)
        assert await store.read(lambda tx: tx.tasks.dependents(1, [other])) == {}

    play(story)


@pytest.mark.parametrize("name", ["-7", "7.0", "seven", "+7", "\u0667", "99999999999999999999999999"])
def test_dependents_of_a_range_are_integers_alone(play, name):
    """Only plain digits are a number."""

    async def story(store):
        await insert(store, task(name, alias=1), waiting("last", ranges=((0, 2**63 - 1),), count=1))
        assert await store.read(lambda tx: tx.tasks.dependents(1, [name])) == {}

    play(story)


def test_dependents_are_those_that_wait(play):
    """A task that had nothing to wait for when it came is nobody's dependent."""

    async def story(store):
        await insert(store, completed("1"), waiting("last", "1", count=0))
        assert await store.read(lambda tx: tx.tasks.dependents(1, ["1"])) == {}

    play(story)


def test_dependents_of_many_tell_the_same_as_one_by_one(play):
    """A batch that ends together frees its dependents as single ends do."""

    async def story(store):
        names = [str(n) for n in range(1, 301)]
        merges = [waiting(f"m{n}", ranges=((n, n + 99),), count=100) for n in range(1, 202, 50)]
        await store.write(lambda tx: tx.tasks.insert([task(name) for name in names]))
        await store.write(lambda tx: tx.tasks.insert(merges))
        freed = [await satisfy(store, *names[start : start + 70]) for start in range(0, 300, 70)]
        assert freed == [[], ["m1"], ["m51", "m101"], ["m151"], ["m201"]]

    play(story)


def test_satisfied_count_counts_ids_and_each_range(play):
    """Distinct ids and, in each range by itself, distinct numbers that are satisfied already."""

    async def story(store):
        await insert(store, completed("1"), completed("01", alias=90), completed("2"), task("3"), completed("Word"))
        await insert(store, completed("2", job_key=2), completed("4", satisfied=False))

        async def count(ids=(), ranges=()):
            return await store.read(lambda tx: tx.tasks.satisfied_count(1, ids, ranges))

        assert await count() == 0
        assert await count(["1", "2", "2", "3", "WORD", "word", "nobody"]) == 3
        assert await count(ranges=[(1, 9)]) == 2
        assert await count(ranges=[(1, 1), (1, 2), (3, 9)]) == 3
        assert await count(["01"], [(0, 10**9)]) == 3

    play(story)


def test_delete_forgets_what_a_task_waited_for(play):
    """A deleted task is nobody's dependent."""

    async def story(store):
        last = waiting("last", "1", ranges=((1, 1),), count=2)
        await insert(store, last)
        await store.write(lambda tx: tx.tasks.delete([last.key]))
        assert await store.read(lambda tx: tx.tasks.dependents(1, ["1"])) == {}

    play(story)


def test_insert_takes_a_very_long_list_of_dependencies(play):
    """Thirty thousand ids are more than one statement takes."""

    async def story(store):
        names = [f"t{n}" for n in range(30_000)]
        await insert(store, completed("t7"), waiting("last", *names, count=29_999))
        last = await store.read(lambda tx: tx.tasks.get(1, "last"))
        assert await store.read(lambda tx: tx.tasks.satisfied_count(1, names, [])) == 1
        assert await store.read(lambda tx: tx.tasks.dependents(1, names)) == {last.key: 30_000}
        assert len(await store.read(lambda tx: tx.tasks.existing(1, [*names, "LAST"]))) == 2

    play(story)
