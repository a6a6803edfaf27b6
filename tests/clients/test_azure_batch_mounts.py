"""A file share on a pool's nodes: what tasks write the files client reads, and the reverse; what cannot be mounted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import ShareClient
from tests.support.batch import MACHINE, batch_client, make_pool, wait_task
from tests.support.provider import Provider
from tests.support.server import DEVELOPMENT_KEY, RunningServer

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def share_client(server: RunningServer, account: str, name: str = "data") -> ShareClient:
    credential = {"account_name": account, "account_key": DEVELOPMENT_KEY}
    return ShareClient(f"{server.files}/{account}", name, credential=credential)


def share(server: RunningServer, account: str, name: str = "data") -> ShareClient:
    made = share_client(server, account, name)
    made.create_share()
    return made


def mount(server: RunningServer, account: str, path: str = "in/data", **other: Any) -> models.MountConfiguration:
    facts = {
        "account_name": account, "azure_file_url": f"{server.files}/{account}/data", "account_key": DEVELOPMENT_KEY,
        "relative_mount_path": path, **other,
    }  # fmt: skip
    return models.MountConfiguration(azure_file_share_configuration=models.AzureFileShareConfiguration(**facts))


def make_job(client: BatchClient) -> None:
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))


def run(client: BatchClient, name: str, script: str, user: str | None = None, code: int = 0) -> str:
    """What a task wrote; its script is run in the folder of mounts."""
    identity = None if user is None else models.UserIdentity(username=user)
    command = f"/bin/sh -c 'cd $AZ_BATCH_NODE_MOUNTS_DIR && {script}'"
    client.create_task("j", models.BatchTaskCreateOptions(id=name, command_line=command, user_identity=identity))
    info = wait_task(client, "j", name).execution_info
    said = b"".join(client.download_task_file("j", name, "stderr.txt")).decode()
    assert info.exit_code == code, (info.failure_info, said)
    return b"".join(client.download_task_file("j", name, "stdout.txt")).decode()


def settled(client: BatchClient, state: str = "idle") -> models.BatchNode:
    deadline = time.monotonic() + 30
    while (found := next(iter(client.list_nodes("p")))).state != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


def test_tasks_and_the_files_client_share_files(server: RunningServer, account: str, client: BatchClient) -> None:
    """Each reads and changes what the other wrote."""
    files = share(server, account)
    directory = files.create_directory("sub")
    directory.upload_file("from-client.txt", b"client\n")
    make_pool(client, "p", mount_configuration=[mount(server, account)])
    make_job(client)
    assert run(client, "read", "cat in/data/sub/from-client.txt") == "client\n"
    run(
        client,
        "write",
        "echo task > in/data/sub/from-task.txt; echo more >> in/data/sub/from-client.txt; mkdir in/data/made",
    )
    assert directory.get_file_client("from-task.txt").download_file().readall() == b"task\n"
    assert directory.get_file_client("from-client.txt").download_file().readall() == b"client\nmore\n"
    files.get_directory_client("made").upload_file("later.txt", b"later\n")
    directory.get_file_client("from-task.txt").upload_file(b"changed\n")
    assert run(client, "again", "cat in/data/sub/from-task.txt in/data/made/later.txt") == "changed\nlater\n"
    names = {item["name"] for item in files.get_directory_client("made").list_directories_and_files()}
    assert names == {"later.txt"}
    shown = client.get_pool("p").mount_configuration[0].azure_file_share_configuration
    assert (shown.account_name, shown.relative_mount_path, shown.get("accountKey")) == (account, "in/data", None)
    stored = b"".join(path.read_bytes() for path in (server.data / "server").glob("linarite.db*"))
    assert DEVELOPMENT_KEY.encode() not in stored


def test_users_of_a_pool_share_files_with_its_other_tasks(
    server: RunningServer, account: str, client: BatchClient
) -> None:
    files = share(server, account)
    anna = models.UserAccount(name="anna", password="x")
    make_pool(client, "p", mount_configuration=[mount(server, account)], user_accounts=[anna])
    make_job(client)
    run(client, "write", "mkdir in/data/made")
    files.get_directory_client("made").upload_file("later.txt", b"later\n")
    assert run(client, "user", "cat in/data/made/later.txt && echo hers > in/data/made/hers.txt", "anna") == "later\n"
    assert run(client, "again", "cat in/data/made/hers.txt") == "hers\n"
    names = {item["name"] for item in files.get_directory_client("made").list_directories_and_files()}
    assert names == {"later.txt", "hers.txt"}


def test_share_outlives_its_nodes(server: RunningServer, account: str, client: BatchClient, provider: Provider) -> None:
    """A reboot, a new image and the end of the node leave its files; nothing stays mounted."""
    files = share(server, account)
    files.get_file_client("kept").upload_file(b"kept")
    make_pool(client, "p", mount_configuration=[mount(server, account)])
    make_job(client)
    for step, action in enumerate(("reboot", "reimage")):
        assert run(client, f"t{step}", "cat in/data/kept") == "kept"
        client.send_request(_post(client, f"/pools/p/nodes/{settled(client).id}/{action}"))
        settled(client)
    assert run(client, "last", "cat in/data/kept") == "kept"
    if AS_ROOT and provider.cluster is None:
        assert _mounted(server, account)
    client.begin_delete_pool("p", polling_interval=0.05).result()
    deadline = time.monotonic() + 30
    while list(server.data.glob(f"nodes/{account}/p")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not _mounted(server, account)
    assert files.get_file_client("kept").download_file().readall() == b"kept"


def _post(client: BatchClient, path: str) -> Any:
    from azure.core.rest import HttpRequest

    return HttpRequest("POST", f"{path}?api-version=2025-06-01", headers={"Content-Length": "0"})


def _mounted(server: RunningServer, account: str) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if f"{server.data}/nodes/{account}/" in line]


def test_mounts_come_back_with_a_killed_server(account: str, provider: Provider) -> None:
    """What is lost with the machine (here: let go by hand) is there again before a task runs."""
    with provider.server() as server, batch_client(server, account) as client:
        share(server, account).get_file_client("kept").upload_file(b"kept")
        make_pool(client, "p", mount_configuration=[mount(server, account)])
        make_job(client)
        server.kill9()
        place = next(server.data.glob(f"nodes/{account}/p/*/fsmounts/in/data"))
        if place.is_symlink():
            place.unlink()
        else:
            assert os.system(f"umount -l {place}") == 0
        server.start()
        assert run(client, "t", "cat in/data/kept") == "kept"
        client.begin_delete_pool("p", polling_interval=0.05).result()


def test_mount_that_cannot_come_back_takes_its_node_out_of_service(account: str, provider: Provider) -> None:
    """A node that has lost its share says so, in place of running tasks that would write beside it."""
    with provider.server() as server, batch_client(server, account) as client:
        data = share(server, account)
        make_pool(client, "p", mount_configuration=[mount(server, account)])
        data.delete_share()
        server.kill9()
        place = next(server.data.glob(f"nodes/{account}/p/*/fsmounts/in")) / "data"
        os.system(f"umount -l {place} 2>/dev/null || rm -f {place}")
        server.start()
        node = settled(client, "unusable")
        assert [error.code for error in node.errors] == ["MountConfigurationError"]
        make_job(client)
        client.create_task("j", models.BatchTaskCreateOptions(id="t", command_line="/bin/true"))
        assert client.get_task("j", "t").state == "active"


BAD_KEY = "d3JvbmcgcGFzc3dvcmQ="


@pytest.mark.parametrize(
    ("other", "word"),
    [
        ({"account_key": BAD_KEY}, "keys"), ({"account_key": "no base64"}, "keys"),
        ({"account_name": "nobodyknows1", "azure_file_url": "https://nobodyknows1.file.core.windows.net/data",
          "account_key": BAD_KEY}, "keys"),
        ({"azure_file_url": "https://x.file.core.windows.net/none"}, "'none'"),
        ({"account_name": "anotheraccount", "azure_file_url": "https://anotheraccount.file.core.windows.net/data"},
         "anotheraccount"),
    ],
    ids=["key", "garbage", "account", "share", "another's"],
)  # fmt: skip
def test_share_that_cannot_be_mounted_makes_the_node_unusable(
    server: RunningServer, account: str, client: BatchClient, other: dict[str, str], word: str
) -> None:
    share(server, account)
    make_pool(client, "p", mount_configuration=[mount(server, account, **other)])
    (error,) = settled(client, "unusable").errors
    assert error.code == "MountConfigurationError"
    details = {pair.name: pair.value for pair in error.error_details}
    assert details["MountConfigurationPath"] == "in/data"
    assert word in details["Message"]


@pytest.mark.parametrize(
    "configuration",
    [
        {"nfsMountConfiguration": {"source": "10.0.0.1:/x", "relativeMountPath": "n"}},
        {
            "cifsMountConfiguration": {
                "source": "//h/x", "username": "u", "password": "hidden", "relativeMountPath": "n",
            }
        },
        {"azureBlobFileSystemConfiguration": {"accountName": "a", "containerName": "c", "relativeMountPath": "n"}},
    ],
    ids=["nfs", "cifs", "blobfuse"],
)  # fmt: skip
def test_what_is_no_share_of_ours_makes_the_node_unusable(client: BatchClient, configuration: dict[str, Any]) -> None:
    make_pool(client, "p", mount_configuration=[configuration])
    (error,) = settled(client, "unusable").errors
    assert error.code == "MountConfigurationError"
    assert client.get_pool("p").allocation_state == "steady"
    counts = next(iter(client.list_pool_node_counts(filter="poolId eq 'p'")))
    assert (counts.dedicated.unusable, counts.dedicated.total) == (1, 1)


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"relative_mount_path": "../up"}, "InvalidPropertyValue"),
        ({"relative_mount_path": "/x"}, "InvalidPropertyValue"),
        ({"azure_file_url": "here"}, "InvalidPropertyValue"), ({"account_key": None}, "MissingRequiredProperty"),
        ({"account_name": None}, "MissingRequiredProperty"),
    ],
)  # fmt: skip
def test_bad_mount_is_refused(
    server: RunningServer, account: str, client: BatchClient, other: dict[str, Any], code: str
) -> None:
    made = mount(server, account, **other).as_dict()
    part = {name: value for name, value in made["azureFileShareConfiguration"].items() if value is not None}
    pool = {"id": "p", "vmSize": "s", "virtualMachineConfiguration": MACHINE.as_dict()}
    with pytest.raises(HttpResponseError) as caught:
        client.create_pool({**pool, "mountConfiguration": [{"azureFileShareConfiguration": part}]})
    assert (caught.value.status_code, caught.value.error.code) == (400, code)


@pytest.mark.root
def test_task_changes_nothing_that_is_mounted_for_reading(
    server: RunningServer, account: str, client: BatchClient
) -> None:
    share(server, account).get_file_client("kept").upload_file(b"kept")
    make_pool(client, "p", mount_configuration=[mount(server, account, mount_options="-o vers=3.0,ro")])
    make_job(client)
    assert run(client, "read", "cat in/data/kept") == "kept"
    run(client, "write", "echo x > in/data/kept", code=2)
