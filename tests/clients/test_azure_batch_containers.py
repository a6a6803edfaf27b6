"""Tasks in containers: a real podman runs an image that is made here, with the rights of the task's user."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from tests.support import image
from tests.support.batch import MACHINE, batch_client, make_pool, wait_task
from tests.support.server import RunningServer, running_server

CONTAINERS = models.VirtualMachineConfiguration(
    image_reference=MACHINE.image_reference, node_agent_sku_id=MACHINE.node_agent_sku_id,
    container_configuration=models.BatchContainerConfiguration(type="dockerCompatible"),
)  # fmt: skip


@pytest.fixture(scope="module")
def podman() -> Iterator[Path]:
    """A folder for all users with podman's settings for this machine."""
    if (reason := image.missing()) is not None:
        if os.environ.get("CI"):
            pytest.fail(f"CI leaves nothing out, but {reason}")
        pytest.skip(f"LEFT OUT: {reason}")
    if image.refused():
        pytest.skip("LEFT OUT: no user may make namespaces here, so no container can run")
    with tempfile.TemporaryDirectory(prefix="linarite-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "containers.conf").write_text(image.SETTINGS)
        (folder / "containers.conf").chmod(0o644)
        yield folder


@pytest.fixture(scope="module")
def contained(podman: Path) -> Iterator[RunningServer]:
    os.environ["CONTAINERS_CONF"] = str(podman / "containers.conf")
    try:
        with running_server() as server:
            yield server
    finally:
        del os.environ["CONTAINERS_CONF"]


@pytest.fixture(scope="module")
def busybox(podman: Path) -> str:
    return image.make_image(podman)


@pytest.fixture
def client(contained: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(contained, account) as client:
        make_pool(client, "pool", virtual_machine_configuration=CONTAINERS)
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        yield client


def run(
    client: BatchClient, script: str, settings: Any, *, name: str = "task", job: str = "job", **options: Any
) -> Any:
    task = models.BatchTaskCreateOptions(
        id=name, command_line=f"/bin/sh -c '{script}'", container_settings=settings, **options
    )
    client.create_task(job, task)
    return wait_task(client, job, name, seconds=60).execution_info


def settings(image_name: str, **options: Any) -> models.BatchTaskContainerSettings:
    return models.BatchTaskContainerSettings(image_name=image_name, **options)


def output(client: BatchClient, name: str = "task", file: str = "stdout.txt") -> list[str]:
    return b"".join(client.download_task_file("job", name, file)).decode().splitlines()


def test_task_runs_in_its_container(client: BatchClient, busybox: str):
    """The image's programs, the task's variables and folders, its exit code; what it writes is the task's."""
    script = "echo $OF_IMAGE $AZ_BATCH_TASK_ID $MINE; test -e /etc/passwd || echo alone; pwd; echo x > f; exit 3"
    info = run(
        client, script, settings(busybox), environment_settings=[models.EnvironmentSetting(name="MINE", value="a b")]
    )
    assert (info.exit_code, info.failure_info.code) == (3, "FailureExitCode"), output(client, file="stderr.txt")
    of_image, alone, wd = output(client)
    assert (of_image, alone) == ("yes task a b", "alone")
    assert wd.endswith("/workitems/job/job-1/task/wd")
    assert output(client, file="wd/f") == ["x"]
    shown = client.get_task("job", "task").container_settings
    assert shown.image_name == busybox


def test_task_with_container_options(client: BatchClient, busybox: str):
    """The image's working directory, options of the runtime, some of the node's folders alone."""
    mounts = [
        models.ContainerHostBatchBindMountEntry(source="Task", is_read_only=False),
        models.ContainerHostBatchBindMountEntry(source="Shared", is_read_only=True),
    ]
    wanted = settings(
        busybox, working_directory="containerImageDefault", container_run_options='--env=OPTION="given here"',
        container_host_batch_bind_mounts=mounts,
    )  # fmt: skip
    script = (
        "pwd; echo $OPTION; touch $AZ_BATCH_TASK_WORKING_DIR/f; touch $AZ_BATCH_NODE_SHARED_DIR/f || echo read-only;"
        " ls $AZ_BATCH_NODE_ROOT_DIR"
    )
    assert run(client, script, wanted).exit_code == 0
    where, option, refused, *seen = output(client)
    assert (where, option, refused, seen) == ("/home", "given here", "read-only", ["shared", "workitems"])
    assert output(client, file="wd/f") == []


def test_terminate_task_ends_its_container(client: BatchClient, busybox: str):
    """And nothing of it is left."""
    task = models.BatchTaskCreateOptions(
        id="task", command_line="/bin/sh -c 'echo up; sleep 4321'", container_settings=settings(busybox)
    )
    client.create_task("job", task)
    wait_task(client, "job", "task", "running", seconds=60)
    client.terminate_task("job", "task")
    assert wait_task(client, "job", "task").execution_info.failure_info.code == "TaskEnded"
    assert not _processes("4321")


def test_task_that_runs_out_of_time_in_its_container(client: BatchClient, busybox: str):
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=3))
    info = run(client, "sleep 4322", settings(busybox), constraints=limit)
    assert (info.failure_info.code, info.failure_info.category) == ("TaskEnded", "servererror")
    assert not _processes("4322")


def _processes(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:1] == [b"sleep"] and word.encode() in words:
            found.append(str(path))
    return found


def test_task_with_an_image_that_is_not_there(client: BatchClient, podman: Path):
    """A pre-processing error that names the image; not retried."""
    constraints = models.BatchTaskConstraints(max_task_retry_count=2)
    info = run(client, "true", settings(f"docker-archive:{podman}/missing.tar"), constraints=constraints)
    assert (info.exit_code, info.retry_count) == (None, 0)
    assert (info.failure_info.code, info.failure_info.category) == ("ContainerInvalidImage", "usererror")
    assert "missing.tar" in {detail.name: detail.value for detail in info.failure_info.details}["ImageName"]


def test_task_without_container_on_a_pool_of_containers(client: BatchClient):
    info = run(client, "true", None)
    assert (info.failure_info.code, info.failure_info.category) == ("ContainerTaskSettingsNotFound", "usererror")
    assert info.failure_info.message == "Container-enabled compute node requires task container settings"


def test_task_with_container_on_a_pool_without(server: RunningServer, account: str):
    """The service's own code; needs no podman."""
    with batch_client(server, account) as client:
        make_pool(client, "pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        info = run(client, "true", settings("busybox"))
        assert (info.exit_code, info.failure_info.code) == (None, "ContainerPoolNotSupported")
