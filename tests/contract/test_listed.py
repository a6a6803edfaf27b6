"""Lists in pages of bounded work: short pages, positions that stay right, and the same records whatever the way."""

from __future__ import annotations

import re

import pytest
from tests.contract.records import ACCOUNT, completed, insert, job, node, pool, running, task, waiting

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Both, Compare, Either
from linarite.engine.model import TaskResult, TaskState
from linarite.store import listing

NEVER = Compare("creationTime", "lt", 0)


@pytest.fixture
def hurried(monkeypatch):
    """Ten records are looked at in one request, no more."""
    monkeypatch.setattr(listing, "CHUNK", 10)
    monkeypatch.setattr(listing, "PROBE", 10)
    monkeypatch.setattr(listing, "PATIENCE", 0.0)


def ids(records):
    return [getattr(each, "spec", each).id for each in records]


async def walk(store, where, limit=1000, job_key=1):
    """The ids of each page, positions followed."""
    pages, position = [], ""
    while position is not None:
        found = await store.read(lambda tx, p=position: tx.tasks.listed(job_key, where, p, limit))
        pages.append(ids(found.records))
        position = found.position
    return pages


def test_list_looks_at_a_chunk_and_gives_a_short_page_with_a_position(play, hurried):
    """A condition that nothing matches and no index knows is answered in parts; other jobs' tasks cost nothing."""

    async def story(store):
        await store.write(lambda tx: tx.tasks.insert([task(str(n), job_key=1 + n % 2) for n in range(1, 51)]))
        assert await walk(store, NEVER) == [[], [], []]
        assert await walk(store, NEVER, job_key=3) == [[]]

    play(story)


def test_page_of_a_list_without_a_condition_is_full(play, hurried):
    """No condition, no short page; the last page says that it is the last."""

    async def story(store):
        await store.write(lambda tx: tx.tasks.insert([task(str(n)) for n in range(1, 31)]))
        assert [len(page) for page in await walk(store, None, 20)] == [20, 10]
        assert [len(page) for page in await walk(store, None, 15)] == [15, 15]

    play(story)


@pytest.mark.parametrize(
    "condition",
    [
        Compare("executionInfo/exitCode", "eq", 3),
        Compare("executionInfo/exitCode", "gt", 0),
        Compare("executionInfo/exitCode", "lt", 0),
        Both(Compare("state", "eq", "completed"), Compare("executionInfo/result", "eq", "failure")),
        Either(Compare("state", "eq", "running"), Compare("state", "eq", "preparing")),
        Both(Compare("id", "startswith", "1"), Compare("state", "eq", "active")),
        Both(Compare("id", "gt", "1"), Either(Compare("state", "eq", "active"), Compare("state", "eq", "running"))),
        Compare("id", "startswith", "x"),
        Both(Compare("id", "ge", "15"), Compare("id", "lt", "15")),
        Compare("state", "ne", "completed"),
        Compare("state", "eq", "nonsense"),
    ],
)
def test_selective_condition_is_answered_at_once(play, hurried, condition):
    """What an index holds is one page, however many other tasks there are: none of them is looked at."""

    async def story(store):
        await store.write(lambda tx: tx.tasks.insert([completed(str(n)) for n in range(1, 100)]))
        assert await walk(store, condition) == [[]]

    play(story)


def test_active_tasks_are_those_in_the_queue_and_those_that_wait(play, hurried):
    """Two indexes together, in the order of age, each task once."""

    async def story(store):
        tasks = [completed(str(n)) for n in range(1, 40)] + [task("a"), waiting("b", "x", count=1), task("c")]
        await store.write(lambda tx: tx.tasks.insert([*tasks, running("d"), waiting("e", "x", count=1)]))
        assert await walk(store, Compare("state", "eq", "active"), 2) == [["a", "b"], ["c", "e"]]
        assert await walk(store, Compare("state", "ne", "completed"), 3) == [["a", "b", "c"], ["d", "e"]]

    play(story)


def test_exit_code_unequal_to_zero_finds_also_what_has_none(play, hurried):
    """Failed ones, those that ended without a code, and those that have not ended; not the ninety that went well."""

    async def story(store):
        well = [completed(str(n)) for n in range(1, 91)]
        failed = completed("failed", exit_code=1, result=TaskResult.FAILURE)
        await store.write(
            lambda tx: tx.tasks.insert([*well, failed, completed("no-code", exit_code=None), running("r"), task("q")])
        )
        assert await walk(store, Compare("executionInfo/exitCode", "ne", 0)) == [["failed", "no-code", "r", "q"]]

    play(story)


