"""Units of work: whole or not at all, one after another, on disk before they are answered."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from threading import Event as Signal

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError
from tests.contract.records import ACCOUNT, completed, insert, job, task

from linarite.engine.errors import Unavailable, WrongState
from linarite.store import open_store

KINDS = ["plain", "shared"]


async def together(store, *works):
    """Run units that share a transaction: they queue up while another unit keeps the writer busy."""
    go_on = Signal()
    busy = asyncio.ensure_future(store.write(lambda _: go_on.wait(10)))
    units = [asyncio.ensure_future(store.write(work)) for work in works]
    await asyncio.sleep(0)
    go_on.set()
    await busy
    return await asyncio.gather(*units, return_exceptions=True)


def adds(id):
    return lambda tx: tx.jobs.insert(job(id))


def adds_then_fails(id):
    def work(tx):
        tx.jobs.insert(job(id))
        raise WrongState("job", "completed", "test")

    return work


def test_write_answers_what_the_work_returns(play):
    """A unit's result comes back to the one who waits."""

    async def story(store):
        assert await store.write(lambda _: 42) == 42
        assert await store.read(lambda _: 43) == 43

    play(story)


def test_write_undoes_what_a_failing_unit_did(play):
    """A unit that raises leaves nothing behind, and its error is raised as it is."""

    async def story(store):
        with pytest.raises(WrongState):
            await store.write(adds_then_fails("a"))
        assert await store.read(lambda tx: tx.jobs.get(ACCOUNT, "a")) is None
        await store.write(adds("a"))

    play(story)


def test_write_keeps_the_good_units_around_a_failing_one(play):
    """Of units that share a commit, only the failing one is undone."""

    async def story(store):
        results = await together(store, adds("a"), adds_then_fails("b"), adds("c"))
        assert [type(result) for result in results] == [type(None), WrongState, type(None)]
        found = await store.read(lambda tx: tx.jobs.page(ACCOUNT, None, 0, 10))
        assert [each.spec.id for each in found] == ["a", "c"]

    play(story)


def test_write_keeps_the_good_units_around_a_duplicate(play):
    """A unit that the database itself refuses does not spoil those that share its commit."""

    async def story(store):
        results = await together(store, adds("a"), adds("A"), adds("b"))
        assert [result is None for result in results] == [True, False, True]
        assert await store.read(lambda tx: tx.jobs.get(ACCOUNT, "b"))

    play(story)


def test_write_runs_units_in_the_order_of_their_asking(play):
    """A unit sees what those asked for before it did."""

    async def story(store):
        seen = []
        await together(store, *(lambda _, n=n: seen.append(n) for n in range(50)))
        assert seen == list(range(50))

    play(story)


def test_write_survives_a_unit_that_raises_stop_iteration(play):
    """An error that a future cannot carry reaches its caller as another, and the store goes on."""

    async def story(store):
        with pytest.raises(RuntimeError):
            await store.write(lambda _: next(iter(())))
        assert await store.write(lambda _: 1) == 1

    play(story)


def test_write_goes_on_when_the_one_who_waits_gives_up(play):
    """A cancelled caller takes nobody else's answer with it."""

    async def story(store):
        go_on = Signal()
        busy = asyncio.ensure_future(store.write(lambda _: go_on.wait(10)))
        given_up = asyncio.ensure_future(store.write(adds("a")))
        other = asyncio.ensure_future(store.write(adds("b")))
        await asyncio.sleep(0)
        given_up.cancel()
        go_on.set()
        await asyncio.gather(busy, other)
        assert await store.write(lambda _: 1) == 1

    play(story)


def test_read_sees_every_write_answered_before(play):
    """An acknowledged write is in every later view."""

    async def story(store):
        for number in range(50):
            await store.write(adds(f"job{number}"))
            found = await store.read(lambda tx: tx.jobs.page(ACCOUNT, None, 0, 100))
            assert len(found) == number + 1

    play(story)


