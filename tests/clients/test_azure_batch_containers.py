"""Tasks in containers: a real podman runs an image that is made here, with the rights of the task's user."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from tests.nodes.web import Web
from tests.support import image
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.blobs import Azurite
from tests.support.contained import (
    containers,
    containing_server,
    machine,
    output,
    processes,
    run,
    settings,
    wait_output,
)
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def contained(podman: Path) -> Iterator[RunningServer]:
    with containing_server(podman, allow_elevated=True) as server:
        yield server
    if os.geteuid() == 0:
        image.forget()


@pytest.fixture(scope="module")
def busybox(podman: Path) -> str:
    return image.make_image(podman)


@pytest.fixture
def client(contained: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(contained, account) as client:
        users = [models.UserAccount(name="someone", password="not-used-on-linux")]
        make_pool(client, "pool", slots=2, virtual_machine_configuration=machine(), user_accounts=users)
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        yield client
        assert not containers(contained), "no container outlives its task"


def told(info: Any) -> tuple[bool, str, str | None]:
    """Whether the container of a task has an id as Docker gives them; its state; its error."""
    container = info.container_info
    return re.fullmatch("[0-9a-f]{64}", container.container_id) is not None, container.state, container.error


def test_task_runs_in_its_container(client: BatchClient, busybox: str):
    """The image's programs, the task's variables and folders, its exit code; what it writes is the task's."""
    script = "echo $OF_IMAGE $AZ_BATCH_TASK_ID $MINE; test -e /etc/passwd || echo alone; pwd; echo x > f; exit 3"
    info = run(
        client, script, settings(busybox), environment_settings=[models.EnvironmentSetting(name="MINE", value="a b")]
    )
    assert (info.exit_code, info.failure_info.code) == (3, "FailureExitCode"), output(client, file="stderr.txt")
    assert told(info) == (True, "exited", None)
    of_image, alone, wd = output(client)
    assert (of_image, alone) == ("yes task a b", "alone")
    assert wd.endswith("/workitems/job/job-1/task/wd")
    assert output(client, file="wd/f") == ["x"]
    shown = client.get_task("job", "task").container_settings
    assert shown.image_name == busybox


def test_task_tells_of_its_container_while_it_runs(client: BatchClient, busybox: str):
    """And two at a time do not disturb each other: the end of one is not that of the other."""
    gate = "while ! test -e $AZ_BATCH_NODE_SHARED_DIR/go; do sleep 0.1; done; exit 7"
    task = models.BatchTaskCreateOptions(
        id="long", command_line=f"/bin/sh -c '{gate}'", container_settings=settings(busybox)
    )
    client.create_task("job", task)
    running = wait_task(client, "job", "long", "running", seconds=60).execution_info
    assert told(running) == (True, "running", None)
    assert run(client, "echo short", settings(busybox)).exit_code == 0
    assert run(client, "touch $AZ_BATCH_NODE_SHARED_DIR/go", settings(busybox), name="opener").exit_code == 0
    done = wait_task(client, "job", "long", seconds=60).execution_info
    assert (done.exit_code, told(done)) == (7, (True, "exited", None))
    assert done.container_info.container_id == running.container_info.container_id


def test_statistics_count_what_runs_in_a_container(client: BatchClient, busybox: str):
    """The shell inside computes until it has used half a second of a processor."""
    script = "while read -r facts < /proc/$$/stat; set -- $facts; [ ${14} -lt 50 ]; do :; done"
    assert run(client, script, settings(busybox)).exit_code == 0
    stats = client.get_task("job", "task", expand=["stats"]).task_statistics
    assert stats.user_cpu_time >= timedelta(seconds=0.5)


def test_task_that_is_tried_again_has_another_container(client: BatchClient, busybox: str):
    """The record tells of the last one."""
    script = "echo x >> $AZ_BATCH_NODE_SHARED_DIR/tries; exit 9"
    limits = models.BatchTaskConstraints(max_task_retry_count=1)
    info = run(client, script, settings(busybox), constraints=limits)
    assert (info.exit_code, info.retry_count, told(info)) == (9, 1, (True, "exited", None))


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


