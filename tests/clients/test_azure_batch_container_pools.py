"""Pools of containers: images that nodes bring before they serve, from a real registry that asks for a password."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from tests.support import image, registry
from tests.support.batch import MACHINE, batch_client, make_pool, wait_task
from tests.support.contained import (
    containers,
    containing_server,
    machine,
    note,
    output,
    processes,
    run,
    settings,
)
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def host(podman: Path) -> Iterator[str]:
    """A registry that has `team/busybox:1`, which podman may reach without TLS."""
    with registry.registry() as host:
        note(podman, "registries.conf", f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        registry.push(image.make_image(podman), f"{host}/team/busybox:1")
        yield host


@pytest.fixture(scope="module")
def contained(podman: Path, host: str) -> Iterator[RunningServer]:
    with containing_server(podman) as server:
        yield server


@pytest.fixture
def client(contained: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(contained, account) as client:
        yield client


def reader(host: str, password: str = registry.PASSWORD) -> models.ContainerRegistryReference:
    return models.ContainerRegistryReference(registry_server=host, username=registry.USER, password=password)


def node_of(client: BatchClient, state: str, pool: str = "pool") -> Any:
    """The pool's node once it is in a state."""
    deadline = time.monotonic() + 60
    while (node := next(iter(client.list_nodes(pool)))).state != state:
        assert time.monotonic() < deadline, f"the node is {node.state}: {node.errors}"
        time.sleep(0.05)
    return node


def make_job(client: BatchClient) -> None:
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))


def test_images_come_before_the_start_task(client: BatchClient, contained: RunningServer, account: str, host: str):
    """They are there when it begins; the pool shows its registries without their passwords."""
    name = f"{host}/team/busybox:1"
    start = models.BatchStartTask(
        command_line="/bin/sh -c 'echo $OF_IMAGE'", wait_for_success=True, container_settings=settings(name)
    )
    ahead = machine(container_image_names=[name], container_registries=[reader(host)])
    make_pool(client, "pool", virtual_machine_configuration=ahead)
    node_of(client, "idle")
    [home] = Path(contained.data).glob(f"nodes/{account}/.containers-*")
    assert list(home.rglob("*-images/images.json")), "the image is there, and nothing has run"
    make_pool(client, "other", virtual_machine_configuration=ahead, start_task=start)
    node = node_of(client, "idle", "other")
    assert b"".join(client.download_node_file("other", node.id, "startup/stdout.txt")) == b"yes\n"
    shown = client.get_pool("pool").virtual_machine_configuration.container_configuration
    assert (shown.container_image_names, shown.container_registries[0].username) == ([name], registry.USER)
    assert shown.container_registries[0].password is None
    make_job(client)
    assert run(client, "echo $OF_IMAGE", settings(name)).exit_code == 0
    assert output(client) == ["yes"]


@pytest.mark.parametrize(
    ("image_name", "password", "code"),
    [
        ("team/none:1", registry.PASSWORD, "ContainerInvalidImage"),
        ("team/busybox:1", "of-nothing", "ContainerInvalidRegistry"),
    ],
)
def test_node_whose_image_cannot_be_had(client: BatchClient, host: str, image_name: str, password: str, code: str):
    """It is unusable, says why, tells nobody the password, and its start task never begins."""
    name = f"{host}/{image_name}"
    start = models.BatchStartTask(command_line="true", container_settings=settings(name))
    ahead = machine(container_image_names=[name], container_registries=[reader(host, password)])
    make_pool(client, "pool", virtual_machine_configuration=ahead, start_task=start)
    node = node_of(client, "unusable")
    [error] = node.errors
    assert error.code == code
    details = {detail.name: detail.value for detail in error.error_details}
    assert details.get("ContainerImage", name) == name
    assert details["Message"]
    assert password not in str(details)
    assert node.start_task_info is None


def test_task_with_a_registry_of_its_own(client: BatchClient, host: str):
    """The image comes when the task does; with a password that is none it is the registry's failure."""
    make_pool(client, "pool", virtual_machine_configuration=machine())
    make_job(client)
    name = f"{host}/team/busybox:1"
    refused = run(client, "true", settings(name, registry=reader(host, "wrong")), name="refused")
    assert (refused.exit_code, refused.failure_info.code) == (None, "ContainerInvalidRegistry")
    nobody = run(client, "true", settings(name), name="nobody")
    assert (nobody.exit_code, nobody.failure_info.code) == (None, "ContainerInvalidImage")
    assert run(client, "true", settings(name, registry=reader(host))).exit_code == 0
    shown = client.get_task("job", "task").container_settings.registry
    assert (shown.username, shown.password) == (registry.USER, None)


