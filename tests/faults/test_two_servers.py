"""Two servers on one PostgreSQL: both answer, one schedules; killed again and again, no task is lost or runs twice."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.batch import BatchClient, models
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError
from azure.storage.fileshare import ShareClient
from tests.faults.test_server_killed import add_all, check, wait_until
from tests.support import postgres
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.left_out import leave_out
from tests.support.server import another_server, linarite, running_server

from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

TASKS = 200


@pytest.fixture
def pair():
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    with (
        postgres.running_postgres(durable=True) as database,
        running_server(store_url=database.url(database.new_database())) as first,
        another_server(first) as second,
    ):
        yield first, second


def _epoch(server) -> int:
    """The last epoch in which a server scheduled, 0 for never."""
    return max((int(epoch) for epoch in re.findall(r"this server schedules.*?epoch=(\d+)", server.log)), default=0)


def _task(id: str, line: str) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=id, command_line=f"/bin/sh -c '{line}'")


def _share(server, account: str) -> ShareClient:
    credential = {"account_name": account, "account_key": DEVELOPMENT_KEY}
    return ShareClient(f"{server.urls['files']}/{account}", "share", credential=credential)


@pytest.mark.timeout(120)
def test_both_servers_answer_every_face(pair):
    """A job made at one server is run by whichever schedules, and ended, read and listed at the other."""
    first, second = pair
    assert (_epoch(first), _epoch(second)) == (1, 0)
    account = "madebysecond"
    with batch_client(first, account) as one, batch_client(second, account) as two:
        make_pool(two, "pool", slots=2)
        two.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        two.create_task("job", _task("a", "echo told; exit 4"))
        assert wait_task(two, "job", "a").execution_info.exit_code == 4
        assert b"".join(two.download_task_file("job", "a", "stdout.txt")) == b"told\n"
        assert b"".join(one.download_task_file("job", "a", "stdout.txt")) == b"told\n"
        two.create_task("job", _task("b", "sleep 600"))
        wait_task(one, "job", "b", "running")
        two.terminate_task("job", "b")
        assert wait_task(one, "job", "b").execution_info.failure_info.code == "TaskEnded"
        two.begin_delete_pool("pool")
    with _share(first, account) as one, _share(second, account) as two:
        two.create_share()
        two.get_file_client("x").upload_file(b"content")
        assert one.get_file_client("x").download_file().readall() == b"content"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["job", "pool"])
def test_a_tag_holds_among_the_clients_of_both_servers(pair, kind):
    """Read a number in the metadata, add, write if it is still the same: the server that does not schedule as well."""
    clients, times = 4, 10
    with batch_client(pair[0]) as client:
        make_pool(client, "pool", nodes=0)
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))

    def add(number: int) -> None:
        with batch_client(pair[number % 2]) as client:
            done = 0
            while done < times:
                done += _counted(client, kind)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(add, range(clients)))
    with batch_client(pair[1]) as client:
        assert _number(getattr(client, f"get_{kind}")(kind)) == clients * times


def _number(record: models.BatchJob | models.BatchPool) -> int:
    return int(record.metadata[0].value) if record.metadata else 0


def _counted(client: BatchClient, kind: str) -> bool:
    found = getattr(client, f"get_{kind}")(kind)
    options = {"job": models.BatchJobUpdateOptions, "pool": models.BatchPoolUpdateOptions}[kind]
    change = options(metadata=[models.BatchMetadataItem(name="n", value=str(_number(found) + 1))])
    try:
        getattr(client, f"update_{kind}")(kind, change, etag=found.etag, match_condition=MatchConditions.IfNotModified)
    except ResourceModifiedError:
        return False
    return True


@pytest.mark.timeout(400)
def test_scheduling_server_killed_completes_every_task_once(pair):
    """Whoever schedules is killed with SIGKILL in the middle, three times, and comes back to stand by."""
    servers = list(pair)
    with batch_client(servers[0]) as client:
        make_pool(client, "pool", nodes=2, slots=4)
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
    added: set[int] = set()
    over = threading.Event()
    adding = threading.Thread(target=add_all, args=(servers[1], TASKS, added, over), daemon=True)
    adding.start()
    try:
        for turn in range(3):
            leader, other = sorted(servers, key=_epoch, reverse=True)
            wait_until(other, TASKS * turn // 4 + 10)
            leader.kill9()
            _wait_until_epoch(other, turn + 2)
            leader.start()
        wait_until(servers[0], TASKS)
    finally:
        over.set()
        adding.join(30)
    assert added == set(range(TASKS))
    for server in servers:
        check(server, TASKS)


def _wait_until_epoch(server, epoch: int) -> None:
    deadline = time.monotonic() + 60
    while _epoch(server) < epoch:
        assert time.monotonic() < deadline, server.log[-4000:]
        time.sleep(0.02)


def test_server_with_another_data_folder_is_refused(pair):
    """The files of tasks and shares would not be there."""
    first, _ = pair
    url = first._options["store_url"]
    done = linarite("serve", "--data", str(first.home / "other"), "--batch-port", "0", "--store-url", url)
    assert done.returncode == 1
    assert "another data folder" in done.stderr
    assert DEVELOPMENT_ACCOUNT not in done.stderr
