"""Multi-instance tasks through the real client: programs on several nodes that speak to each other, as MPI's do."""

from __future__ import annotations

import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from tests.nodes.web import Web
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.provider import Provider
from tests.support.server import RunningServer

PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin") or sys.executable
"""One that the users of tasks may run, who may not enter the home of a server that is root's."""
ADDRESS = 'address = lambda host: host if host[0].isdigit() else "127.0.0." + host[1:]'
"""The machines n1, n2, ... of a test's Slurm are one host, and nothing resolves their names."""
SERVER = f"""#!{PYTHON}
# Answers on its node's own address with a number: how long what it finds in the directory of the task is.
import os, pathlib, socket
{ADDRESS}
hosts = os.environ["AZ_BATCH_HOST_LIST"].split(",")
place = int(pathlib.Path(os.environ["AZ_BATCH_TASK_DIR"]).name) if "false" == os.environ[
    "AZ_BATCH_IS_CURRENT_NODE_MASTER"] else 0
number = len(pathlib.Path(os.environ["AZ_BATCH_TASK_SHARED_DIR"], "common.txt").read_text()) + place
server = socket.create_server((address(hosts[place]), int(os.environ["PORT"])))
if os.fork():
    os._exit(0)
os.setsid()
pathlib.Path("serving").write_text(str(os.getpid()))
while True:
    connection, _ = server.accept()
    connection.sendall(b"%d" % number)
    connection.close()
"""
SUM = f"""#!{PYTHON}
# Adds up what all say.
import os, pathlib, socket
{ADDRESS}
total = 0
for host in os.environ["AZ_BATCH_HOST_LIST"].split(","):
    with socket.create_connection((address(host), int(os.environ["PORT"]))) as connection:
        total += int(connection.recv(100))
print(total, pathlib.Path("own.txt").read_text(), os.environ["CCP_NODES"].split()[0])
"""
COORDINATE = "/bin/sh -c '$AZ_BATCH_TASK_SHARED_DIR/serve && echo coordinated'"


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.close()


@pytest.fixture
def port() -> int:
    """One that is free on every address: other tests have nodes of the same ones."""
    with socket.create_server(("", 0)) as taken:
        return int(taken.getsockname()[1])


def set_out(client: BatchClient, nodes: int = 3, **pool: Any) -> None:
    options = {"enable_inter_node_communication": True, **pool}
    make_pool(client, "p", nodes=nodes, **options)
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))


def task(command: str, coordination: str, instances: int = 3, files: Any = None, **options: Any) -> Any:
    settings = models.MultiInstanceSettings(
        number_of_instances=instances, coordination_command_line=coordination, common_resource_files=files
    )  # fmt: skip
    return models.BatchTaskCreateOptions(id="t", command_line=command, multi_instance_settings=settings, **options)


def speaking(web: Web, port: int, command: str = "/bin/sh -c ../sum", **options: Any) -> Any:
    """A task whose instances serve on one port, each on its own node's address."""
    files = [
        models.ResourceFile(http_url=web.put(f"/{name}", body.encode()), file_path=name, file_mode="0755")
        for name, body in (("serve", SERVER), ("sum", SUM), ("common.txt", "x" * 10))
    ]  # fmt: skip
    own = models.ResourceFile(http_url=web.put("/own", b"own"), file_path="own.txt")
    port_setting = models.EnvironmentSetting(name="PORT", value=str(port))
    return task(
        command, COORDINATE, files=files, resource_files=[own], environment_settings=[port_setting], **options
    )  # fmt: skip


def until(seen: Callable[[], Any], wanted: Any, seconds: float = 30) -> Any:
    """What is seen, once it is what is wanted."""
    deadline = time.monotonic() + seconds
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"{found!r} does not become {wanted!r}"
        time.sleep(0.02)
    return found


def serving(server: RunningServer) -> list[int]:
    """The processes that the instances left running, by their own telling."""
    found = [path.read_text() for path in server.data.glob("nodes/*/p/*/workitems/j/job-1/t/**/serving")]
    return [int(pid) for pid in found if pid and alive(int(pid))]


