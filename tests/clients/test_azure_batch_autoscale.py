"""The real azure-batch client on a pool that finds its own size, while real tasks come and go."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from tests.support.batch import MACHINE, batch_client, wait_task
from tests.support.provider import Provider
from tests.support.server import RunningServer

PENDING = "$TargetDedicatedNodes = min(2, $PendingTasks); $NodeDeallocationOption = taskcompletion;"


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def create(client: BatchClient, formula: str, name: str = "p", **options: Any) -> None:
    client.create_pool(
        models.BatchPoolCreateOptions(
            id=name, vm_size="standard_d2_v3", virtual_machine_configuration=MACHINE, enable_auto_scale=True,
            auto_scale_formula=formula, **options,
        )
    )  # fmt: skip


def steady(client: BatchClient, nodes: int, name: str = "p") -> Any:
    """The pool once it has so many nodes and rests."""
    deadline = time.monotonic() + 30
    while True:
        pool = client.get_pool(name)
        if pool.allocation_state == "steady" and pool.current_dedicated_nodes == nodes:
            return pool
        assert time.monotonic() < deadline, f"the pool has {pool.current_dedicated_nodes} nodes"
        time.sleep(0.02)


def enable(client: BatchClient, **options: Any) -> None:
    client.enable_pool_auto_scale("p", models.BatchPoolEnableAutoScaleOptions(**options))


def evaluate(client: BatchClient, formula: str) -> models.AutoScaleRun:
    options = models.BatchPoolEvaluateAutoScaleOptions(auto_scale_formula=formula)
    return client.evaluate_pool_auto_scale("p", options)


def enabled_as_soon_as_allowed(client: BatchClient, **options: Any) -> None:
    """Asked again and again until half a minute has gone by since the last time."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return enable(client, **options)
        except HttpResponseError as error:
            if error.status_code != 503 or "TooManyEnableAutoScaleRequests" not in str(error):
                raise
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_pool_grows_with_its_tasks_and_shrinks_when_they_are_done(client: BatchClient):
    """No node, four tasks, two nodes that run them, no node: each by an evaluation of the real server's clock."""
    create(client, PENDING)
    assert steady(client, 0).auto_scale_run.error is None
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))
    client.create_tasks("j", [models.BatchTaskCreateOptions(id=f"t{n}", command_line="/bin/true") for n in range(4)])
    assert evaluate(client, PENDING).results.startswith("$TargetDedicatedNodes=2;")
    assert client.get_pool("p").target_dedicated_nodes == 0

    enable(client, auto_scale_evaluation_interval=timedelta(minutes=5))
    pool = steady(client, 2)
    assert pool.auto_scale_evaluation_interval == timedelta(minutes=5)
    assert pool.auto_scale_run.results == (
        "$TargetDedicatedNodes=2;$TargetLowPriorityNodes=0;$NodeDeallocationOption=taskcompletion"
    )
    for number in range(4):
        assert wait_task(client, "j", f"t{number}").execution_info.exit_code == 0

    enabled_as_soon_as_allowed(client, auto_scale_formula=PENDING)
    assert steady(client, 0).target_dedicated_nodes == 0
    assert list(client.list_nodes("p")) == []
    seen = evaluate(client, "a=$SucceededTasks;b=len($PendingTasks.GetSample(9));c=max($PendingTasks.GetSample(9))>=0;")
    assert seen.results.partition("a=")[2].startswith("4;b=")
    assert int(seen.results.partition("b=")[2].partition(";")[0]) >= 2, "a sample was taken meanwhile"