def test_ids_are_walked_in_their_order_where_they_are_few(play, hurried):
    """A span of ids is read alone, in the order of ids; a position in it stays right while tasks come and go."""

    async def story(store):
        await store.write(lambda tx: tx.tasks.insert([task(f"{n:03}", alias=n) for n in range(300, 0, -1)]))
        condition = Compare("id", "startswith", "1")
        first = await store.read(lambda tx: tx.tasks.listed(1, condition, "", 5))
        assert ids(first.records) == ["100", "101", "102", "103", "104"]
        await store.write(lambda tx: tx.tasks.delete([first.records[-1].key]))
        await insert(store, task("1040", alias=1040), task("0", alias=1041))
        then = await store.read(lambda tx: tx.tasks.listed(1, condition, first.position, 2))
        assert ids(then.records) == ["1040", "105"]

    play(story)


def test_ids_of_a_list_may_be_named_in_hundreds(play, hurried):
    """As many single ids as a condition takes are one page, and pages of them go on."""

    async def story(store):
        await store.write(lambda tx: tx.tasks.insert([task(str(n)) for n in range(1, 500)]))
        condition = Compare("id", "eq", "77")
        for n in range(100, 450):
            condition = Either(condition, Compare("id", "eq", str(n)))
        pages = await walk(store, condition, 200)
        assert [len(page) for page in pages] == [200, 151]
        assert pages[0][0] == "100"
        assert pages[1][-1] == "77"

    play(story)


def test_two_lists_of_few_are_compared_before_one_is_chosen(play, hurried, monkeypatch):
    """Few of the running ones among many ids, few ids among many running ones: either way it is one page."""
    monkeypatch.setattr(listing, "PROBE", 20)

    async def story(store):
        many = [running(f"r{n}", alias=n + 1) for n in range(100)] + [
            completed(f"c{n}", alias=n + 200) for n in range(100)
        ]
        await store.write(
            lambda tx: tx.tasks.insert([*many, running("c-last", alias=1000), completed("r-0", alias=1001)])
        )
        condition = Both(Compare("id", "startswith", "c"), Compare("state", "eq", "running"))
        assert [page for page in await walk(store, condition) if page] == [["c-last"]]
        condition = Both(Compare("id", "startswith", "r-"), Compare("state", "eq", "running"))
        assert await walk(store, condition) == [[]]

    play(story)


@pytest.mark.parametrize("position", ["x", "k", "k-1", "k1.5", "i", "ix", "k" + "9" * 30, "k\u0661"])
def test_position_of_no_list_is_refused(play, position):
    """A position is what the store gave, or InvalidValue."""

    async def story(store):
        for where in (None, Compare("state", "eq", "active")):
            with pytest.raises(InvalidValue, match="position"):
                await store.read(lambda tx, where=where: tx.tasks.listed(1, where, position, 5))

    play(story)


@pytest.mark.parametrize("area", ["pools", "jobs", "nodes"])
def test_other_lists_go_the_same_way(play, hurried, area):
    """Pools, jobs and nodes are listed by the same rules."""
    make = {"pools": pool, "jobs": job, "nodes": node}[area]
    home = 1 if area == "nodes" else ACCOUNT

    async def story(store):
        await insert(store, *(make(f"r{n:02}") for n in range(25)))

        async def pages(where):
            found, position = [], ""
            while position is not None:
                page = await store.read(lambda tx, p=position: getattr(tx, area).listed(home, where, p, 12))
                found.append(len(page.records))
                position = page.position
            return found

        assert await pages(None) == [12, 12, 1]
        assert await pages(Compare("stateTransitionTime", "lt", 0)) == [0, 0, 0]
        assert await pages(Compare("id", "startswith", "r2")) == [5]

    play(story)


def test_reactivated_task_stands_where_it_stood(play, hurried):
    """A task keeps its place in the order of age when it leaves one index for another."""

    async def story(store):
        one = completed("1", exit_code=1, result=TaskResult.FAILURE)
        await insert(store, one, completed("2", exit_code=1, result=TaskResult.FAILURE))
        assert await walk(store, Compare("executionInfo/result", "eq", "failure")) == [["1", "2"]]
        one.state, one.exit_code, one.result, one.queued = TaskState.ACTIVE, None, None, True
        await store.write(lambda tx: tx.tasks.update([one]))
        assert await walk(store, Compare("executionInfo/result", "eq", "failure")) == [["2"]]
        assert await walk(store, Compare("state", "eq", "active")) == [["1"]]

    play(story)


def test_text_with_a_nul_is_refused(play):
    """No database keeps one, and one of them would fail on it."""

    async def story(store):
        with pytest.raises(InvalidValue, match=re.escape("NUL")):
            await store.read(lambda tx: tx.tasks.listed(1, Compare("id", "eq", "a\0b"), "", 5))

    play(story)
