"""What is done to nodes, through the real client: reboot, reimage, deallocate, start, scheduling; and the refusals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from tests.support.batch import MACHINE, batch_client, make_pool, wait_task
from tests.support.server import RunningServer

ANSWERS = {"polling_interval": 0.05}
START = models.BatchStartTask(command_line="/bin/sh -c 'echo boot >> $AZ_BATCH_NODE_SHARED_DIR/boots'")


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def node(client: BatchClient) -> models.BatchNode:
    (found,) = client.list_nodes("p")
    return found


def until(seen: Callable[[], Any], wanted: Any, seconds: float = 30) -> Any:
    """What is seen, once it is what is wanted."""
    deadline = time.monotonic() + seconds
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"{found!r} does not become {wanted!r}"
        time.sleep(0.02)
    return found


def settled(client: BatchClient, state: str = "idle") -> models.BatchNode:
    until(lambda: node(client).state, state)
    return node(client)


def content(client: BatchClient, path: str) -> bytes:
    return b"".join(client.download_node_file("p", str(node(client).id), path))


def names(client: BatchClient) -> set[str]:
    """The files of the node."""
    found = client.list_node_files("p", str(node(client).id), recursive=True)
    return {file.name for file in found if not file.is_directory}


def make_job(client: BatchClient) -> None:
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))


def add(client: BatchClient, name: str, command: str) -> None:
    client.create_task("j", models.BatchTaskCreateOptions(id=name, command_line=f"/bin/sh -c '{command}'"))


def reboot(client: BatchClient, name: str | None, option: str = "requeue") -> Any:
    """15.1.0 cannot send one of these without its option."""
    options = models._models.BatchNodeRebootOptions(node_reboot_kind=option)
    return client.begin_reboot_node("p", str(name), options, **ANSWERS)


def reimage(client: BatchClient, name: str | None) -> Any:
    options = models._models.BatchNodeReimageOptions(node_reimage_option="requeue")
    return client.begin_reimage_node("p", str(name), options, **ANSWERS)


def deallocate(client: BatchClient, name: str | None) -> Any:
    options = models._models.BatchNodeDeallocateOptions(node_deallocate_option="requeue")
    return client.begin_deallocate_node("p", str(name), options, **ANSWERS)


def disable(client: BatchClient, name: str | None) -> None:
    options = models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    client.disable_node_scheduling("p", str(name), options)


def start(client: BatchClient, name: str | None) -> Any:
    return client.begin_start_node("p", str(name), **ANSWERS)


def refusal(call: Callable[..., Any], *arguments: Any) -> tuple[int | None, str]:
    with pytest.raises(HttpResponseError) as caught:
        call(*arguments)
    return caught.value.status_code, caught.value.error.code


def test_reboot_ends_what_runs_and_starts_the_node_anew(client: BatchClient) -> None:
    """Its process is gone, the volatile files are gone, the others are there, the start task has run once more."""
    make_pool(client, "p", start_task=START)
    before = settled(client)
    make_job(client)
    add(client, "t", "echo x > $AZ_BATCH_NODE_ROOT_DIR/volatile/v; echo $$ >> $AZ_BATCH_NODE_SHARED_DIR/s; sleep 600")
    until(lambda: "shared/s" in names(client), wanted=True)
    reboot(client, before.id).result()
    until(lambda: content(client, "shared/boots"), b"boot\nboot\n")
    until(lambda: content(client, "shared/s").count(b"\n"), 2)
    found = wait_task(client, "j", "t", "running")
    assert (found.execution_info.requeue_count, found.execution_info.retry_count) == (1, 0)
    first = int(content(client, "shared/s").split()[0])
    assert not _is_alive(first)
    after = node(client)
    assert after.id == before.id
    assert after.last_boot_time > before.last_boot_time
    assert after.start_task_info.start_time > before.start_task_info.start_time
    client.terminate_task("j", "t")


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return not stat.read().rpartition(") ")[2].startswith("Z")
    except FileNotFoundError:
        return False


def test_reboot_clears_what_is_volatile_alone(client: BatchClient) -> None:
    make_pool(client, "p")
    make_job(client)
    add(client, "t", "echo x | tee $AZ_BATCH_NODE_ROOT_DIR/volatile/v > $AZ_BATCH_NODE_SHARED_DIR/s")
    wait_task(client, "j", "t")
    assert names(client) >= {"volatile/v", "shared/s"}
    reboot(client, node(client).id).result()
    settled(client)
    left = names(client)
    assert "volatile/v" not in left
    assert left >= {"shared/s", "workitems/j/job-1/t/stdout.txt"}


@pytest.mark.parametrize(
    ("option", "state", "code"), [("terminate", "completed", "TaskEnded"), ("taskcompletion", "completed", None)]
)
def test_reboot_treats_tasks_as_asked(
    server: RunningServer, account: str, client: BatchClient, option: str, state: str, code: str | None
) -> None:
    make_pool(client, "p")
    make_job(client)
    add(client, "t", "touch up; until test -e go; do sleep 0.05; done")
    until(lambda: "workitems/j/job-1/t/wd/up" in names(client), wanted=True)
    wait_task(client, "j", "t", "running")  # a cluster's nodes tell of a start a moment later
    poller = reboot(client, node(client).id, option)
    assert client.get_task("j", "t").state in {"running", state}
    if option == "taskcompletion":
        assert node(client).state == "rebooting"
        add(client, "later", "true")
        assert client.get_task("j", "later").state == "active"
        next(server.data.glob(f"nodes/{account}/p/*/workitems/j/job-1/t/wd")).joinpath("go").touch()
    poller.result()
    found = wait_task(client, "j", "t", state)
    info = found.execution_info
    assert (info.failure_info.code if info.failure_info else None) == code
    assert info.requeue_count == 0
    settled(client)


def test_reimage_empties_the_node(client: BatchClient) -> None:
    make_pool(client, "p", start_task=START)
    settled(client)
    make_job(client)
    add(client, "t", "echo x > out")
    wait_task(client, "j", "t")
    before = node(client)
    reimage(client, before.id).result()
    until(lambda: content(client, "shared/boots") if "shared/boots" in names(client) else b"", b"boot\n")
    settled(client)
    assert names(client) == {"shared/boots", "startup/stdout.txt", "startup/stderr.txt"}
    assert node(client).id == before.id
    assert refusal(lambda: list(client.list_task_files("j", "t"))) == (409, "TaskFilesCleanedup")


def test_deallocated_node_has_no_files_until_it_is_started(client: BatchClient) -> None:
    make_pool(client, "p", start_task=START)
    name = str(settled(client).id)
    deallocate(client, name).result()
    settled(client, "deallocated")
    counts = next(iter(client.list_pool_node_counts(filter="poolId eq 'p'")))
    assert (counts.dedicated.deallocated, counts.dedicated.idle, counts.dedicated.total) == (1, 0, 1)
    assert client.get_pool("p").current_dedicated_nodes == 1
    assert [found.id for found in client.list_nodes("p", filter="state eq 'deallocated'")] == [name]
    make_job(client)
    add(client, "t", "cat $AZ_BATCH_NODE_SHARED_DIR/boots")
    assert refusal(reboot, client, name) == (409, "OperationNotValidOnNode")
    assert client.get_task("j", "t").state == "active"
    start(client, name).result()
    wait_task(client, "j", "t")
    assert b"".join(client.download_task_file("j", "t", "stdout.txt")) == b"boot\n"
    assert refusal(start, client, name) == (409, "OperationNotValidOnNode")


def test_node_that_waits_refuses_what_else_is_asked_of_it(client: BatchClient) -> None:
    make_pool(client, "p")
    make_job(client)
    add(client, "t", "sleep 600")
    wait_task(client, "j", "t", "running")
    name = str(node(client).id)
    reboot(client, name, "taskcompletion")
    for call in (reboot, reimage, deallocate):
        assert refusal(call, client, name) == (409, "NodeBeingRebooted")
    assert refusal(start, client, name) == (409, "NodeBeingRebooted")
    counts = next(iter(client.list_pool_node_counts(filter="poolId eq 'p'")))
    assert (counts.dedicated.rebooting, counts.dedicated.total) == (1, 1)
    client.terminate_task("j", "t")
    settled(client)
    assert refusal(reboot, client, "nobody") == (404, "NodeNotFound")
    assert refusal(client.begin_start_node, "nowhere", name) == (404, "PoolNotFound")


def test_node_that_starts_refuses_to_reboot(client: BatchClient) -> None:
    make_pool(client, "p", start_task=models.BatchStartTask(command_line="/bin/sleep 600"))
    name = str(settled(client, "waitingforstarttask").id)
    assert refusal(reboot, client, name) == (409, "NodeBeingStarted")
    assert refusal(reimage, client, name) == (409, "NodeBeingStarted")


def test_node_is_offline_and_tells_so(client: BatchClient) -> None:
    make_pool(client, "p")
    name = str(settled(client).id)
    disable(client, name)
    found = node(client)
    assert (found.state, found.scheduling_state) == ("offline", "disabled")
    assert [one.id for one in client.list_nodes("p", filter="state eq 'offline'")] == [name]
    counts = next(iter(client.list_pool_node_counts(filter="poolId eq 'p'")))
    assert (counts.dedicated.offline, counts.dedicated.idle) == (1, 0)
    assert refusal(disable, client, name) == (409, "NodeAlreadyInTargetSchedulingState")
    client.enable_node_scheduling("p", name)
    assert node(client).state == "idle"
    assert refusal(client.enable_node_scheduling, "p", name) == (409, "NodeAlreadyInTargetSchedulingState")


def test_users_remote_login_and_extensions(client: BatchClient) -> None:
    machine = models.VirtualMachineConfiguration(
        image_reference=MACHINE.image_reference, node_agent_sku_id=MACHINE.node_agent_sku_id,
        extensions=[models.VMExtension(name="ext", publisher="Contoso", type="Tool")],
    )  # fmt: skip
    make_pool(client, "p", virtual_machine_configuration=machine)
    name = str(settled(client).id)
    client.create_node_user("p", name, models.BatchNodeUserCreateOptions(name="anna", password="secret"))
    user = models.BatchNodeUserCreateOptions(name="anna")
    assert refusal(client.create_node_user, "p", name, user) == (409, "NodeUserExists")
    changed = models.BatchNodeUserReplaceOptions(ssh_public_key="c3No")
    client.replace_node_user("p", name, "anna", changed)
    client.delete_node_user("p", name, "anna")
    assert refusal(client.delete_node_user, "p", name, "anna") == (404, "NodeUserNotFound")
    assert refusal(client.replace_node_user, "p", name, "anna", changed) == (404, "NodeUserNotFound")
    login = client.get_node_remote_login_settings("p", name)
    assert (login.remote_login_ip_address, login.remote_login_port) == (node(client).ip_address, 22)
    assert [one.vm_extension.name for one in client.list_node_extensions("p", name)] == ["ext", "batchNodeExtension"]
    found = client.get_node_extension("p", name, "ext")
    assert (found.provisioning_state, found.instance_view.statuses[0].level) == ("Succeeded", "Warning")
