"""Resource files from blob containers: a real client asks, a real Azurite has them, the task reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.batch import BatchClient, models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.blobs import Azurite, Container
from tests.support.server import RunningServer

LIST = "/bin/sh -c 'find . -type f | sort | while read f; do echo $f $(stat -c %a $f) $(cat $f); done'"


@pytest.fixture
def client(server: RunningServer, account: str):
    with batch_client(server, account) as client:
        make_pool(client, "pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        yield client


def _run(
    client: BatchClient, *files: models.ResourceFile, command: str = LIST, name: str = "task", **options: Any
) -> Any:
    client.create_task(
        "job",
        models.BatchTaskCreateOptions(id=name, command_line=command, resource_files=list(files), **options),
    )
    return wait_task(client, "job", name)


def _output(client: BatchClient, name: str = "task") -> list[str]:
    return b"".join(client.download_task_file("job", name, "stdout.txt")).decode().splitlines()


def _failure(task: Any) -> tuple[str, str, dict[str, str]]:
    info = task.execution_info
    assert (info.result, info.exit_code) == ("failure", None)
    return info.failure_info.category, info.failure_info.code, {d.name: d.value for d in info.failure_info.details}


def test_create_task_with_storage_container_url_brings_every_blob(client: BatchClient, azurite: Azurite):
    """The blobs' own folders stay, below filePath; the mode is 0770."""
    container = azurite.container(a=b"1", sub__deep__b=b"2")
    file = models.ResourceFile(storage_container_url=container.url("rl"), file_path="data/in")
    task = _run(client, file)
    assert task.execution_info.exit_code == 0
    assert _output(client) == ["./data/in/a 770 1", "./data/in/sub/deep/b 770 2"]
    [shown] = client.get_task("job", "task").resource_files
    assert (shown.file_path, shown.http_url) == ("data/in", None)
    assert shown.storage_container_url == file.storage_container_url


def test_create_task_with_blob_prefix_brings_what_begins_with_it(client: BatchClient, azurite: Azurite):
    """A prefix is no folder: it may end within a name. Without filePath the names begin in wd; fileMode is obeyed."""
    container = azurite.container(in__one=b"1", in__other=b"2", inner=b"3", out=b"4")
    files = [
        models.ResourceFile(storage_container_url=container.url("rl"), blob_prefix="in/o", file_mode="0640"),
        models.ResourceFile(storage_container_url=container.url("rl"), blob_prefix="inn", file_path="x"),
        models.ResourceFile(storage_container_url=container.url("rl"), blob_prefix="none"),
    ]
    _run(client, *files)
    assert _output(client) == ["./in/one 640 1", "./in/other 640 2", "./x/inner 770 3"]


def test_create_task_with_many_and_large_blobs(client: BatchClient, azurite: Azurite):
    """More blobs than a page of the listing's threads, and one that comes in several pieces, byte for byte."""
    container = azurite.container(**{f"n{number:03}": str(number).encode() for number in range(60)})
    container.put("large", bytes(range(256)) * 40_000)
    command = "/bin/sh -c 'ls | wc -l; cat n0* | wc -c; sha256sum large | cut -c 1-16'"
    _run(client, models.ResourceFile(storage_container_url=container.url("rl")), command=command)
    assert _output(client) == ["61", "110", "19d6d9faf9ce166a"]


def test_create_task_with_http_url_of_a_blob(client: BatchClient, azurite: Azurite):
    container = azurite.container(a=b"1")
    url = container.url("r").replace("?", "/a?")
    _run(client, models.ResourceFile(http_url=url, file_path="b"))
    assert _output(client) == ["./b 770 1"]