def test_task_that_sees_nothing_of_the_node(client: BatchClient, busybox: str):
    """An empty list of mounts: the working directory is the container's own and goes with it."""
    info = run(
        client, "pwd; echo x > f; cat f; ls ../../../../..", settings(busybox, container_host_batch_bind_mounts=[])
    )
    assert info.exit_code == 0, output(client, file="stderr.txt")
    wd, written, *seen = output(client)
    assert wd.endswith("/workitems/job/job-1/task/wd")
    assert (written, seen) == ("x", ["workitems"])
    assert "wd/f" not in [file.name for file in client.list_task_files("job", "task", recursive=True)]


def test_mounts_of_every_name(client: BatchClient, busybox: str):
    """The folder of a preparation task has the name that its task has."""
    names = ["Shared", "Startup", "VfsMounts", "Task", "JobPrep", "Applications"]
    mounts = [models.ContainerHostBatchBindMountEntry(source=name, is_read_only=True) for name in names]
    prepare = models.BatchJobPreparationTask(
        id="first", command_line="/bin/sh -c 'echo prepared > p'", container_settings=settings(busybox)
    )
    client.create_job(
        models.BatchJobCreateOptions(
            id="other", pool_info=models.BatchPoolInfo(pool_id="pool"), job_preparation_task=prepare
        )
    )
    script = (
        "cat $AZ_BATCH_JOB_PREP_WORKING_DIR/p; ls $AZ_BATCH_NODE_ROOT_DIR; ls $AZ_BATCH_NODE_ROOT_DIR/workitems/*/*"
    )
    info = run(
        client, script, settings(busybox, container_host_batch_bind_mounts=mounts), job="other"
    )  # fmt: skip
    assert info.exit_code == 0
    written = b"".join(client.download_task_file("other", "task", "stdout.txt")).decode().split()
    assert written == ["prepared", "applications", "fsmounts", "shared", "startup", "workitems", "first", "task"]
    [status] = client.list_job_preparation_and_release_task_status("other")
    assert told(status.job_preparation_task_execution_info) == (True, "exited", None)


def test_job_release_and_start_tasks_tell_of_their_containers(client: BatchClient, busybox: str):
    """Each in the answer that the specification has for it."""
    start = models.BatchStartTask(command_line="/bin/sh -c 'echo up'", container_settings=settings(busybox))
    make_pool(client, "started", virtual_machine_configuration=machine(), start_task=start)
    [node] = client.list_nodes("started")
    assert told(_started(client, node.id)) == (True, "exited", None)
    client.create_job(
        models.BatchJobCreateOptions(
            id="other", pool_info=models.BatchPoolInfo(pool_id="started"),
            job_preparation_task=models.BatchJobPreparationTask(
                command_line="true", container_settings=settings(busybox)
            ),
            job_release_task=models.BatchJobReleaseTask(command_line="nosuch", container_settings=settings(busybox)),
        )
    )  # fmt: skip
    assert run(client, "true", settings(busybox), job="other").exit_code == 0
    client.begin_terminate_job("other", {"terminateReason": "done"}, polling_interval=0.05).result()
    [status] = client.list_job_preparation_and_release_task_status("other")
    released = status.job_release_task_execution_info
    assert (released.failure_info.code, released.exit_code) == ("ContainerInvalidSettings", None)
    there, state, error = told(released)
    assert (there, state) == (True, "created")
    assert "nosuch" in (error or "")


def _started(client: BatchClient, node: str) -> Any:
    deadline = time.monotonic() + 60
    while (info := client.get_node("started", node).start_task_info).state != "completed":
        assert time.monotonic() < deadline, "the start task goes on"
        time.sleep(0.05)
    return info


def test_task_whose_program_is_not_in_the_image(client: BatchClient, busybox: str):
    """The container is made and does not start: an error before the start, not retried, with the runtime's words."""
    task = models.BatchTaskCreateOptions(
        id="task", command_line="nosuch --x", container_settings=settings(busybox),
        constraints=models.BatchTaskConstraints(max_task_retry_count=2),
    )  # fmt: skip
    client.create_task("job", task)
    info = wait_task(client, "job", "task", seconds=60).execution_info
    assert (info.exit_code, info.retry_count, info.result) == (None, 0, "failure")
    assert (info.failure_info.code, info.failure_info.category) == ("ContainerInvalidSettings", "usererror")
    there, state, error = told(info)
    assert (there, state) == (True, "created")
    assert "nosuch" in (error or "")
    [detail] = info.failure_info.details
    assert (detail.name, detail.value) == ("Message", error)


