"""Slurm takes machines away from tasks: they come back as those of a preempted node of the service, not for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product

import pytest
from azure.batch import models
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server
from tests.support.slurm_story import Story

from linarite.engine.failures import MOST_LOSSES

SECONDS = 2.0
"""For so long signals come that end nothing; one that the server sends is heeded in a tenth of that."""


@pytest.fixture
def story(slurm: SlurmCluster) -> Iterator[Story]:
    with slurm_server(slurm) as server:
        yield Story(slurm, server, slots=1)


def _cancel(story: Story, name: str, known: set[str]) -> None:
    """Cancel what runs of a task, once that has begun anew."""
    notes = story.notes / name
    runs = lambda: {*notes.read_text().split()} - known if notes.exists() else set[str]()  # noqa: E731
    eventually(runs, 30, f"task {name} does not run")
    (job,) = runs()
    story.cluster.run("scancel", job)
    known.add(job)


def _add(story: Story, name: str, then: str, retries: int = 0) -> None:
    line = f"/bin/sh -c 'echo $SLURM_JOB_ID >> {story.notes}/{name}; {then}'"
    limits = models.BatchTaskConstraints(max_task_retry_count=retries)
    with story.client() as client:
        client.create_task("job", models.BatchTaskCreateOptions(id=name, command_line=line, constraints=limits))


def _completed(story: Story, name: str) -> models.BatchTaskExecutionInfo:
    with story.client() as client:
        story.wait(lambda: client.get_task("job", name).state == "completed", f"task {name} is not completed", 40)
        info = client.get_task("job", name).execution_info
    assert info is not None
    return info


def test_task_whose_job_is_cancelled_is_queued_again(story: Story) -> None:
    """With or without retries of its own, which that is none of; whether it heeds SIGTERM or not."""
    for name, then in {"heeds": "exec sleep 600", "ignores": 'trap "" TERM; while :; do sleep 0.1; done'}.items():
        _add(story, name, f"[ $(wc -l <{story.notes}/{name}) = 3 ] && exit 6; {then}")
    for name in ("heeds", "ignores"):
        cancelled = set[str]()
        for _ in range(2):
            _cancel(story, name, cancelled)
        info = _completed(story, name)
        assert (info.exit_code, info.requeue_count, info.retry_count) == (6, 2, 0)
        assert info.last_requeue_time is not None
        assert {*(story.notes / name).read_text().split()} > cancelled


def test_task_of_several_machines_whose_job_is_cancelled_is_queued_again(story: Story) -> None:
    """Its instances, and its own command line, are one job."""
    name = "several"
    line = (
        f"/bin/sh -c 'echo $SLURM_JOB_ID >> {story.notes}/{name}; [ $(wc -l <{story.notes}/{name}) = 2 ] || sleep 600'"
    )
    several = models.MultiInstanceSettings(number_of_instances=2, coordination_command_line="/bin/sh -c true")
    with story.client() as client:
        client.create_task(
            "job", models.BatchTaskCreateOptions(id=name, command_line=line, multi_instance_settings=several)
        )
    _cancel(story, name, set())
    info = _completed(story, name)
    assert (info.exit_code, info.requeue_count, info.retry_count) == (0, 1, 0)
    story.wait(lambda: not story.spool(), "files stay in the spool", 30)


@pytest.mark.parametrize("machines", [1, 2])
def test_signals_of_an_administrator_end_no_task(story: Story, machines: int) -> None:
    """To the script of a job, to its steps, to both, for seconds; the server's own are heeded afterwards as before."""
    several = models.MultiInstanceSettings(number_of_instances=machines, coordination_command_line="/bin/sh -c true")
    for name in ("exits", "ended"):
        notes, told, go = (story.notes / f"{name}{what}" for what in ("", "-told", "-go"))
        script = f"until [ -e {go} ]; do sleep 0.1; done; exit 6"
        line = f"/bin/sh -c 'trap \"touch {told}; exit 7\" TERM; echo $SLURM_JOB_ID > {notes}; {script}'"
        settings = several if machines > 1 else None
        with story.client() as client:
            client.create_task(
                "job", models.BatchTaskCreateOptions(id=name, command_line=line, multi_instance_settings=settings)
            )
        eventually(lambda notes=notes: notes.exists() and notes.read_text(), 40, "the task does not run")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for signal, whom in product(("USR1", "USR2"), (["--batch"], [], ["--full"])):
                story.cluster.run("scancel", f"--signal={signal}", *whom, notes.read_text().strip())
            assert not told.exists()
        with story.client() as client:
            assert client.get_task("job", name).state == "running"
            if name == "ended":
                client.terminate_task("job", name)
            else:
                go.touch()
        info = _completed(story, name)
        assert (info.failure_info and info.failure_info.code, info.exit_code, info.requeue_count) == {
            "exits": ("FailureExitCode", 6, 0), "ended": ("TaskEnded", 7, 0),
        }[name]  # fmt: skip
    eventually(lambda: not any(str(story.notes) in line for line in story.processes()), 30, "ended tasks run on")
    story.wait(lambda: not story.spool(), "files stay in the spool", 30)


@pytest.mark.slow
def test_administrator_who_cancels_again_and_again_is_understood(story: Story) -> None:
    """The task fails as one that the service itself could not bring to an end; it does not run any more."""
    _add(story, "unloved", "exec sleep 600", retries=5)
    cancelled = set[str]()
    for _ in range(MOST_LOSSES):
        _cancel(story, "unloved", cancelled)
    info = _completed(story, "unloved")
    assert info.failure_info is not None
    assert (info.result, info.failure_info.code) == ("failure", "MaxInternalRetryCountReached")
    assert (info.requeue_count, info.retry_count, info.exit_code) == (MOST_LOSSES - 1, 0, None)
    assert {*(story.notes / "unloved").read_text().split()} == cancelled
    story.wait(lambda: not story.spool(), "files stay in the spool", 30)
