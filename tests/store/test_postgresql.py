"""PostgreSQL: shared by several servers, ended and started again, cut off from power."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from msgspec.structs import replace
from tests.contract.records import ACCOUNT, job
from tests.support import postgres
from tests.support.left_out import leave_out

from linarite.engine.errors import InvalidValue, Unavailable
from linarite.refusal import Refused
from linarite.store import SqlStore, database, migrations, open_store
from linarite.store.database import location, reading, writing
from linarite.store.moving import move
from linarite.store.schema import metadata


@pytest.fixture
def own() -> Iterator[postgres.Postgres]:
    """A server of this test's own, which flushes to disk what it commits."""
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    with postgres.running_postgres(durable=True) as running:
        yield running


def play(address: str, story: Callable[..., Awaitable[Any]], stores: int = 1) -> Any:
    """Run a story with stores of one database."""

    async def told() -> Any:
        opened = [open_store(address) for _ in range(stores)]
        try:
            return await story(*opened)
        finally:
            for store in opened:
                await store.close()

    return asyncio.run(told())


def adds(id: str) -> Callable[[Any], Any]:
    return lambda tx: tx.jobs.insert(job(id))


def finds(id: str) -> Callable[[Any], Any]:
    return lambda tx: tx.jobs.get(ACCOUNT, id)


def test_open_makes_the_tables_that_the_code_names(postgresql):
    """A new database has no table, column or index too many or too few; opened by two at once too."""
    name = postgresql.new_database()
    address = postgresql.url(name)

    async def opened() -> None:
        stores = await asyncio.gather(*(asyncio.to_thread(open_store, address) for _ in range(2)))
        for store in stores:
            await store.close()

    asyncio.run(opened())
    engine = reading(location(address))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [(migrations.CURRENT,)]
    engine.dispose()
    postgresql.drop(name)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url.replace(postgres.PASSWORD.replace(" ", "%20"), "secret"), "password authentication failed"),
        (lambda url: url.replace("@/", "@/other"), "does not exist"),
        (lambda url: url.replace("host=", "host=/nonexistent"), "No such file"),
    ],
    ids=["another password", "another database", "another place"],
)
def test_open_unusable_database(new_database, change, reason):
    """A database that cannot be had is a sentence for whoever starts the server, without the password."""
    with pytest.raises(Refused, match=rf"(?s)^The database cannot be used: (?!.*secret).*{reason}.*\.$"):
        open_store(change(new_database))


@pytest.mark.parametrize("url", ["postgresql://u:a@b:secret/db", "postgresql://u:secret@[::1/db", "://u:secret@h"])
def test_open_what_is_no_url(url):
    """It is told in a sentence, without what may be a part of the password."""
    with pytest.raises(Refused) as refused:
        open_store(url)
    assert (str(refused.value), refused.value.__cause__) == (database.NO_URL, None)


@pytest.mark.parametrize(
    "work",
    [
        lambda tx: tx.accounts.get("a\0b"),
        lambda tx: tx.pools.get(ACCOUNT, "a\0b"),
        lambda tx: tx.documents.get("kind", "a\0b", 0),
        lambda tx: tx.shares.get(ACCOUNT, "a\0b"),
        lambda tx: tx.jobs.insert(replace(job("a"), terminate_reason="a\0b")),
    ],
    ids=["account", "pool", "document", "share", "reason"],
)
def test_text_with_nul_is_refused(new_database, work):
    """PostgreSQL keeps none: whoever gave it hears so, and the store goes on."""

    async def story(store: SqlStore) -> None:
        with pytest.raises(InvalidValue):
            await store.write(work)
        await store.write(adds("b"))
        assert await store.read(finds("b")) is not None

    play(new_database, story)


def test_move_of_odd_values(new_database, tmp_path):
    """The largest numbers, switches and bytes arrive as they were; a NUL in text is marked."""
    odd = replace(job("odd"), terminate_reason="a\0b", deadline=2**63 - 1, forced=True)

    async def fill() -> Any:
        store = open_store(tmp_path / "old.db")
        await store.write(lambda tx: tx.jobs.insert(odd))
        await store.write(lambda tx: tx.documents.put("kind", "name", {"a\0": "\0\ud7ff\U0001f600", "n": -(2**63)}))
        before = await store.read(finds("odd"))
        await store.close()
        return before

    async def story(store: SqlStore) -> list[Any]:
        return [await store.read(finds("odd")), await store.read(lambda tx: tx.documents.get("kind", "name", 0))]

    before = asyncio.run(fill())
    move(tmp_path / "old.db", new_database)
    found, document = play(new_database, story)
    assert found == replace(before, terminate_reason="a\ufffdb")
    assert document == {"a\0": "\0\ud7ff\U0001f600", "n": -(2**63)}


def test_units_of_two_servers_run_one_after_another(new_database):
    """A rule that reads a number and writes it back loses nothing, whoever else does the same."""

    def count(tx: Any) -> None:
        before = tx.documents.get("test", "count", 0) or 0
        tx.documents.put("test", "count", before + 1)

    async def story(first: SqlStore, second: SqlStore) -> Any:
        await asyncio.gather(*(store.write(count) for _ in range(200) for store in (first, second)))
        return await first.read(lambda tx: tx.documents.get("test", "count", 0))

    assert play(new_database, story, stores=2) == 400


