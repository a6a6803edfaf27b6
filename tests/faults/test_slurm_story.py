"""Everything dies under a job of 200 tasks on a Slurm cluster: each completes once, and requeues are counted true."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from azure.batch import models
from azure.core.exceptions import AzureError
from tests.faults.test_server_killed import completed
from tests.support import postgres
from tests.support.batch import batch_client, make_pool
from tests.support.left_out import leave_out
from tests.support.server import RunningServer, another_server
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server

TASKS = 200
PATIENCE = 240.0
KNOBS = {"SlurmdTimeout": 5, "SlurmctldTimeout": 10}
NOTED = 'echo "{} $AZ_BATCH_TASK_ID" >> {notes}/$AZ_BATCH_TASK_ID'


def _task(number: int, notes: Path) -> models.BatchTaskCreateOptions:
    """A task that notes when it begins and ends, and whether another run of it goes on, by a lock that dies with it."""
    begins, ends, twice = (NOTED.format(word, notes=notes) for word in ("begins", "ends", "TWICE"))
    line = f"exec 9>>{notes}/lock-{number}; flock -n 9 || {twice}; {begins}; sleep 0.4; {ends}; exit {number % 5}"
    return models.BatchTaskCreateOptions(id=str(number), command_line=f"/bin/sh -c '{line}'")


def _add_all(servers: Sequence[RunningServer], notes: Path, over: threading.Event) -> None:
    """Add all tasks in small collections, again and again until each collection was acknowledged."""
    for first in range(0, TASKS, 20):
        tasks = [_task(number, notes) for number in range(first, first + 20)]
        for turn in range(1_000_000):
            if over.is_set():
                return
            try:
                with batch_client(servers[turn % len(servers)], retries=0) as client:
                    client.create_task_collection("job", models.BatchTaskGroup(task_values=tasks))
            except (AzureError, OSError):
                over.wait(0.05)  # that server is being started again
                continue
            break


def _notes(cluster: SlurmCluster) -> Path:
    return cluster.home()


def _story(servers: Sequence[RunningServer], cluster: SlurmCluster, blows: Sequence[Callable[[], None]]) -> None:
    """Run the job while the blows fall, at even distances, and see what became of each task."""
    notes, over = _notes(cluster), threading.Event()
    with batch_client(servers[0]) as client:
        make_pool(client, "pool", nodes=4, slots=6)
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
    adding = threading.Thread(target=_add_all, args=(servers, notes, over), daemon=True)
    adding.start()
    try:
        for turn, blow in enumerate(blows, start=1):
            _wait_until(servers, TASKS * turn // (len(blows) + 2))
            blow()
        _wait_until(servers, TASKS)
    finally:
        over.set()
        adding.join(30)
    _check(servers[0], notes)
    _nothing_left(servers[0], cluster)


def _wait_until(servers: Sequence[RunningServer], number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (now := max(_completed(server) for server in servers)) < number:
        assert time.monotonic() < deadline, f"{now} of {number}\n{servers[0].log[-6000:]}"
        time.sleep(0.1)


def _completed(server: RunningServer) -> int:
    try:
        return completed(server)
    except (AzureError, OSError):
        return -1


def _check(server: RunningServer, notes: Path) -> None:
    """Each task has its true exit code; whatever began once more was taken back before, and is counted so.

    Not each that was taken back had begun: some waited for a machine that died, or were killed as they were about to.
    """
    with batch_client(server) as client:
        tasks = {int(task.id): task for task in client.list_tasks("job")}
        counts = client.get_job_task_counts("job").task_counts
    assert set(tasks) == set(range(TASKS))
    assert (counts.completed, counts.succeeded) == (TASKS, TASKS // 5)
    told = {
        number: Counter(line.split()[0] for line in (notes / str(number)).read_text().splitlines()) for number in tasks
    }
    assert not [number for number, words in told.items() if words["TWICE"]]
    for number, task in tasks.items():
        info, words = task.execution_info, told[number]
        assert info.exit_code == number % 5, (number, info, words)
        assert 1 <= words["begins"] <= 1 + info.requeue_count, (number, info.requeue_count, words)
        assert 1 <= words["ends"] <= words["begins"], (number, words)


def _nothing_left(server: RunningServer, cluster: SlurmCluster) -> None:
    """Neither Slurm's queue nor the spool has anything of the runs any more."""
    eventually(lambda: not cluster.run("squeue", "-h").strip(), 60, "jobs stay in the queue")
    spool = next((server.data / "slurm").glob("[0-9]*"))
    left = [*spool.glob("state/*/*"), *spool.glob("bunches/*/*")]
    eventually(lambda: not [path for path in left if path.exists()], 30, "the spool is not empty")


@pytest.mark.timeout(420)
def test_server_controller_and_node_killed_completes_every_task_once(slurm_cluster):
    """SIGKILL for the server three times, for slurmctld twice, and for one machine with all that runs on it."""
    cluster = slurm_cluster(4, 6, **KNOBS)
    with slurm_server(cluster, slurm_drain=True) as server:

        def kill_server() -> None:
            server.kill9()
            server.restart()

        def kill_controller() -> None:
            cluster.kill_controller()
            cluster.start_controller()

        def kill_machine() -> None:
            cluster.kill_node("n2", hard=True)
            cluster.wait_node("n2", "down", "down*")
            cluster.start_node("n2")

        blows = [kill_server, kill_controller, kill_server, kill_machine, kill_controller, kill_server]
        _story([server], cluster, blows)


@pytest.mark.timeout(420)
def test_two_servers_and_postgresql_killed_completes_every_task_once(slurm_cluster):
    """The scheduling one of two servers on one PostgreSQL is killed, PostgreSQL loses its power, a machine dies."""
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    cluster = slurm_cluster(4, 6, **KNOBS)
    with (
        postgres.running_postgres(durable=True) as database,
        slurm_server(cluster, slurm_drain=True, store_url=database.url(database.new_database())) as first,
        another_server(first) as second,
    ):

        def kill_scheduling() -> None:
            leader, other = (first, second) if "this server schedules" in first.log else (second, first)
            leader.kill9()
            eventually(lambda: "this server schedules" in other.log, 60, "nobody takes over")
            leader.start()

        def restart_postgres() -> None:
            database.stop(signal.SIGQUIT)
            database.start()

        def kill_machine() -> None:
            cluster.kill_node("n3", hard=True)
            cluster.wait_node("n3", "down", "down*")
            cluster.start_node("n3")

        _story([first, second], cluster, [restart_postgres, kill_scheduling, kill_machine, restart_postgres])
