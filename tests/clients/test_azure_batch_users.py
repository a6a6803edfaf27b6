"""Tasks that run as a user of their pool, through the real client: who they are, what they share, what is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError
from tests.support.batch import MACHINE, batch_client, make_pool, wait_task
from tests.support.provider import Provider
from tests.support.server import RunningServer

WHO = "/bin/sh -c 'id -u; id -g; echo $USER'"
SECRET = "hidden-password-of-anna"
ANNA = models.UserAccount(
    name="anna", password=SECRET,
    linux_user_configuration=models.LinuxUserConfiguration(uid=1000, gid=1000, ssh_private_key="hidden-key"),
)  # fmt: skip
BOSS = models.UserAccount(name="boss", password="x", elevation_level="admin")
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def add(client: BatchClient, name: str, user: str | None, command: str = WHO) -> None:
    identity = None if user is None else models.UserIdentity(username=user)
    client.create_task("j", models.BatchTaskCreateOptions(id=name, command_line=command, user_identity=identity))


def said(client: BatchClient, name: str) -> list[str]:
    """What a task wrote, once it has ended well."""
    found = wait_task(client, "j", name)
    assert found.execution_info.exit_code == 0, found.execution_info
    return b"".join(client.download_task_file("j", name, "stdout.txt")).decode().split()


def make_job(client: BatchClient, **options: Any) -> None:
    client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p"), **options))


def test_task_runs_as_the_user_of_its_pool(server: RunningServer, client: BatchClient) -> None:
    """As root one of their own, never the number that was asked for: that may be a person's on this machine."""
    make_pool(client, "p", user_accounts=[ANNA, BOSS])
    make_job(client)
    add(client, "plain", None)
    add(client, "named", "anna")
    plain, named = said(client, "plain"), said(client, "named")
    assert named[2] == "anna"
    if AS_ROOT:
        assert named[0] not in {plain[0], "0", "1000"}
        assert named[1] == plain[1]
    assert client.get_task("j", "named").user_identity.username == "anna"
    shown = client.get_pool("p").user_accounts
    assert [(user.name, user.elevation_level, user.get("password")) for user in shown] == [
        ("anna", None, None), ("boss", "admin", None),
    ]  # fmt: skip
    assert shown[0].linux_user_configuration.as_dict() == {"uid": 1000, "gid": 1000}
    stored = b"".join(path.read_bytes() for path in (server.data / "server").glob("linarite.db*"))
    assert b"anna" in stored
    assert b"hidden" not in stored


def test_what_a_start_task_prepares_serves_the_users(client: BatchClient) -> None:
    """The start, preparation and release tasks may be a user's too."""
    make = "/bin/sh -c 'id -u >> $AZ_BATCH_NODE_SHARED_DIR/who'"
    anna = models.UserIdentity(username="anna")
    make_pool(
        client, "p", user_accounts=[ANNA], start_task=models.BatchStartTask(command_line=make, user_identity=anna)
    )
    make_job(client, job_preparation_task=models.BatchJobPreparationTask(command_line=make, user_identity=anna))
    add(client, "t", None, "/bin/sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/who; id -u'")
    first, second, own = said(client, "t")
    assert first == second
    assert (first == own) is not AS_ROOT


def test_user_that_the_pool_does_not_have_runs_nothing(client: BatchClient) -> None:
    make_pool(client, "p", user_accounts=[ANNA])
    make_job(client)
    add(client, "t", "nobody")
    info = wait_task(client, "j", "t").execution_info
    assert (info.exit_code, info.result, info.failure_info.category) == (None, "failure", "usererror")
    assert info.failure_info.code == "CommandLaunchFailed"
    assert "nobody" in info.failure_info.message


def test_administrator_is_one_where_the_settings_allow_it(
    client: BatchClient, account: str, provider: Provider
) -> None:
    make_pool(client, "p", user_accounts=[BOSS])
    make_job(client)
    add(client, "t", "boss")
    assert wait_task(client, "j", "t").execution_info.failure_info.code == "CommandLaunchFailed"
    with provider.server(allow_elevated=True) as server, batch_client(server, account) as other:
        make_pool(other, "p", user_accounts=[BOSS])
        make_job(other)
        add(other, "t", "boss")
        assert said(other, "t") == [str(os.geteuid()), str(os.getegid()), "boss"]


@pytest.mark.parametrize(
    ("user", "code"),
    [
        ({"password": "x"}, "MissingRequiredProperty"), ({"name": "a"}, "MissingRequiredProperty"),
        ({"name": "a" * 21, "password": "x"}, "InvalidPropertyValue"),
        ({"name": "a", "password": "x", "elevationLevel": "king"}, "InvalidPropertyValue"),
        ({"name": "a", "password": "x", "linuxUserConfiguration": {"uid": 5}}, "MissingRequiredProperty"),
        ({"name": "a", "password": "x", "windowsUserConfiguration": {"loginMode": "x"}}, "InvalidPropertyValue"),
        ({"name": "anna", "password": "x"}, "InvalidPropertyValue"),
    ],
)  # fmt: skip
def test_bad_user_account_is_refused(client: BatchClient, user: dict[str, Any], code: str) -> None:
    pool = {
        "id": "p", "vmSize": "s", "virtualMachineConfiguration": MACHINE.as_dict(),
        "userAccounts": [ANNA.as_dict(), user],
    }  # fmt: skip
    with pytest.raises(HttpResponseError) as caught:
        client.create_pool(pool)
    assert (caught.value.status_code, caught.value.error.code) == (400, code)
    assert list(client.list_pools()) == []