def alive(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_instances_speak_to_each_other_over_one_port(account: str, web: Web, port: int, provider: Provider) -> None:
    """Daemons that the coordination leaves on every node serve the task's own command, and are gone when it is over."""
    with provider.server() as server, batch_client(server, account, retries=0) as client:
        set_out(client)
        client.create_task("j", speaking(web, port))
        done = wait_task(client, "j", "t")
        assert (done.execution_info.exit_code, done.execution_info.result) == (0, "success")
        out = b"".join(client.download_task_file("j", "t", "stdout.txt")).decode()
        assert out == f"coordinated\n{10 + 11 + 12} own 3\n"
        assert serving(server) == []
        assert len(list(server.data.glob("nodes/*/p/*/workitems/j/job-1/t/**/serving"))) == 3
        shown = done.multi_instance_settings
        assert (shown.number_of_instances, shown.coordination_command_line) == (3, COORDINATE)
        assert [file.file_path for file in shown.common_resource_files] == ["serve", "sum", "common.txt"]


def test_subtasks_tell_of_themselves_and_of_their_files(client: BatchClient, web: Web, port: int) -> None:
    set_out(client)
    client.create_task("j", speaking(web, port))
    done = wait_task(client, "j", "t")
    first, second = client.list_subtasks("j", "t")
    assert (first.id, second.id) == (1, 2)
    nodes = {node.id: node for node in client.list_nodes("p")}
    assert {done.node_info.node_id, first.node_info.node_id, second.node_info.node_id} == nodes.keys()
    assert (first.state, first.exit_code, first.result, first.previous_state) == ("completed", 0, "success", "running")
    assert first.start_time == first.previous_state_transition_time <= first.end_time == first.state_transition_time
    root = first.node_info.task_root_directory
    assert root == "workitems/j/job-1/t/1"
    assert first.node_info.task_root_directory_url.endswith(f"/nodes/{first.node_info.node_id}/files/{root}")
    out = b"".join(client.download_node_file("p", first.node_info.node_id, f"{root}/stdout.txt"))
    assert out == b"coordinated\n"
    common = client.download_node_file("p", first.node_info.node_id, "workitems/j/job-1/t/common.txt")
    assert b"".join(common) == b"x" * 10
    assert [file.name for file in client.list_node_files("p", first.node_info.node_id) if file.name == "own.txt"] == []
    recent = {name: node.recent_tasks for name, node in nodes.items()}
    assert {name: [one.subtask_id for one in tasks] for name, tasks in recent.items()} == {
        done.node_info.node_id: [0], first.node_info.node_id: [1], second.node_info.node_id: [2],
    }  # fmt: skip
    assert all((node.total_tasks_run, node.total_tasks_succeeded) == (1, 1) for node in nodes.values())


def test_coordination_that_fails_on_one_node_fails_the_task(client: BatchClient) -> None:
    set_out(client)
    fails = "/bin/sh -c 'sleep 600 & case $AZ_BATCH_TASK_DIR in */t/2) exit 7;; esac'"
    client.create_task("j", task("/bin/true", fails, constraints=models.BatchTaskConstraints(max_task_retry_count=1)))
    done = wait_task(client, "j", "t")
    info = done.execution_info
    assert (info.exit_code, info.result, info.retry_count) == (7, "failure", 1)
    assert info.failure_info.code == "FailureExitCode"
    found = [(one.id, one.exit_code, one.result) for one in client.list_subtasks("j", "t")]
    assert found == [(1, 0, "success"), (2, 7, "failure")]
    assert all(node.running_tasks_count == 0 for node in client.list_nodes("p"))


def test_file_that_no_instance_gets_fails_the_task_before_it_starts(client: BatchClient, web: Web) -> None:
    set_out(client, nodes=2)
    missing = models.ResourceFile(http_url=f"{web.url}/none", file_path="none")
    client.create_task("j", task("/bin/true", "/bin/true", 2, [missing]))
    info = wait_task(client, "j", "t").execution_info
    assert (info.exit_code, info.failure_info.code) == (None, "BlobNotFound")


def test_task_that_is_terminated_leaves_nothing_on_any_node(
    account: str, web: Web, port: int, provider: Provider
) -> None:
    with provider.server() as server, batch_client(server, account, retries=0) as client:
        set_out(client)
        client.create_task("j", speaking(web, port, "/bin/sleep 600"))
        until(lambda: len(serving(server)), 3)
        states = lambda: [one.state for one in client.list_subtasks("j", "t")]  # noqa: E731 - asked twice
        assert states() == ["running", "running"]
        assert [node.running_tasks_count for node in client.list_nodes("p")] == [1, 1, 1]
        client.terminate_task("j", "t")
        done = wait_task(client, "j", "t")
        assert done.execution_info.failure_info.code == "TaskEnded"
        assert (serving(server), states()) == ([], ["completed", "completed"])
        client.delete_task("j", "t")
        until(lambda: list(server.data.glob("nodes/*/p/*/workitems/j/job-1/t")), [])


def test_instances_outlive_the_server(account: str, web: Web, port: int, provider: Provider) -> None:
    """Killed while the task's command waits, the server takes up the whole task again; nothing ran twice."""
    wait = "/bin/sh -c 'echo once >> times; until test -e go; do sleep 0.05; done; ../sum'"
    with provider.server() as server, batch_client(server, account) as client:
        set_out(client)
        client.create_task("j", speaking(web, port, wait))
        directory = Path("nodes/*/p/*/workitems/j/job-1/t/wd")
        until(lambda: len(list(server.data.glob(str(directory / "times")))), 1)
        until(lambda: len(serving(server)), 3)  # each says so a moment after its command has returned
        before = serving(server)
        server.kill9()
        server.start()
        assert (len(before), serving(server)) == (3, before)
        (times,) = server.data.glob(str(directory / "times"))
        (times.parent / "go").touch()
        done = wait_task(client, "j", "t")
        assert done.execution_info.exit_code == 0
        assert times.read_text() == "once\n"
        out = b"".join(client.download_task_file("j", "t", "stdout.txt")).decode()
        assert out.endswith(f"\n{10 + 11 + 12} own 3\n")
        assert serving(server) == []


def test_task_stays_active_in_a_pool_that_cannot_run_it(client: BatchClient) -> None:
    set_out(client, nodes=2, enable_inter_node_communication=False)
    client.create_task("j", task("/bin/true", "/bin/true", 2))
    client.create_task("j", models.BatchTaskCreateOptions(id="other", command_line="/bin/true"))
    wait_task(client, "j", "other")
    assert client.get_task("j", "t").state == "active"
    assert list(client.list_subtasks("j", "t")) == []


def test_preparation_runs_on_every_node_before_any_coordinates(client: BatchClient) -> None:
    make_pool(client, "p", nodes=2, enable_inter_node_communication=True)
    prepare = models.BatchJobPreparationTask(command_line="/bin/sh -c 'echo ready > made'")
    client.create_job(
        models.BatchJobCreateOptions(
            id="j", pool_info=models.BatchPoolInfo(pool_id="p"), job_preparation_task=prepare
        )
    )  # fmt: skip
    client.create_task("j", task("/bin/true", "/bin/sh -c 'cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made'", 2))
    done = wait_task(client, "j", "t")
    assert done.execution_info.exit_code == 0
    (subtask,) = client.list_subtasks("j", "t")
    path = f"{subtask.node_info.task_root_directory}/stdout.txt"
    assert b"".join(client.download_node_file("p", subtask.node_info.node_id, path)) == b"ready\n"
    assert len(list(client.list_job_preparation_and_release_task_status("j"))) == 2


def test_all_instances_run_as_the_user_of_the_task(client: BatchClient, web: Web) -> None:
    """That one may write to the directory that they share, on each node."""
    set_out(client, nodes=2, user_accounts=[models.UserAccount(name="someone", password="Secret0+")])
    common = models.ResourceFile(http_url=web.put("/c", b"common"), file_path="common.txt")
    write = "/bin/sh -c 'cat ../common.txt ../../common.txt 2>/dev/null; id -un; echo x > $AZ_BATCH_TASK_SHARED_DIR/x'"
    identity = models.UserIdentity(username="someone")
    client.create_task("j", task("/bin/sh -c 'cat ../x'", write, 2, [common], user_identity=identity))
    done = wait_task(client, "j", "t")
    assert done.execution_info.exit_code == 0
    own = b"".join(client.download_task_file("j", "t", "stdout.txt")).split()
    (subtask,) = client.list_subtasks("j", "t")
    path = f"{subtask.node_info.task_root_directory}/stdout.txt"
    other = b"".join(client.download_node_file("p", subtask.node_info.node_id, path)).split()
    assert (own[0][:6], own[-1], other[0][:6], own[0]) == (b"common", b"x", b"common", other[0])