def test_formula_sees_what_the_nodes_tasks_use(client: BatchClient):
    """A real task that keeps a processor busy, seen by the first sample after autoscale was enabled."""
    create(client, "$TargetDedicatedNodes=1")
    steady(client, 1)
    client.disable_pool_auto_scale("p")
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))
    line = "/bin/sh -c 'dd if=/dev/zero of=some bs=1M count=4 conv=fsync; touch ready; while true; do :; done'"
    client.create_task("j", models.BatchTaskCreateOptions(id="t", command_line=line))
    deadline = time.monotonic() + 60
    while not any(file.name.endswith("ready") for file in files_of(client)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    enabled_as_soon_as_allowed(client, auto_scale_formula="$TargetDedicatedNodes=1")
    formula = (
        "n=$CPUPercent.Count();a=max($CPUPercent.GetSample(9))>0.01;b=max($MemoryBytes.GetSample(9))>0.1;"
        "c=max($DiskBytes.GetSample(9))>0;d=len($DiskWriteBytes.GetSample(9));e=$NetworkInBytes.GetSamplePercent(TimeInterval_Minute)"
    )
    while (seen := evaluate(client, formula).results or "").endswith("n=0"):
        assert time.monotonic() < deadline + 60
        time.sleep(0.05)
    assert "a=1;b=1;c=1;d=1;e=0;" in seen
    client.terminate_task("j", "t")


def test_formula_counts_the_instances_of_a_task_that_waits(client: BatchClient):
    """The pool's nodes do not speak to each other, so that the task stays active."""
    create(client, "$TargetDedicatedNodes=0")
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))
    settings = models.MultiInstanceSettings(number_of_instances=3, coordination_command_line="x")
    client.create_task("j", models.BatchTaskCreateOptions(id="t", command_line="x", multi_instance_settings=settings))
    client.create_task("j", models.BatchTaskCreateOptions(id="u", command_line="x"))
    assert evaluate(client, "a=$ActiveTasks;p=$PendingTasks").results.endswith(";a=4;p=4")
    assert client.get_job_task_counts("j").task_counts.active == 2


def files_of(client: BatchClient) -> list[Any]:
    """A running task's files; none while it has not started."""
    try:
        return list(client.list_task_files("j", "t", recursive=True))
    except ResourceExistsError:
        return []


def test_evaluation_of_a_bad_formula_is_no_exception(client: BatchClient):
    """The service's own test: the targets as they are, and an error to look at."""
    create(client, "$TargetDedicatedNodes=1")
    steady(client, 1)
    run = evaluate(client, "$something_useless")
    assert run.results == "$TargetDedicatedNodes=1;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    assert run.error is not None
    assert run.error.code == "AutoScalingFormulaEvaluationError"
    assert [(value.name, value.value) for value in run.error.error_values or ()] == [
        ("Message", "Line 1, Col 1: '$something_useless' is not defined.")
    ]


def test_refusals_are_the_clients_own_errors(client: BatchClient):
    with pytest.raises(HttpResponseError) as caught:
        create(client, "$TargetDedicatedNodes=")
    assert (caught.value.status_code, caught.value.error.code) == (400, "AutoScalingFormulaSyntaxError")
    with pytest.raises(HttpResponseError) as caught:
        create(client, "x=1", target_dedicated_nodes=1)
    assert (caught.value.status_code, caught.value.error.code) == (400, "InvalidAutoScalingSettings")
    assert list(client.list_pools()) == []
    create(client, "x=1")
    with pytest.raises(ResourceExistsError, match="Automatic scaling is enabled"):
        client.begin_resize_pool("p", models.BatchPoolResizeOptions(target_dedicated_nodes=1))
    client.disable_pool_auto_scale("p")
    with pytest.raises(ResourceExistsError, match="Automatic scaling is not enabled"):
        evaluate(client, "x=1")
    assert [pool.id for pool in client.list_pools(filter="enableAutoScale eq false")] == ["p"]


def test_documentations_example_runs(client: BatchClient, capsys: pytest.CaptureFixture[str]):
    """What docs/autoscale.md shows, as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "autoscale.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(example, {"client": client})
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=taskcompletion",
        "AutoScalingFormulaEvaluationError Line 1, Col 25: '$NoSuchThing' is not defined.",
    ]
    assert steady(client, 1, "elastic").enable_auto_scale is False


def test_pool_still_scales_itself_after_a_restart(provider: Provider):
    """Its formula, its last run and its samples are on disk."""
    with provider.server() as server:
        with batch_client(server) as client:
            create(client, "$TargetDedicatedNodes=1;x=5")
            before = steady(client, 1)
        server.restart()
        with batch_client(server) as client:
            after = client.get_pool("p")
            assert after.auto_scale_formula == before.auto_scale_formula
            assert after.auto_scale_run.results == before.auto_scale_run.results
            assert int(evaluate(client, "n=$RunningTasks.Count()").results.rpartition("n=")[2]) >= 1