def test_create_task_with_a_container_that_is_not_there(client: BatchClient, azurite: Azurite):
    """A pre-processing error: never retried, no exit code, no secret in it."""
    url = Container(azurite, "missing").url("rl")
    constraints = models.BatchTaskConstraints(max_task_retry_count=3)
    task = _run(client, models.ResourceFile(storage_container_url=url, file_path="x"), constraints=constraints)
    category, code, details = _failure(task)
    assert (category, code, task.execution_info.retry_count) == ("usererror", "ResourceContainerNotFound", 0)
    assert task.execution_info.failure_info.message == "One of the specified Azure Blob container(s) is not found"
    assert (details["StorageContainerUrl"], details["StatusCode"]) == (f"{azurite.url}/missing", "404")
    assert "sig=" not in str(task.execution_info.failure_info.as_dict())


REFUSED: dict[str, tuple[str, Callable[[Container], models.ResourceFile]]] = {
    "without-list": (
        "ResourceContainerAccessDenied", lambda c: models.ResourceFile(storage_container_url=c.url("r")),
    ),
    "without-read": ("BlobAccessDenied", lambda c: models.ResourceFile(storage_container_url=c.url("l"))),
    "expired": (
        "ResourceContainerAccessDenied", lambda c: models.ResourceFile(storage_container_url=c.url("rl", hours=-1)),
    ),
    "of-an-identity": (
        "ResourceContainerAccessDenied",
        lambda c: models.ResourceFile(
            storage_container_url=c.address,
            identity_reference=models.BatchNodeIdentityReference(resource_id="/subscriptions/s/id"),
        ),
    ),
    "http-of-an-identity": (
        "BlobAccessDenied",
        lambda c: models.ResourceFile(
            http_url=f"{c.address}/a", file_path="a",
            identity_reference=models.BatchNodeIdentityReference(resource_id="/subscriptions/s/id"),
        ),
    ),
    "http-without-read": (
        "BlobAccessDenied", lambda c: models.ResourceFile(http_url=c.url("l").replace("?", "/a?"), file_path="a"),
    ),
    "http-missing": (
        "BlobNotFound", lambda c: models.ResourceFile(http_url=c.url("r").replace("?", "/b?"), file_path="a"),
    ),
    "no-auto-storage": (
        "ResourceContainerNotFound", lambda c: models.ResourceFile(auto_storage_container_name=c.name),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_create_task_with_refused_resource_files(client: BatchClient, azurite: Azurite, case: str):
    """The service's codes; the command line never starts, and what the task asked for is shown as it was given."""
    code, make = REFUSED[case]
    file = make(azurite.container(a=b"1"))
    task = _run(client, file)
    assert _failure(task)[:2] == ("usererror", code)
    assert [shown.as_dict() for shown in task.resource_files] == [file.as_dict()]
    names = {item.name for item in client.list_task_files("job", "task", recursive=True)}
    assert "stdout.txt" not in names


def test_create_task_with_blobs_that_are_file_and_folder(client: BatchClient, azurite: Azurite):
    """A container may have what no folder can."""
    container = azurite.container(a=b"1", a__b=b"2")
    category, code, _ = _failure(_run(client, models.ResourceFile(storage_container_url=container.url("rl"))))
    assert (category, code) == ("servererror", "ResourceFileCreateFailed")


def test_create_task_with_auto_storage_container_name(
    client: BatchClient, server: RunningServer, account: str, azurite: Azurite
):
    """The account's own storage, linked by the command line; the task sees neither key nor signature."""
    container = azurite.container(a=b"1", b=b"2")
    linked = server.command(
        "accounts", "auto-storage", account, "--connection-string-stdin", input=azurite.connection_string
    )
    assert (linked.returncode, linked.stdout) == (0, f"{account} has its storage at {azurite.url}.\n")
    file = models.ResourceFile(auto_storage_container_name=container.name, blob_prefix="a", file_path="in")
    task = _run(client, file, command=f"/bin/sh -c '{LIST[12:-1]}; env'")
    listed, *variables = _output(client)
    assert listed == "./in/a 770 1"
    assert not [line for line in variables if "sig=" in line or "AccountKey" in line]
    assert [shown.as_dict() for shown in task.resource_files] == [file.as_dict()]

    missing = _run(client, models.ResourceFile(auto_storage_container_name="missing"), name="second")
    assert _failure(missing)[1] == "ResourceContainerNotFound"
    assert server.command("accounts", "auto-storage", account, "--remove").returncode == 0
    third = _run(client, file, name="third")
    assert "linarite accounts auto-storage" in _failure(third)[2]["Message"]


def test_create_task_with_auto_storage_by_a_signature(
    client: BatchClient, server: RunningServer, account: str, azurite: Azurite
):
    """A connection string may hold a signature in place of the key."""
    container = azurite.container(a=b"1")
    text = f"BlobEndpoint={azurite.url};SharedAccessSignature={azurite.signature()}"
    assert server.command("accounts", "auto-storage", account, "--connection-string-stdin", input=text).returncode == 0
    _run(client, models.ResourceFile(auto_storage_container_name=container.name))
    assert _output(client) == ["./a 770 1"]


def test_create_job_with_a_manager_task_that_brings_blobs(client: BatchClient, azurite: Azurite):
    container = azurite.container(a=b"1")
    manager = models.BatchJobManagerTask(
        id="manager", command_line=LIST,
        resource_files=[models.ResourceFile(storage_container_url=container.url("rl"))],
    )  # fmt: skip
    client.create_job(
        models.BatchJobCreateOptions(
            id="managed", pool_info=models.BatchPoolInfo(pool_id="pool"), job_manager_task=manager
        )
    )
    assert wait_task(client, "managed", "manager").execution_info.exit_code == 0
    assert b"".join(client.download_task_file("managed", "manager", "stdout.txt")) == b"./a 770 1\n"


def test_start_task_and_preparation_task_bring_blobs(client: BatchClient, azurite: Azurite):
    """What the service runs on a node has its files as tasks have."""
    container = azurite.container(a=b"1")
    files = [models.ResourceFile(storage_container_url=container.url("rl"), file_path="in")]
    line = "/bin/sh -c 'cat in/a'"
    make_pool(client, "started", nodes=1, start_task=models.BatchStartTask(command_line=line, resource_files=files))
    client.create_job(models.BatchJobCreateOptions(id="any", pool_info=models.BatchPoolInfo(pool_id="started")))
    client.create_task("any", models.BatchTaskCreateOptions(id="t", command_line="true"))
    wait_task(client, "any", "t")
    [node] = client.list_nodes("started")
    assert node.start_task_info.exit_code == 0
    client.create_job(
        models.BatchJobCreateOptions(
            id="prepared", pool_info=models.BatchPoolInfo(pool_id="started"),
            job_preparation_task=models.BatchJobPreparationTask(command_line=line, resource_files=files),
        )
    )  # fmt: skip
    client.create_task(
        "prepared",
        models.BatchTaskCreateOptions(id="t", command_line="/bin/sh -c 'cat $AZ_BATCH_JOB_PREP_WORKING_DIR/in/a'"),
    )
    assert wait_task(client, "prepared", "t").execution_info.exit_code == 0
    assert b"".join(client.download_task_file("prepared", "t", "stdout.txt")) == b"1"


def test_terminate_task_that_still_brings_blobs(client: BatchClient, azurite: Azurite, silent_url: str):
    """It ends at once, and its slot takes the next task."""
    file = models.ResourceFile(storage_container_url=f"{silent_url}container?sig=x")
    client.create_task("job", models.BatchTaskCreateOptions(id="slow", command_line="true", resource_files=[file]))
    wait_task(client, "job", "slow", "preparing")
    client.terminate_task("job", "slow")
    info = wait_task(client, "job", "slow").execution_info
    assert (info.failure_info.code, info.exit_code) == ("TaskEnded", 143)
    container = azurite.container(a=b"1")
    assert _run(client, models.ResourceFile(storage_container_url=container.url("rl"))).execution_info.exit_code == 0
