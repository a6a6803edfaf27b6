"""Application packages: put there by the command line, asked for by a real client, used by tasks on real nodes."""

from __future__ import annotations

import stat
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from tests.support.batch import MACHINE, batch_client, make_pool, wait_task
from tests.support.server import RunningServer


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account) as client:
        yield client


@pytest.fixture
def put(server: RunningServer, account: str, tmp_path: Path) -> Any:
    """Puts a version of an application there, of files by their names."""

    def put(id: str, version: str, files: dict[str, str], *options: str) -> None:
        path = tmp_path / "package.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                info = zipfile.ZipInfo(name)
                info.external_attr = (stat.S_IFREG | 0o755) << 16
                archive.writestr(info, content)
        done = server.command("applications", "add", id, version, str(path), "--account", account, *options)
        assert done.returncode == 0, done.stderr

    return put


def reference(id: str, version: str | None = None) -> models.BatchApplicationPackageReference:
    return models.BatchApplicationPackageReference(application_id=id, version=version)


def job(client: BatchClient, pool: str = "pool") -> None:
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id=pool)))


def run(client: BatchClient, script: str, *packages: Any, name: str = "task") -> Any:
    task = models.BatchTaskCreateOptions(
        id=name, command_line=f"/bin/sh -c '{script}'", application_package_references=list(packages)
    )
    client.create_task("job", task)
    return wait_task(client, "job", name).execution_info


def output(client: BatchClient, name: str = "task") -> list[str]:
    return b"".join(client.download_task_file("job", name, "stdout.txt")).decode().splitlines()


def test_list_applications_and_get_application(client: BatchClient, put: Any):
    """What has a version, by its id; ids are found in any letter case."""
    assert list(client.list_applications()) == []
    put("Blender", "2.7", {"x": "1"}, "--display-name", "Blender for all")
    put("blender", "2.8-rc1", {"x": "2"})
    put("agent", "1", {"x": "1"})
    shown = [one.as_dict() for one in client.list_applications(max_results=1)]
    assert shown == [
        {"id": "agent", "displayName": "agent", "versions": ["1"]},
        {"id": "Blender", "displayName": "Blender for all", "versions": ["2.7", "2.8-rc1"]},
    ]
    blender = client.get_application("BLENDER")
    assert (blender.id, blender.display_name, blender.versions) == ("Blender", "Blender for all", ["2.7", "2.8-rc1"])
    with pytest.raises(ResourceNotFoundError, match="ApplicationNotFound"):
        client.get_application("nothing")


def test_task_finds_its_package(client: BatchClient, put: Any):
    """Unpacked before it starts, under both spellings of the variable; programs can be run."""
    put("My-App", "1.0", {"bin/hello": "#!/bin/sh\necho hello from $0\n", "data/x": "content"})
    make_pool(client, "pool")
    job(client)
    script = "$AZ_BATCH_APP_PACKAGE_my_app_1_0/bin/hello; cat $AZ_BATCH_APP_PACKAGE_My_App_1_0/data/x; echo; pwd"
    info = run(client, script, reference("my-app", "1.0"))
    assert (info.exit_code, info.result) == (0, "success")
    hello, content, wd = output(client)
    assert content == "content"
    assert "/applications/my-app/1.0/" in hello
    assert wd.endswith("/workitems/job/job-1/task/wd")
    shown = client.get_task("job", "task").application_package_references
    assert [one.as_dict() for one in shown] == [{"applicationId": "my-app", "version": "1.0"}]


def test_task_with_a_package_is_running_once_it_is_there(client: BatchClient, put: Any):
    put("app", "1", {"x": "one"})
    make_pool(client, "pool")
    job(client)
    task = models.BatchTaskCreateOptions(
        id="task", command_line="sleep 60", application_package_references=[reference("app", "1")]
    )
    client.create_task("job", task)
    wait_task(client, "job", "task", "running")
    client.terminate_task("job", "task")


