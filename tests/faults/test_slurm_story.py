"""Everything dies under a job of 200 tasks on a Slurm cluster: each completes once, and requeues are counted true."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from tests.support import postgres
from tests.support.claims import watched_claims
from tests.support.left_out import leave_out
from tests.support.postgres import Postgres
from tests.support.server import RunningServer, another_server
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server
from tests.support.slurm_story import QUICK, Story

TASKS = 200


@pytest.fixture
def cluster(slurm_cluster: Callable[..., SlurmCluster]) -> SlurmCluster:
    """Four machines of four processors, of which a dead one is soon known."""
    return slurm_cluster(4, 4, **QUICK)


@contextmanager
def _pair(cluster: SlurmCluster) -> Iterator[tuple[RunningServer, RunningServer, Postgres]]:
    """Two servers on one PostgreSQL and one cluster; the first one schedules."""
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    with (
        postgres.running_postgres(durable=True) as database,
        slurm_server(cluster, slurm_drain=True, store_url=database.url(database.new_database())) as first,
        another_server(first) as second,
    ):
        yield first, second, database


def _epoch(server: RunningServer) -> int:
    """The last epoch in which a server scheduled, 0 for never."""
    return max((int(epoch) for epoch in re.findall(r"this server schedules.*?epoch=(\d+)", server.log)), default=0)


def _taken_over(other: RunningServer, leader: RunningServer) -> None:
    eventually(lambda: _epoch(other) > _epoch(leader), 60, "nobody takes over")


def _tell(story: Story, server: RunningServer, faults: Sequence[Callable[[], None]]) -> None:
    """Add the tasks at that server; a fault whenever some more are completed."""
    with watched_claims(server.data) as claims, story.adding(TASKS, server) as added:
        for turn, fault in enumerate(faults):
            story.completed(15 + 160 * turn // len(faults), server)
            fault()
        story.completed(TASKS, server)
        assert added == {*range(TASKS)}
        story.check(TASKS)
        story.nothing_stays()
    story.check_claims(claims)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_server_controller_and_machine_killed_completes_every_task_once(cluster: SlurmCluster) -> None:
    """SIGKILL for the server three times, for slurmctld twice, and for one machine with all that runs on it."""
    with slurm_server(cluster, slurm_drain=True) as server:
        story = Story(cluster, server)
        taken = set[int]()

        def kill_server() -> None:
            server.kill9()
            server.start()

        def kill_machine() -> None:
            taken.update(story.kill_machine("n3"))

        kill_controller = story.kill_controller
        faults = [kill_server, kill_controller, kill_machine, kill_server, kill_controller, kill_server]
        _tell(story, server, faults)
        assert taken
        assert not {number for number, info in story.infos().items() if number in taken and not info.requeue_count}
        states = cluster.node_states()
        assert states.pop("n3") in {"down", "down*"}
        assert {*states.values()} == {"idle"}, "a machine that was drained by slurmctld's crash was not resumed"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_scheduling_server_and_postgresql_killed_completes_every_task_once(cluster: SlurmCluster) -> None:
    """Whoever of two servers schedules dies and comes back to stand by; PostgreSQL loses its power; a machine dies."""
    with _pair(cluster) as (first, second, database):
        story = Story(cluster, first, second)

        def kill_scheduling() -> None:
            leader, other = sorted((first, second), key=_epoch, reverse=True)
            leader.kill9()
            _taken_over(other, leader)
            leader.start()

        def restart_postgresql() -> None:
            database.stop(signal.SIGKILL)
            database.start()

        def kill_machine() -> None:
            story.kill_machine("n3")

        faults = [kill_scheduling, restart_postgresql, kill_machine, kill_scheduling, restart_postgresql]
        _tell(story, second, faults)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_scheduling_server_that_freezes_is_superseded_and_does_nothing_more(
    slurm_cluster: Callable[..., SlurmCluster],
) -> None:
    """It neither renews its lease nor ends: another one takes over, and who wakes up commits and submits nothing."""
    cluster = slurm_cluster(4, 4)
    with _pair(cluster) as (first, second, _):
        story = Story(cluster, first, second)

        def freeze() -> None:
            first.process.send_signal(signal.SIGSTOP)
            _taken_over(second, first)

        def wake() -> None:
            first.process.send_signal(signal.SIGCONT)
            eventually(lambda: "another server schedules from now on" in first.log, 60, "it does not step down")

        try:
            _tell(story, second, [freeze, wake])
        finally:
            first.process.send_signal(signal.SIGCONT)
        assert not story.lost(), "nothing that runs tasks has died"