def test_what_one_server_has_committed_the_other_reads(new_database):
    """An answer of one server is true at the next one, at once."""

    async def story(first: SqlStore, second: SqlStore) -> Any:
        for n in range(50):
            await first.write(adds(f"j{n}"))
            assert await second.read(finds(f"j{n}")) is not None

    play(new_database, story, stores=2)


def test_connection_that_the_database_ended_is_made_again(postgresql, new_database):
    """An administrator who ends connections is not noticed by those who ask later."""

    def end_all() -> None:
        with postgresql.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [location(new_database).database],
            )

    async def story(store: SqlStore) -> None:
        await store.write(adds("a"))
        assert await store.read(finds("a")) is not None
        end_all()
        await store.write(adds("b"))
        assert await store.read(finds("b")) is not None

    play(new_database, story)


def test_connection_that_ends_within_a_unit_spoils_that_unit_alone(postgresql, new_database):
    """What was not committed did not happen; the next unit does."""

    def end_mine(tx: Any) -> None:
        tx.jobs.insert(job("lost"))
        pid = tx.jobs._connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with postgresql.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        tx.jobs.get(ACCOUNT, "lost")

    async def story(store: SqlStore) -> None:
        with pytest.raises(Unavailable):
            await store.write(end_mine)
        await store.write(adds("b"))
        assert await store.read(finds("lost")) is None
        assert await store.read(finds("b")) is not None

    play(new_database, story)


def test_database_that_is_away_is_unavailable_and_comes_back(own):
    """While it is away every unit is refused; when it is back they are done."""

    async def story(store: SqlStore) -> None:
        await store.write(adds("a"))
        own.stop()
        for ask in (store.write(adds("b")), store.read(finds("a"))):
            with pytest.raises(Unavailable):
                await ask
        own.start()
        await store.write(adds("c"))
        assert [await store.read(finds(id)) is not None for id in "abc"] == [True, False, True]

    play(own.url(own.new_database()), story)


def test_acknowledged_write_outlives_a_power_cut(own):
    """What was answered is on disk, however many commits were under way."""
    address = own.url(own.new_database())

    async def story(store: SqlStore) -> list[str]:
        units = [asyncio.ensure_future(store.write(adds(f"j{n}"))) for n in range(2000)]
        while sum(unit.done() for unit in units) < 300:
            await asyncio.wait(units, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            units_left = [unit for unit in units if not unit.done()]
            await asyncio.wait(units_left[:50], timeout=10)
        own.stop(signal.SIGKILL)
        done = await asyncio.gather(*units, return_exceptions=True)
        return [f"j{n}" for n, outcome in enumerate(done) if outcome is None]

    acknowledged = play(address, story)
    own.start()

    async def found(store: SqlStore) -> list[str]:
        return [id for id in acknowledged if await store.read(finds(id)) is None]

    assert len(acknowledged) >= 300
    assert play(address, found) == []


def test_only_one_writes_at_a_time_while_another_holds_the_lock(new_database):
    """The lock is the database's own, hence holds across servers and goes with a connection that dies."""
    engine = writing(location(new_database))

    async def story(store: SqlStore) -> None:
        with engine.connect() as connection:
            connection.begin()
            unit = asyncio.ensure_future(store.write(adds("a")))
            done, _ = await asyncio.wait([unit], timeout=0.2)
            assert not done
            connection.connection.driver_connection.close()
            await unit
            connection.invalidate()

    play(new_database, story)
    engine.dispose()


def test_server_that_freezes_within_a_unit_holds_up_no_other(new_database, monkeypatch):
    """The database ends a transaction that says nothing for long: others write, the frozen one hears when it wakes."""
    monkeypatch.setattr(database, "LONGEST_PAUSE", 300)
    wakes = threading.Event()

    def freeze(tx: Any) -> None:
        tx.jobs.insert(job("lost"))
        assert wakes.wait(60)

    async def story(frozen: SqlStore, other: SqlStore) -> None:
        together = [asyncio.ensure_future(frozen.write(work)) for work in (freeze, adds("b"))]
        try:
            while not (await asyncio.wait(together, timeout=0.05))[0] and await other.read(finds("c")) is None:
                await asyncio.wait_for(other.write(adds("c")), 20)
        finally:
            wakes.set()
        for outcome in await asyncio.gather(*together, return_exceptions=True):
            assert isinstance(outcome, Unavailable)
        await frozen.write(adds("d"))
        assert [await other.read(finds(id)) is not None for id in ("lost", "c", "d")] == [False, True, True]

    play(new_database, story, stores=2)


def test_a_server_with_thousands_of_connections_hears_of_orders(new_database):
    """Descriptors above 1023 are heard too."""
    many = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:

        async def story(first: SqlStore, second: SqlStore) -> None:
            told, loop = asyncio.Event(), asyncio.get_running_loop()
            end = first.listen(lambda: loop.call_soon_threadsafe(told.set))
            try:
                await asyncio.wait_for(told.wait(), 20)
                for _ in range(3):
                    told.clear()
                    await second.write(lambda tx: tx.leases.order(b"1"))
                    await asyncio.wait_for(told.wait(), 20)
            finally:
                await asyncio.to_thread(end)

        play(new_database, story, stores=2)
    finally:
        for descriptor in many:
            os.close(descriptor)
