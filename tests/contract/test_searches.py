"""Searches of an account's tasks by columns that a face derives: conditions, orders and parts, on every store."""

from __future__ import annotations

import pytest
from tests.contract.records import ACCOUNT, NOW, completed, insert, job, running, task

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Both, Compare, Derived, Either, Numbered, Order, Search
from linarite.engine.model import Ending, JobState, TaskResult

COLUMNS = {
    "name": Derived(of=("facts/face/name", "job/spec/display_name", "job/spec/id"), default=""),
    "number": Derived(kind="number", of=("facts/face/number",), default=0),
    "state": Derived(kind="number", of=("unfinished", Numbered("facts/face/flag", {True: 6}), "progression")),
    "owner": Derived(kind="number", of=("facts/face/owner", Numbered("owner", {"ann": 7, "bob": 8})), default=0),
    "nobody": Derived(kind="number", of=(Numbered("owner", {}),), default=-1),
    "percent": Derived(kind="number", of=("percent",)),
    "stage": Derived(of=("stage",), default=""),
    "started": Derived(kind="number", of=("executionInfo/startTime",)),
}


def facts(**own):
    return {"facts": {"face": own}}


async def fill(store):
    """Ids a to g: with facts and without, in all states, of two jobs; one is being deleted, one another account's."""
    jobs = [
        job("one", spec={"display_name": "First Job", "owner": "Ann"}),
        job("two", state=JobState.COMPLETED),
    ]
    await store.write(lambda tx: [tx.jobs.insert(each) for each in jobs])
    one, two = jobs
    await insert(
        store,
        task("a", one.key, 1, **facts(name="O'Brien 100%_\\", number=5)),
        running("b", job_key=one.key, alias=2, percent=40, stage="Half Way"),
        completed("c", job_key=one.key, alias=3, result=TaskResult.SUCCESS, percent=20, **facts(flag=True, owner=9)),
        completed("d", job_key=one.key, alias=4, result=TaskResult.FAILURE, percent=30, **facts(flag=False, name="")),
        task("e", two.key, 1, **facts(flag=True)),
        running("f", job_key=two.key, alias=2, ending=Ending.DELETED),
        task("g", one.key, 9, account="beta"),
    )


CONDITIONS = [
    (None, "abcde"),
    (Compare("name", "eq", "FIRST job"), "bcd"),
    (Compare("name", "eq", "two"), "e"),
    (Compare("name", "startswith", "o'brien"), "a"),
    (Compare("name", "contains", "100%_\\"), "a"),
    (Compare("name", "contains", "0__"), ""),
    (Compare("name", "endswith", "JOB"), "bcd"),
    (Compare("name", "notcontains", "r"), "e"),
    (Compare("name", "notendswith", "job"), "ae"),
    (Compare("name", "notstartswith", "First"), "ae"),
    (Compare("number", "ge", 5), "a"),
    (Compare("number", "eq", 0), "bcde"),
    (Compare("state", "eq", 0), "e"),
    (Compare("state", "eq", 1), "a"),
    (Compare("state", "eq", 3), "b"),
    (Compare("state", "eq", 5), "d"),
    (Compare("state", "eq", 6), "c"),
    (Compare("owner", "eq", 7), "abd"),
    (Either(Compare("owner", "eq", 9), Compare("owner", "eq", 0)), "ce"),
    (Compare("nobody", "eq", -1), "abcde"),
    (Both(Compare("percent", "gt", 0), Compare("percent", "lt", 100)), "bd"),
    (Compare("percent", "eq", 100), "c"),
    (Compare("stage", "eq", "half way"), "b"),
    (Compare("started", "ne", None), "b"),
]
ORDERS = [
    ((), "abcde"),
    ((Order("state"),), "eabdc"),
    ((Order("state", descending=True),), "cdbae"),
    ((Order("owner"), Order("percent", descending=True)), "ebdac"),
    ((Order("name"), Order("state", descending=True)), "cdbae"),
]


def ids(found):
    return "".join(each.spec.id for each in found)


def test_search_finds_by_derived_columns(play):
    """Facts, packed properties and the store's own words, with what stands for none; texts without regard to case."""

    async def story(store):
        await fill(store)
        for where, expected in CONDITIONS:
            search = Search(columns=COLUMNS, where=where, limit=10)
            assert ids(await store.read(lambda tx, search=search: tx.tasks.search(ACCOUNT, search))) == expected, where

    play(story)


def test_search_orders_and_cuts(play):
    """By several columns, of equals the older first; parts follow each other."""

    async def story(store):
        await fill(store)
        for order, expected in ORDERS:
            found = []
            for skip in range(0, 6, 2):
                search = Search(columns=COLUMNS, order=order, skip=skip, limit=2)
                found += await store.read(lambda tx, search=search: tx.tasks.search(ACCOUNT, search))
            assert ids(found) == expected, order

    play(story)


@pytest.mark.parametrize(
    "where", [Compare("name", "like", "x"), Compare("other", "eq", 1), Compare("number", "eq", "x")]
)
def test_search_refuses_conditions_that_it_has_not(play, where):
    """Columns, operators and values of another type."""

    async def story(store):
        await fill(store)
        with pytest.raises(InvalidValue):
            await store.read(lambda tx: tx.tasks.search(ACCOUNT, Search(columns=COLUMNS, where=where, limit=1)))

    play(story)


def test_search_bears_texts_with_nul(play):
    """A task whose facts have characters that a database has no text for spoils no search."""

    async def story(store):
        one = job("one", spec={"display_name": "a\\u0000\0"})
        await store.write(lambda tx: tx.jobs.insert(one))
        await insert(store, task("a", one.key, 1, **facts(other="x\0y")), task("b", one.key, 2, **facts(name="y\\\0")))
        search = Search(columns=COLUMNS, where=Compare("name", "startswith", "Y"), limit=10)
        assert ids(await store.read(lambda tx: tx.tasks.search(ACCOUNT, search))) == "b"

    play(story)


def test_progress_is_kept(play):
    """What a task told is in its record, and goes when it is cleared."""

    async def story(store):
        await store.write(lambda tx: tx.jobs.insert(job("one")))
        told = running("b", percent=40, stage="half")
        await insert(store, told)
        [found] = await store.read(lambda tx: tx.tasks.in_run_of_account(ACCOUNT))
        assert (found.percent, found.stage, found.started_at) == (40, "half", NOW)
        found.percent = found.stage = None
        await store.write(lambda tx: tx.tasks.update([found]))
        again = await store.read(lambda tx: tx.tasks.by_key(found.key))
        assert (again.percent, again.stage) == (None, None)
        assert await store.read(lambda tx: tx.tasks.in_run_of_account("beta")) == []

    play(story)