def test_task_with_options_that_the_runtime_refuses(client: BatchClient, busybox: str):
    """No container is made, so none is told of; the options are named."""
    info = run(client, "true", settings(busybox, container_run_options="--memory=much"))
    assert (info.exit_code, info.failure_info.code) == (None, "ContainerInvalidSettings")
    assert info.failure_info.message == "At least one value of specified task container settings is invalid"
    details = {detail.name: detail.value for detail in info.failure_info.details}
    assert details["ContainerSettings"] == "--memory=much"
    assert "much" in details["Message"]
    assert info.container_info is None


def test_task_with_an_empty_command_line(client: BatchClient, podman: Path):
    """The image's own entry point runs; with a command line, that is what it is given."""
    own = image.make_image(podman, "entry", Entrypoint=["/bin/echo", "entered"], Cmd=["by", "itself"])
    for name, line in (("empty", ""), ("given", "with words")):
        client.create_task(
            "job", models.BatchTaskCreateOptions(id=name, command_line=line, container_settings=settings(own))
        )
        assert wait_task(client, "job", name, seconds=60).execution_info.exit_code == 0
    assert (output(client, "empty"), output(client, "given")) == (["entered by itself"], ["entered with words"])


@pytest.mark.parametrize(
    ("identity", "uid_like"),
    [
        (None, "account"),
        (models.UserIdentity(auto_user=models.AutoUserSpecification(elevation_level="admin")), "server"),
        (models.UserIdentity(username="someone"), "user"),
    ],
)
def test_rights_of_a_task_in_a_container(
    client: BatchClient, contained: RunningServer, account: str, busybox: str, identity: Any, uid_like: str
):
    """It has those that it has outside of one: what it writes is its user's."""
    info = run(client, "echo x > f", settings(busybox), user_identity=identity)
    assert info.exit_code == 0, output(client, file="stderr.txt")
    [written] = Path(contained.data).rglob(f"{account}/**/job-1/task/wd/f")
    owner = written.stat().st_uid
    assert owner == os.geteuid() if uid_like == "server" or os.geteuid() else owner not in (0, os.geteuid())
    if uid_like != "server":
        own = Path(contained.data) / f"nodes/{account}/.containers-{owner}"
        assert list(own.rglob("*-images/images.json")), "its images are nobody else's"
    if uid_like == "user" and os.geteuid() == 0:
        assert owner != (written.parents[5] / "shared").stat().st_uid


def test_files_of_a_task_in_a_container(client: BatchClient, busybox: str):
    """What it is brought it reads, and both streams are its files."""
    web = Web()
    try:
        files = [models.ResourceFile(http_url=web.put("/in", b"brought"), file_path="in.txt")]
        info = run(client, "cat in.txt; echo aside >&2", settings(busybox), resource_files=files)
    finally:
        web.close()
    assert info.exit_code == 0
    assert (output(client), output(client, file="stderr.txt")) == (["brought"], ["aside"])


def test_exit_conditions_of_a_container_that_cannot_start(client: BatchClient, busybox: str):
    """It is an error before the start: its option lets the dependent run."""
    satisfied = models.ExitConditions(pre_processing_error=models.ExitOptions(dependency_action="satisfy"))
    client.create_job(
        models.BatchJobCreateOptions(
            id="chain", pool_info=models.BatchPoolInfo(pool_id="pool"), uses_task_dependencies=True
        )
    )
    run(client, "true", settings(busybox, container_run_options="--nosuch"), job="chain", exit_conditions=satisfied)
    after = models.BatchTaskDependencies(task_ids=["task"])
    assert run(client, "true", settings(busybox), job="chain", name="after", depends_on=after).exit_code == 0


