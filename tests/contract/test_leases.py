"""The lease of the one server that schedules, and the orders that the others leave it."""

from __future__ import annotations

import pytest

from linarite.engine.model import SECOND

LONG = 60 * SECOND


def test_take_gives_one_owner_the_lease(play):
    """Nobody else takes it while it lasts; its owner keeps it under the same epoch."""

    async def story(store):
        assert await store.write(lambda tx: tx.leases.take("a", LONG)) == 1
        assert await store.write(lambda tx: tx.leases.take("b", LONG)) is None
        assert await store.write(lambda tx: tx.leases.take("a", LONG)) == 1
        assert await store.read(lambda tx: tx.leases.held("a", 1))
        assert not await store.read(lambda tx: tx.leases.held("b", 1))

    play(story)


def test_take_after_silence_begins_a_new_epoch(play):
    """The old owner holds nothing any more, also when it takes the lease back."""

    async def story(store):
        assert await store.write(lambda tx: tx.leases.take("a", -1)) == 1
        assert await store.write(lambda tx: tx.leases.take("b", -1)) == 2
        assert not await store.read(lambda tx: tx.leases.held("a", 1))
        assert await store.write(lambda tx: tx.leases.take("a", LONG)) == 3
        assert not await store.read(lambda tx: tx.leases.held("a", 1))
        assert await store.read(lambda tx: tx.leases.held("a", 3))

    play(story)


def test_let_go_lets_another_take_it_at_once(play):
    """An owner that stops keeps nobody waiting; one that has lost it lets go of nothing."""

    async def story(store):
        await store.write(lambda tx: tx.leases.take("a", LONG))
        await store.write(lambda tx: tx.leases.let_go("b", 1))
        assert await store.write(lambda tx: tx.leases.take("b", LONG)) is None
        await store.write(lambda tx: tx.leases.let_go("a", 1))
        assert await store.write(lambda tx: tx.leases.take("b", LONG)) == 2
        await store.write(lambda tx: tx.leases.let_go("a", 1))
        assert await store.write(lambda tx: tx.leases.take("a", LONG)) is None

    play(story)


def test_orders_are_taken_once_in_their_order(play):
    """What was left first is taken first, so many at a time, and then gone."""

    async def story(store):
        for value in (b"1", b"2", b"3"):
            await store.write(lambda tx, value=value: tx.leases.order(value))
        assert await store.write(lambda tx: tx.leases.take_orders(2)) == [b"1", b"2"]
        assert await store.write(lambda tx: tx.leases.take_orders(2)) == [b"3"]
        assert await store.write(lambda tx: tx.leases.take_orders(2)) == []

    play(story)


def test_orders_of_a_unit_that_fails_are_not_left(play):
    """An order stands for what was committed."""

    async def story(store):
        def fails(tx):
            tx.leases.order(b"x")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.write(fails)
        assert await store.write(lambda tx: tx.leases.take_orders(1)) == []

    play(story)
