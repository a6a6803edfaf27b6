"""`linarite migrate`: the store of one machine, moved to where several servers can share it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from azure.batch import models
from azure.storage.fileshare import ShareClient
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.server import data_home, linarite, running_server

from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

GO = "$AZ_BATCH_NODE_SHARED_DIR/go"


def _task(id: str, line: str) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=id, command_line=f"/bin/sh -c '{line}'")


def _share(server) -> ShareClient:
    credential = {"account_name": DEVELOPMENT_ACCOUNT, "account_key": DEVELOPMENT_KEY}
    return ShareClient(f"{server.files}/{DEVELOPMENT_ACCOUNT}", "share", credential=credential)


def _work(server) -> None:
    """A bit of everything, with a task that runs on while the server is moved."""
    with batch_client(server) as client:
        make_pool(client, "pool", slots=4)
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        for id, line in (("done", "echo told; exit 3"), ("waits", f"while [ ! -e {GO} ]; do sleep 0.1; done")):
            client.create_task("job", _task(id, line))
        wait_task(client, "job", "done")
        wait_task(client, "job", "waits", "running")
    with _share(server) as share:
        share.create_share(metadata={"what": "results"})
        share.get_file_client("a.txt").upload_file(b"content")


def test_migrate_moves_everything_while_tasks_run_on(new_database):
    """The same server, started on PostgreSQL, tells the same and goes on where it was."""
    with running_server() as server:
        _work(server)
        before = _told(server)
        server.terminate()
        moved = json.loads(server.command("migrate", "--to", new_database, "--json").stdout)
        assert {row["table"]: row["records"] for row in moved} == _counts(server.data)
        (server.data / "server" / "linarite.db").rename(server.data / "server" / "before.db")
        server.start(store_url=new_database)
        assert _told(server) == before
        with batch_client(server) as client:
            client.create_task("job", _task("last", f"touch {GO}"))
            for task, code in (("last", 0), ("waits", 0)):
                assert wait_task(client, "job", task).execution_info.exit_code == code
                assert client.get_task("job", task).execution_info.requeue_count == 0


def _told(server) -> list[object]:
    """What clients see."""
    with batch_client(server) as client, _share(server) as share:
        return [
            client.get_job("job").as_dict(),
            [task.as_dict() for task in client.list_tasks("job")],
            client.get_pool("pool").as_dict(),
            b"".join(client.download_task_file("job", "done", "stdout.txt")),
            share.get_share_properties().metadata,
            share.get_file_client("a.txt").get_file_properties().etag,
        ]


def _counts(data: Path) -> dict[str, int]:
    with sqlite3.connect(data / "server" / "linarite.db") as store:
        names = [name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        counts = {name: store.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
    return {name: count for name, count in counts.items() if name != "alembic_version" and "sqlite" not in name}


def test_migrate_into_a_database_with_records_changes_nothing(new_database):
    """A store that is in use is not mixed with another."""
    with data_home() as home:
        for _ in range(2):
            done = linarite("accounts", "list", "--data", str(home / "data"))
            assert done.returncode == 0
        first = linarite("migrate", "--to", new_database, "--data", str(home / "data"))
        assert first.returncode == 0, first.stderr
        again = linarite("migrate", "--to", new_database, "--data", str(home / "data"))
        assert (again.returncode, again.stdout) == (1, "")
        assert (
            again.stderr == "linarite: The database that is to take the records has some already: it must be empty.\n"
        )


def test_migrate_beside_a_server_is_refused(new_database):
    """A store that somebody changes meanwhile cannot be moved whole."""
    with running_server() as server:
        done = server.command("migrate", "--to", new_database)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Another linarite server" in done.stderr


def test_migrate_without_a_store_is_refused(new_database):
    """A mistyped folder is told, not moved as an empty store."""
    with data_home() as home:
        done = linarite("migrate", "--to", new_database, "--data", str(home / "data"))
        assert (done.returncode, done.stdout) == (1, "")
        assert "There is no store to move" in done.stderr


def test_migrate_to_a_database_that_is_away_keeps_its_password_to_itself():
    """What cannot be reached is told in one line, without the secret of its address."""
    with data_home() as home:
        assert linarite("accounts", "list", "--data", str(home / "data")).returncode == 0
        url = "postgresql+psycopg://linarite:topsecret@127.0.0.1:1/none"
        done = linarite("migrate", "--to", url, "--data", str(home / "data"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("linarite: The store cannot be moved: ")
        assert "topsecret" not in done.stderr