def test_terminate_task_ends_its_container(client: BatchClient, busybox: str):
    """And nothing of it is left."""
    task = models.BatchTaskCreateOptions(
        id="task", command_line="/bin/sh -c 'echo up; sleep 4321'", container_settings=settings(busybox)
    )
    client.create_task("job", task)
    wait_output(client, "up")
    client.terminate_task("job", "task")
    info = wait_task(client, "job", "task").execution_info
    assert (info.failure_info.code, told(info)) == ("TaskEnded", (True, "exited", None))
    assert not processes("4321")


def test_task_that_runs_out_of_time_in_its_container(client: BatchClient, busybox: str):
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=3))
    info = run(client, "sleep 4322", settings(busybox), constraints=limit)
    assert (info.failure_info.code, info.failure_info.category) == ("TaskEnded", "servererror")
    assert told(info) == (True, "exited", None)
    assert not processes("4322")


def test_task_with_an_image_that_is_not_there(client: BatchClient, podman: Path):
    """A pre-processing error that names the image; not retried."""
    constraints = models.BatchTaskConstraints(max_task_retry_count=2)
    info = run(client, "true", settings(f"docker-archive:{podman}/missing.tar"), constraints=constraints)
    assert (info.exit_code, info.retry_count) == (None, 0)
    assert (info.failure_info.code, info.failure_info.category) == ("ContainerInvalidImage", "usererror")
    assert "missing.tar" in {detail.name: detail.value for detail in info.failure_info.details}["ContainerImage"]
    assert info.container_info is None


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


@pytest.mark.parametrize(
    ("options", "code", "name"),
    [
        ({"registry": {"identity_reference": {"resource_id": "/i"}}}, "InvalidPropertyValue", "identityReference"),
        ({"registry": {"password": "p"}}, "MissingRequiredProperty", "username"),
        ({"container_run_options": "--label='"}, "InvalidPropertyValue", "containerRunOptions"),
        ({"working_directory": "elsewhere"}, "InvalidPropertyValue", "workingDirectory"),
        ({"container_host_batch_bind_mounts": [{"source": "Root"}]}, "InvalidPropertyValue", "source"),
        ({"image_name": "--privileged"}, "InvalidPropertyValue", "imageName"),
    ],
)
def test_task_whose_container_is_refused(
    server: RunningServer, account: str, options: dict[str, Any], code: str, name: str
):
    """Nothing of it is ignored: the element is named, and no task is added."""
    wanted = _element({"image_name": "busybox", **options})
    with batch_client(server, account) as client:
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="none")))
        task = models.BatchTaskCreateOptions(id="task", command_line="true", container_settings=wanted)
        with pytest.raises(HttpResponseError) as refused:
            client.create_task("job", task)
        assert refused.value.model.code == code
        assert refused.value.model.error_values[0].value.endswith(name)
        assert not list(client.list_tasks("job"))


def _element(given: dict[str, Any]) -> models.BatchTaskContainerSettings:
    """The element as the wire has it: the client's own models would not take some of it."""
    return models.BatchTaskContainerSettings({_camel(name): _wire(value) for name, value in given.items()})


def _wire(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(name): _wire(item) for name, item in value.items()}
    return [_wire(item) for item in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def test_output_files_of_a_container(client: BatchClient, busybox: str, azurite: Azurite):
    """They go once the container is gone, by what its own command exited with; also when its time runs out."""
    there = azurite.container()

    def sent(path: str, when: str) -> models.OutputFile:
        to = models.OutputFileBlobContainerDestination(container_url=there.url("rw"), path=path)
        return models.OutputFile(
            file_pattern="out.txt", destination=models.OutputFileDestination(container=to),
            upload_options=models.OutputFileUploadConfiguration(upload_condition=when),
        )  # fmt: skip

    both = [sent("failed", "taskfailure"), sent("well", "tasksuccess")]
    info = run(client, "echo of a container > out.txt; exit 3", settings(busybox), output_files=both)
    assert (info.exit_code, told(info)) == (3, (True, "exited", None))
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=4))
    late = run(
        client, "echo late > out.txt; sleep 4323", settings(busybox), name="late", constraints=limit,
        output_files=[sent("late", "taskcompletion")],
    )  # fmt: skip
    assert late.failure_info.code == "TaskEnded"
    assert {name: there.read(name) for name in there.names()} == {"failed": b"of a container\n", "late": b"late\n"}
