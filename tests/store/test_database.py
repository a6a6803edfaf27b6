"""The SQLite file: durable, private, of a known version."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from tests.contract.records import job

from linarite.engine.errors import Unavailable
from linarite.refusal import Refused
from linarite.store import migrations, open_store
from linarite.store.database import location, writing
from linarite.store.schema import metadata


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def open_and_close(path: Path) -> None:
    async def story():
        await open_store(path).close()

    asyncio.run(story())


def test_open_makes_files_that_only_their_owner_reads(path):
    """The store holds the accounts' keys."""

    async def story():
        store = open_store(path)
        await store.write(lambda tx: tx.jobs.insert(job("a")))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        await store.close()
        return modes

    assert asyncio.run(story()) == dict.fromkeys(["store.db", "store.db-wal", "store.db-shm"], 0o600)


def test_close_leaves_one_file(path):
    """A store that was closed has everything in its one file."""
    open_and_close(path)
    assert [each.name for each in path.parent.iterdir()] == ["store.db"]


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2)])
def test_open_writes_durably(path, pragma, value):
    """Every commit is flushed to disk before it is answered."""

    async def story():
        store = open_store(path)
        found = await store.write(lambda tx: tx.jobs._connection.exec_driver_sql(f"PRAGMA {pragma}").scalar())
        await store.close()
        return found

    assert asyncio.run(story()) == value


def test_write_to_a_store_that_another_holds_is_unavailable(path):
    """A database that does not let itself be written is not an error of the caller."""

    async def story():
        store = open_store(path)
        await store.write(lambda tx: tx.jobs._connection.exec_driver_sql("PRAGMA busy_timeout=0"))
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            await store.write(lambda tx: tx.jobs.insert(job("a")))
        other.close()
        await store.write(lambda tx: tx.jobs.insert(job("a")))
        await store.close()

    asyncio.run(story())


def test_migrations_know_the_current_version():
    """The version that a new database is marked with is the last one that there is."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.CURRENT]


def test_open_makes_the_tables_that_the_code_names(path):
    """A new database has no table, column or index too many or too few."""
    open_and_close(path)
    engine = writing(location(path))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [(migrations.CURRENT,)]
    engine.dispose()


def test_open_refuses_a_store_of_a_later_version(path):
    """A server does not touch a store that a newer one has changed."""
    open_and_close(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refused):
        open_store(path)


@pytest.mark.parametrize("where", ["nothing://u:secret@host/db", "sqlite:////nonexistent/store.db", "sqlite:////tmp"])
def test_open_unusable_database(where):
    """A database that cannot be had is a sentence for whoever starts the server, without the password."""
    with pytest.raises(Refused, match=r"^The database cannot be used: (?!.*secret).*\.$"):
        open_store(where)


def test_open_file_that_is_no_database(path):
    """A file of other bytes is refused and stays as it is."""
    path.write_bytes(b"other bytes " * 500)
    with pytest.raises(Refused, match="not a database"):
        open_store(path)
    assert path.read_bytes() == b"other bytes " * 500


def test_open_of_a_current_store_does_not_load_alembic(path):
    """What most starts need not, they do not wait for."""
    open_and_close(path)
    code = (
        "import asyncio, sys; from linarite.store import open_store\n"
        "async def main(): await open_store(sys.argv[1]).close()\n"
        "asyncio.run(main()); print('alembic' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert answer.stdout == "False\n"
