"""Ends that are asked for, or come by themselves, while the server and slurmctld are killed in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from azure.batch import models
from azure.core.exceptions import ResourceNotFoundError
from tests.support.server import RunningServer
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server
from tests.support.slurm_story import Story


@pytest.fixture
def story(slurm_cluster: Callable[..., SlurmCluster]) -> Iterator[Story]:
    """Two machines with six slots, so that of eight tasks two wait."""
    cluster = slurm_cluster(2, 3, MessageTimeout=3)
    with slurm_server(cluster) as server:
        yield Story(cluster, server, slots=3)


def _add(story: Story, name: str, then: str, **facts: object) -> None:
    line = f"/bin/sh -c 'echo $SLURM_JOB_ID >> {story.notes}/{name}; {then}'"
    with story.client() as client:
        client.create_task("job", models.BatchTaskCreateOptions(id=name, command_line=line, **facts))


def _begun(story: Story) -> dict[str, list[str]]:
    return {file.name: file.read_text().split() for file in story.notes.iterdir()}


def _goes_on(story: Story, name: str) -> bool:
    return any(f"{story.notes}/{name};" in line for line in story.processes())


def _killed(server: RunningServer) -> None:
    server.kill9()
    server.start()


def _gone(story: Story, job: str, *names: str) -> bool:
    with story.client(retries=0) as client:
        left = {str(task.id) for task in client.list_tasks(job)}
    return not left & {*names}


@pytest.mark.slow
def test_ends_that_were_asked_for_are_kept_through_kills(story: Story) -> None:
    """Terminated tasks are that, deleted ones and their folders gone; others go on, begun once; then the job goes."""
    server, cluster = story.servers[0], story.cluster
    names = [f"t{number}" for number in range(8)]
    for name in names:
        _add(story, name, "while :; do sleep 0.2; done")
    story.wait(lambda: len(_begun(story)) == 6, "six tasks do not run")
    waiting = sorted({*names} - _begun(story).keys())
    running = sorted(_begun(story))
    cluster.wait_saved(int(_begun(story)[running[0]][0]))  # else the crash undoes starts, and ends those that go on
    terminated, deleted = [*running[:2], waiting[0]], [*running[2:4], waiting[1]]
    for first, kill in ((0, lambda: _killed(server)), (1, story.kill_controller), (2, lambda: _killed(server))):
        with story.client() as client:
            client.terminate_task("job", terminated[first])
            client.delete_task("job", deleted[first])
        kill()

    def over() -> bool:
        with story.client(retries=0) as client:
            return all(client.get_task("job", name).state == "completed" for name in terminated)

    story.wait(over, "terminated tasks do not end")
    story.wait(lambda: _gone(story, "job", *deleted), "deleted tasks stay")
    eventually(lambda: not any(_goes_on(story, name) for name in terminated + deleted), 40, "ended tasks run on")
    with story.client() as client:
        infos = {name: client.get_task("job", name).execution_info for name in terminated}
    for name, info in infos.items():
        assert (info.result, info.failure_info.code, info.requeue_count) == ("failure", "TaskEnded", 0), name
    for name in running[4:]:
        assert _goes_on(story, name)
    assert all(len(begins) == 1 for begins in _begun(story).values()), _begun(story)
    folders = lambda: {folder.name for folder in (server.data / "nodes").glob("*/*/*/workitems/job/*/*")}  # noqa: E731
    eventually(lambda: not folders() & {*deleted}, 30, "folders of deleted tasks stay")

    with story.client() as client:
        client.begin_delete_job("job", polling_interval=60)
    _killed(server)
    story.kill_controller()

    def no_job() -> bool:
        with story.client(retries=0) as client:
            try:
                client.get_job("job")
            except ResourceNotFoundError:
                return True
        return False

    story.wait(no_job, "the job stays")
    story.nothing_stays()
    eventually(lambda: not folders(), 30, "folders of the job stay")
    assert all(len(begins) == 1 for begins in _begun(story).values()), _begun(story)
    assert cluster.run("squeue", "-h") == ""


@pytest.mark.slow
def test_ends_that_come_while_the_server_is_down(story: Story) -> None:
    """An exit of its own, and a time limit: each is told as what it was, and when; nothing begins again."""
    server = story.servers[0]
    wait = f"while [ ! -e {story.notes}/../go ]; do sleep 0.1; done"
    go = story.notes.parent / "go"
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=8))
    _add(story, "exits", f"{wait}; exit 3")
    _add(story, "goes-well", wait)
    _add(story, "overdue", "exec sleep 600", constraints=limit)
    story.wait(lambda: len(_begun(story)) == 3, "the tasks do not run")
    server.kill9()
    go.touch()
    ended = lambda: len([path for path in story.spool() if path.parent.name == "ended"])  # noqa: E731
    eventually(lambda: ended() == 3, 30, "the tasks do not end by themselves")
    eventually(lambda: not story.cluster.run("squeue", "-h").strip(), 30, "jobs stay")
    server.start()
    infos = {}

    def told() -> bool:
        with story.client(retries=0) as client:
            tasks = {str(task.id): task for task in client.list_tasks("job")}
        infos.update({name: task.execution_info for name, task in tasks.items()})
        return all(task.state == "completed" for task in tasks.values())

    story.wait(told, "the ends are not told")
    codes = {name: (info.exit_code, info.result, info.requeue_count) for name, info in infos.items()}
    assert codes == {"exits": (3, "failure", 0), "goes-well": (0, "success", 0), "overdue": (143, "failure", 0)}
    assert infos["exits"].failure_info.code == "FailureExitCode"
    assert infos["overdue"].failure_info.code == "TaskEnded"
    for info in infos.values():
        assert info.end_time - info.start_time < timedelta(seconds=30)
    assert all(len(begins) == 1 for begins in _begun(story).values()), _begun(story)
    story.nothing_stays()