def test_task_with_the_default_version(client: BatchClient, put: Any, server: RunningServer, account: str):
    """A reference without a version means it, and has a variable without one; a task without any fails."""
    put("app", "1", {"x": "one"})
    put("app", "2", {"x": "two"}, "--default")
    make_pool(client, "pool")
    job(client)
    script = "cat $AZ_BATCH_APP_PACKAGE_app/x $AZ_BATCH_APP_PACKAGE_app_2/x"
    assert run(client, script, reference("app")).exit_code == 0
    assert output(client) == ["twotwo"]
    assert server.command("applications", "default", "app", "1", "--account", account).returncode == 0
    assert run(client, "cat $AZ_BATCH_APP_PACKAGE_app/x", reference("app"), name="second").exit_code == 0
    assert output(client, "second") == ["one"]
    assert server.command("applications", "default", "app", "--account", account).returncode == 0
    failure = run(client, "true", reference("app"), name="third").failure_info
    assert (failure.code, failure.category) == ("ApplicationPackageError", "usererror")


def test_package_is_unpacked_once_on_a_node(client: BatchClient, put: Any):
    """Tasks of the same node share it; a version that was put there again is another folder, the old one stays."""
    put("app", "1", {"x": "old"})
    make_pool(client, "pool", slots=4)
    job(client)
    script = "stat -c %i $AZ_BATCH_APP_PACKAGE_app_1/x; cat $AZ_BATCH_APP_PACKAGE_app_1/x"
    for number in range(4):
        client.create_task(
            "job",
            models.BatchTaskCreateOptions(
                id=f"t{number}", command_line=f"/bin/sh -c '{script}'",
                application_package_references=[reference("app", "1")],
            ),
        )  # fmt: skip
    for number in range(4):
        wait_task(client, "job", f"t{number}")
    before = {tuple(output(client, f"t{number}")) for number in range(4)}
    assert len(before) == 1
    put("app", "1", {"x": "new"})
    run(client, script, reference("app", "1"))
    inode, content = output(client)
    assert (content, {one[1] for one in before}) == ("new", {"old"})
    assert inode not in {one[0] for one in before}


@pytest.mark.parametrize(("id", "version"), [("missing", "1"), ("app", "9"), ("app", None)])
def test_task_with_a_package_that_is_not_there(client: BatchClient, put: Any, id: str, version: str | None):
    """A pre-processing error, that names the package."""
    put("app", "1", {"x": "1"})
    make_pool(client, "pool")
    job(client)
    info = run(client, "true", reference(id, version))
    assert (info.result, info.exit_code) == ("failure", None)
    assert info.failure_info.code == "ApplicationPackageError"
    details = {detail.name: detail.value for detail in info.failure_info.details}
    assert details["ApplicationPackageReference"] == (f"{id}:{version}" if version else id)


def test_pool_with_packages_has_them_on_every_node(client: BatchClient, put: Any):
    """Before any task; its tasks need no reference of their own, its start task finds them too."""
    put("app", "1", {"x": "pool's"})
    put("tool", "1", {"y": "default"}, "--default")
    start = models.BatchStartTask(
        command_line="/bin/sh -c 'cat $AZ_BATCH_APP_PACKAGE_app_1/x > $AZ_BATCH_NODE_SHARED_DIR/s'"
    )
    make_pool(
        client,
        "pool",
        nodes=2,
        start_task=start,
        application_package_references=[reference("app", "1"), reference("tool")],
    )
    nodes = [node.id for node in client.list_nodes("pool")]
    for node in nodes:
        names = _eventually(
            lambda node=node: {file.name for file in client.list_node_files("pool", node, recursive=True)},
            lambda found: "shared/s" in found,
        )
        assert any(name.startswith("applications/app/1/") and name.endswith("/x") for name in names)
        assert b"".join(client.download_node_file("pool", node, "shared/s")) == b"pool's"
    job(client)
    run(client, "cat $AZ_BATCH_APP_PACKAGE_app_1/x $AZ_BATCH_APP_PACKAGE_tool/y")
    assert output(client) == ["pool'sdefault"]
    shown = client.get_pool("pool").application_package_references
    assert [one.as_dict() for one in shown] == [{"applicationId": "app", "version": "1"}, {"applicationId": "tool"}]