def test_read_keeps_one_view_while_others_write(play):
    """A unit that reads sees one moment from its first look on, and does not stop the writer."""

    async def story(store):
        await store.write(adds("a"))
        looked, written = Signal(), Signal()

        def look_twice(tx):
            before = len(tx.jobs.page(ACCOUNT, None, 0, 10))
            looked.set()
            written.wait(10)
            return before, len(tx.jobs.page(ACCOUNT, None, 0, 10))

        reading = asyncio.ensure_future(store.read(look_twice))
        await asyncio.to_thread(looked.wait, 10)
        await store.write(adds("b"))
        written.set()
        assert await reading == (1, 1)

    play(story)


def test_read_is_never_torn_by_writes(play):
    """Readers see the tasks of a unit all or none, however many write at once."""

    async def story(store):
        def ten(first):
            return lambda tx: tx.tasks.insert([task(str(n)) for n in range(first, first + 10)])

        writes = [store.write(ten(first)) for first in range(1, 401, 10)]
        reads = [store.read(lambda tx: len(tx.tasks.page(1, None, 0, 1000))) for _ in range(40)]
        results = await asyncio.gather(*(each for pair in zip(writes, reads, strict=True) for each in pair))
        assert {count % 10 for count in results if count is not None} == {0}

    play(story)


def test_read_raises_what_the_work_raises(play):
    """An error in a reader is its own: the next one reads."""

    async def story(store):
        with pytest.raises(WrongState):
            await store.read(adds_then_fails_in_reading)
        assert await store.read(lambda _: 1) == 1

    def adds_then_fails_in_reading(tx):
        raise WrongState("job", "completed", "test")

    play(story)


def test_read_refuses_to_write(play):
    """A unit that reads cannot change anything."""

    async def story(store):
        with pytest.raises((Unavailable, DBAPIError, psycopg.Error)):
            await store.read(adds("a"))
        assert await store.read(lambda tx: tx.jobs.get(ACCOUNT, "a")) is None

    play(story)


def test_close_commits_what_is_queued(address, play):
    """Units that were asked for before the end are done and answered."""

    async def story(store):
        units = [asyncio.ensure_future(store.write(adds(f"job{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*units)

    async def count(store):
        return len(await store.read(lambda tx: tx.jobs.page(ACCOUNT, None, 0, 100)))

    play(story)
    assert play(count) == 20


def test_close_refuses_later_work(play):
    """A closed store says so, as often as it is asked or closed."""

    async def story(store):
        await store.close()
        await store.close()
        for operation in (store.write, store.read):
            with pytest.raises(Unavailable):
                await operation(lambda _: None)

    play(story)


CHILD = """
import asyncio, os, sys
from linarite.store import open_store
from tests.contract.records import task

async def main():
    store = open_store(sys.argv[1])
    for first in range(1, 100_000, 10):
        await store.write(lambda tx: tx.tasks.insert([task(str(first + n)) for n in range(10)]))
        os.write(1, f"{first + 9}\\n".encode())

asyncio.run(main())
"""


@pytest.mark.parametrize("answers", [1, 7, 40])
def test_write_survives_a_kill_right_after_its_answer(address, play, answers):
    """What was acknowledged is there after SIGKILL, whole, and the store opens as if nothing had been."""
    with subprocess.Popen([sys.executable, "-c", CHILD, address], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(answers)][-1]
        child.send_signal(signal.SIGKILL)

    async def story(store):
        found = await store.read(lambda tx: tx.tasks.page(1, None, 0, 1_000_000))
        assert len(found) >= told
        assert len(found) % 10 == 0
        assert [each.alias for each in found] == list(range(1, len(found) + 1))
        await insert(store, completed("after"))

    play(story)


def test_open_finds_what_an_earlier_one_wrote(address):
    """A store that is opened again has its records, and goes on numbering where it stopped."""

    async def first():
        store = open_store(address)
        await store.write(adds("a"))
        await store.close()

    async def second():
        store = open_store(address)
        await store.write(adds("b"))
        found = await store.read(lambda tx: tx.jobs.page(ACCOUNT, None, 0, 10))
        await store.close()
        return [(each.key, each.alias, each.spec.id) for each in found]

    asyncio.run(first())
    assert asyncio.run(second()) == [(1, 1, "a"), (2, 2, "b")]