@pytest.mark.parametrize(
    ("configuration", "code", "name"),
    [
        (
            {"type": "dockerCompatible", "containerRegistries": [{"identityReference": {"resourceId": "/i"}}]},
            "InvalidPropertyValue", "identityReference",
        ),
        ({"type": "lxc"}, "InvalidPropertyValue", "type"),
        ({}, "MissingRequiredProperty", "containerConfiguration.type"),
        ({"type": "dockerCompatible", "containerImageNames": ["a b"]}, "InvalidPropertyValue", "containerImageNames"),
    ],
)  # fmt: skip
def test_pool_whose_containers_are_refused(
    server: RunningServer, account: str, configuration: dict[str, Any], code: str, name: str
):
    """Nothing of it is ignored: the element is named, and there is no pool."""
    asked = models.VirtualMachineConfiguration({**MACHINE.as_dict(), "containerConfiguration": configuration})
    with batch_client(server, account) as client:
        with pytest.raises(HttpResponseError) as refused:
            client.create_pool(
                models.BatchPoolCreateOptions(id="p", vm_size="standard_d2_v3", virtual_machine_configuration=asked)
            )
        assert (refused.value.model.code, refused.value.model.error_values[0].value) == (code, name)
        assert not list(client.list_pools())


COORDINATE = (
    "/bin/sh -c 'echo coordinated; echo here > /home/of-container; cat common.txt ../common.txt 2>/dev/null;"
    " (while true; do sleep 4331; done) & '"
)


def multi_instance(image_name: str, coordination: str, command: str, **options: Any) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(
        id="task", command_line=command, container_settings=settings(image_name),
        multi_instance_settings=models.MultiInstanceSettings(
            number_of_instances=2, coordination_command_line=coordination
        ), **options,
    )  # fmt: skip


def set_out(client: BatchClient) -> None:
    make_pool(client, "pool", nodes=2, enable_inter_node_communication=True, virtual_machine_configuration=machine())
    make_job(client)


def test_multi_instance_task_in_containers(client: BatchClient, contained: RunningServer, podman: Path):
    """Each instance has one container: what coordination left there lives on, and the command enters it."""
    set_out(client)
    command = (
        "/bin/sh -c 'cat /home/of-container; echo $OF_IMAGE $AZ_BATCH_IS_CURRENT_NODE_MASTER $CCP_NODES;"
        " echo $$ > pid; test $(ls -d /proc/[0-9]* | wc -l) -gt 3 && echo company; exit 4'"
    )
    client.create_task("job", multi_instance(image.make_image(podman), COORDINATE, command))
    info = wait_task(client, "job", "task", seconds=90).execution_info
    assert info.exit_code == 4, (info, output(client, file="stderr.txt"))
    coordinated, here, facts, company = output(client)
    assert (coordinated, here, company) == ("coordinated", "here", "company")
    assert facts.startswith("yes true 2 ")
    [subtask] = client.list_subtasks("job", "task")
    assert (subtask.exit_code, subtask.state) == (0, "completed")
    ids = {info.container_info.container_id, subtask.container_info.container_id}
    assert len(ids) == 2, "each has its own"
    assert {info.container_info.state, subtask.container_info.state} == {"exited"}
    assert not containers(contained)
    assert not processes("4331")


def test_multi_instance_task_is_terminated_in_its_containers(
    client: BatchClient, contained: RunningServer, podman: Path
):
    set_out(client)
    name = image.make_image(podman)
    client.create_task("job", multi_instance(name, COORDINATE, "/bin/sh -c 'echo up; sleep 4332'"))
    deadline = time.monotonic() + 90
    wait_task(client, "job", "task", "running", seconds=60)
    while not processes("4332"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    client.terminate_task("job", "task")
    info = wait_task(client, "job", "task", seconds=60).execution_info
    assert (info.failure_info.code, info.container_info.state) == ("TaskEnded", "exited")
    assert not containers(contained)
    assert not processes("4331")
    assert not processes("4332")


def test_coordination_that_fails_in_a_container(client: BatchClient, contained: RunningServer, podman: Path):
    """Its exit code is the task's, and no container is left."""
    set_out(client)
    client.create_task("job", multi_instance(image.make_image(podman), "/bin/sh -c 'exit 6'", "true"))
    info = wait_task(client, "job", "task", seconds=60).execution_info
    assert (info.exit_code, info.container_info.state) == (6, "exited")
    assert not containers(contained)