def _eventually(ask: Any, true: Any) -> Any:
    deadline = time.monotonic() + 60
    while not true(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


@pytest.mark.parametrize(("id", "version"), [("missing", "1"), ("app", "9"), ("app", None)])
def test_create_pool_with_a_package_that_is_not_there(client: BatchClient, put: Any, id: str, version: str | None):
    """409, and there is no pool; a pool that is there stays as it was."""
    put("app", "1", {"x": "1"})
    references = [reference(id, version)]
    options = models.BatchPoolCreateOptions(
        id="pool", vm_size="standard_d2_v3", virtual_machine_configuration=MACHINE,
        application_package_references=references,
    )  # fmt: skip
    with pytest.raises(ResourceExistsError, match="InvalidApplicationPackageReferences"):
        client.create_pool(options)
    with pytest.raises(ResourceNotFoundError):
        client.get_pool("pool")
    make_pool(client, "pool", nodes=0)
    with pytest.raises(ResourceExistsError, match="InvalidApplicationPackageReferences"):
        client.update_pool("pool", models.BatchPoolUpdateOptions(application_package_references=references))
    with pytest.raises(ResourceExistsError, match="InvalidApplicationPackageReferences"):
        client.replace_pool_properties(
            "pool", models.BatchPoolReplaceOptions(application_package_references=references, metadata=[])
        )
    assert client.get_pool("pool").application_package_references is None


def test_create_pool_with_too_many_packages(client: BatchClient):
    with pytest.raises(HttpResponseError, match="InvalidPropertyValue"):
        make_pool(client, "pool", application_package_references=[reference("app", str(n)) for n in range(11)])


def test_pool_whose_packages_change_keeps_its_nodes_as_they_are(client: BatchClient, put: Any):
    """Until they are rebooted, as the reference says."""
    put("app", "1", {"x": "1"})
    make_pool(client, "pool")
    change = models.BatchPoolUpdateOptions(application_package_references=[reference("app", "1")])
    client.update_pool("pool", change)
    job(client)
    script = "echo ${AZ_BATCH_APP_PACKAGE_app_1:-none}"
    run(client, script)
    assert output(client) == ["none"]
    [node] = client.list_nodes("pool")
    options = models._models.BatchNodeRebootOptions(node_reboot_kind="requeue")  # 15.1.0 cannot send none
    client.begin_reboot_node("pool", node.id, options, polling_interval=0).result()
    _eventually(lambda: client.get_node("pool", node.id).state, lambda state: state == "idle")
    run(client, script, name="second")
    assert "/applications/app/1/" in output(client, "second")[0]


def test_node_whose_package_cannot_be_installed_is_unusable(
    client: BatchClient, put: Any, server: RunningServer, account: str
):
    """It says which one, in the service's words."""
    put("app", "1", {"x": "1"})
    make_pool(client, "pool", nodes=0, application_package_references=[reference("app", "1")])
    assert server.command("applications", "remove", "app", "1", "--account", account).returncode == 0
    client.begin_resize_pool("pool", models.BatchPoolResizeOptions(target_dedicated_nodes=1)).result()
    [node] = _eventually(lambda: list(client.list_nodes("pool")), lambda nodes: nodes and nodes[0].state == "unusable")
    [error] = node.errors
    assert (error.code, error.message) == (
        "ApplicationPackageError", "One or more application packages specified for the pool are invalid",
    )  # fmt: skip
    assert {detail.name: detail.value for detail in error.error_details}["ApplicationPackageReference"] == "app:1"


def test_packages_of_another_account_are_not_there(client: BatchClient, put: Any, server: RunningServer):
    put("app", "1", {"x": "1"})
    with batch_client(server, "another2") as other:
        assert list(other.list_applications()) == []


def test_job_manager_task_finds_its_package(client: BatchClient, put: Any):
    put("app", "1", {"x": "managed"})
    make_pool(client, "pool")
    manager = models.BatchJobManagerTask(
        id="manager", command_line="/bin/sh -c 'cat $AZ_BATCH_APP_PACKAGE_app_1/x'",
        application_package_references=[reference("app", "1")],
    )  # fmt: skip
    client.create_job(
        models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool"), job_manager_task=manager)
    )
    assert wait_task(client, "job", "manager").execution_info.exit_code == 0
    assert output(client, "manager") == ["managed"]
