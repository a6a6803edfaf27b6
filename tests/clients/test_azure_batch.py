"""The real azure-batch client, sync and async, against the Batch face: what programs do, and what they catch."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from azure.batch import BatchClient, models
from azure.batch.aio import BatchClient as AsyncBatchClient
from azure.core import MatchConditions
from azure.core.credentials import AccessToken, AzureNamedKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)  # fmt: skip
from tests.support.batch import MACHINE, batch_client, held, make_pool, wait_task
from tests.support.provider import Provider
from tests.support.server import DEVELOPMENT_KEY, RunningServer


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account, retries=0) as client:
        yield client


def make_job(client: BatchClient, name: str = "j", pool: str = "p", **options: Any) -> None:
    client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=pool), **options))


def task(name: str, command: str = "/bin/sh -c 'echo hello'", **options: Any) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=name, command_line=command, **options)


def test_job_runs_from_its_pool_to_its_output(client: BatchClient):
    """The way of most programs: pool, job, tasks, wait, read stdout.txt, clean up."""
    make_pool(client, "p", nodes=2, slots=2)
    make_job(client)
    result = client.create_tasks("j", [task(f"t{number}") for number in range(10)])
    assert {one.status for one in result.result_values} == {"success"}
    for number in range(10):
        assert wait_task(client, "j", f"t{number}").execution_info.exit_code == 0
        assert b"".join(client.download_task_file("j", f"t{number}", "stdout.txt")) == b"hello\n"
    counts = client.get_job_task_counts("j").task_counts
    assert (counts.completed, counts.succeeded, counts.active) == (10, 10, 0)
    client.begin_delete_job("j", polling_interval=0.05).result()
    client.begin_delete_pool("p", polling_interval=0.05).result()
    assert list(client.list_pools()) == []


def test_create_tasks_halves_what_is_too_large(client: BatchClient):
    """100 tasks of 20 kB are 2 MB: the server says 413, the client tries halves, and all arrive."""
    make_job(client)
    big = [models.EnvironmentSetting(name="BIG", value="x" * 20_000)]
    result = client.create_tasks("j", [task(f"t{n}", environment_settings=big) for n in range(150)], max_concurrency=2)
    assert len(result.result_values) == 150
    assert client.get_job_task_counts("j").task_counts.active == 150


def test_create_tasks_tells_of_the_one_that_is_too_large(client: BatchClient):
    make_job(client)
    huge = task("huge", environment_settings=[models.EnvironmentSetting(name="BIG", value="x" * 1_200_000)])
    with pytest.raises(models.CreateTasksError) as caught:
        client.create_tasks("j", [huge])
    assert caught.value.errors[0].error.code == "RequestBodyTooLarge"


def test_create_tasks_tells_of_bad_ones_and_takes_repeated_ones(client: BatchClient):
    """TaskExists is a success for this client, so that it may try again."""
    make_job(client)
    client.create_task("j", task("a"))
    with pytest.raises(models.CreateTasksError) as caught:
        client.create_tasks("j", [task("a"), task("b"), task("bad id")])
    assert [failure.task_id for failure in caught.value.failure_tasks] == ["bad id"]
    assert caught.value.failure_tasks[0].error.code == "InvalidPropertyValue"
    assert {found.id for found in client.list_tasks("j")} == {"a", "b"}


def test_list_tasks_goes_through_all_pages(client: BatchClient):
    make_job(client)
    client.create_tasks("j", [task(f"t{number:03}") for number in range(120)])
    names = [found.id for found in client.list_tasks("j", max_results=50)]
    assert sorted(names) == [f"t{number:03}" for number in range(120)]
    picked = list(
        client.list_tasks("j", filter="startswith(id,'t00') and state eq 'active'", select=["id"], max_results=3)
    )
    assert sorted(found.id for found in picked) == [f"t00{number}" for number in range(10)]
    assert picked[0].command_line is None


def test_list_tasks_is_filtered_selected_and_expanded(client: BatchClient):
    """What the client asks for is what it gets, and nothing besides; numbers of 64 bits are numbers to it."""
    make_pool(client, "p")
    make_job(client)
    client.create_tasks("j", [task("good"), task("bad", "/bin/sh -c 'exit 3'"), task("other")])
    for name in ("good", "bad", "other"):
        wait_task(client, "j", name)
    (found,) = client.list_tasks("j", filter="executionInfo/exitCode eq 3", select=["id", "stats"], expand=["stats"])
    assert (found.id, found.state, found.command_line) == ("bad", None, None)
    assert found.task_statistics.wall_clock_time.total_seconds() > 0
    assert isinstance(found.task_statistics.read_iops, int)
    job = client.get_job("j", expand=["stats"])
    assert (job.job_statistics.succeeded_tasks_count, job.job_statistics.failed_tasks_count) == (2, 1)
    assert client.get_job("j").job_statistics is None
    pool = client.get_pool("p", expand=["stats"])
    assert pool.pool_statistics.usage_statistics.dedicated_core_time.total_seconds() > 0
    assert client.get_pool("p").pool_statistics is None


def test_list_pool_usage_metrics_of_an_account_that_is_new(client: BatchClient):
    """Nothing is two hours old yet."""
    make_pool(client, "p")
    assert list(client.list_pool_usage_metrics()) == []


def test_get_of_what_is_not_there_is_not_found(client: BatchClient):
    for get in (client.get_pool, client.get_job):
        with pytest.raises(ResourceNotFoundError) as caught:
            get("none")
        assert caught.value.error.code in {"PoolNotFound", "JobNotFound"}
    assert "(JobNotFound) The specified job does not exist." in str(caught.value)


def test_create_of_what_is_there_is_exists(client: BatchClient):
    make_job(client)
    with pytest.raises(ResourceExistsError, match=r"\(JobExists\) The specified job already exists\."):
        make_job(client)


def test_wrong_key_is_an_authentication_error(server: RunningServer):
    wrong = base64.b64encode(b"wrong").decode()
    client = BatchClient(server.batch, AzureNamedKeyCredential("devaccount", wrong), retry_total=0, **held())
    with pytest.raises((ClientAuthenticationError, HttpResponseError)) as caught:
        list(client.list_pools())
    assert caught.value.status_code == 403
    assert caught.value.error.code == "AuthenticationFailed"


def test_update_with_an_old_tag_is_modified(client: BatchClient):
    make_job(client)
    old = client.get_job("j")["eTag"]
    client.update_job(
        "j", models.BatchJobUpdateOptions(priority=5), etag=old, match_condition=MatchConditions.IfNotModified
    )
    with pytest.raises(ResourceModifiedError):
        client.update_job(
            "j", models.BatchJobUpdateOptions(priority=6), etag=old, match_condition=MatchConditions.IfNotModified
        )  # fmt: skip
    assert client.get_job("j").priority == 5


def test_replace_job_with_the_job_as_it_was_read(client: BatchClient):
    """The client sends what it may of a model that it got."""
    make_job(client, display_name="J", metadata=[models.BatchMetadataItem(name="a", value="b")])
    job = client.get_job("j")
    job.priority = 77
    client.replace_job("j", job)
    assert (client.get_job("j").priority, client.get_job("j").metadata[0].value) == (77, "b")


def test_pollers_of_a_job_come_to_their_end(client: BatchClient):
    make_pool(client, "p")
    make_job(client)
    client.create_task("j", task("t", "/bin/sleep 60"))
    wait_task(client, "j", "t", "running")
    options = models.BatchJobDisableOptions(disable_tasks="requeue")
    client.begin_disable_job("j", options, polling_interval=0.05).result()
    assert client.get_job("j").state == "disabled"
    assert wait_task(client, "j", "t", "active").execution_info.requeue_count == 1
    client.begin_enable_job("j", polling_interval=0.05).result()
    wait_task(client, "j", "t", "running")
    client.begin_terminate_job("j", {"terminateReason": "UserTerminate"}, polling_interval=0.05).result()
    job = client.get_job("j")
    assert (job.state, job.execution_info.termination_reason) == ("completed", "UserTerminate")
    assert client.get_task("j", "t").execution_info.failure_info.code == "TaskEnded"


def test_pollers_of_a_pool_come_to_their_end(client: BatchClient):
    make_pool(client, "p")
    client.begin_resize_pool(
        "p", models.BatchPoolResizeOptions(target_dedicated_nodes=3), polling_interval=0.05
    ).result()
    ids = [node.id for node in client.list_nodes("p")]
    assert len(ids) == 3
    client.begin_remove_nodes("p", models.BatchNodeRemoveOptions(node_ids=ids[:1]), polling_interval=0.05).result()
    assert client.get_pool("p").target_dedicated_nodes == 2
    client.disable_node_scheduling(
        "p", ids[-1], models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    )
    assert client.get_node("p", ids[-1]).scheduling_state == "disabled"
    client.enable_node_scheduling("p", ids[-1])
    (counts,) = client.list_pool_node_counts()
    assert (counts.dedicated.idle, counts.dedicated.total) == (2, 2)


def test_files_of_a_task_are_listed_read_and_deleted(client: BatchClient):
    make_pool(client, "p")
    make_job(client)
    client.create_task("j", task("t", "/bin/sh -c 'mkdir out; echo 0123456789 > out/data.txt'"))
    wait_task(client, "j", "t")
    names = {found.name for found in client.list_task_files("j", "t", recursive=True) if not found.is_directory}
    assert names == {"stdout.txt", "stderr.txt", "wd/out/data.txt"}
    properties = client.get_task_file_properties("j", "t", "wd/out/data.txt")
    assert (properties.content_length, properties.is_directory) == (11, False)
    part = client.download_task_file("j", "t", "wd/out/data.txt", ocp_range="bytes=2-5")
    assert b"".join(part) == b"2345"
    then = properties.last_modified + dt.timedelta(hours=1)
    with pytest.raises(HttpResponseError) as caught:
        client.download_task_file("j", "t", "wd/out/data.txt", if_modified_since=then)
    assert caught.value.status_code == 304
    client.delete_task_file("j", "t", "wd/out", recursive=True)
    with pytest.raises(ResourceNotFoundError):
        client.download_task_file("j", "t", "wd/out/data.txt")
    node = client.get_task("j", "t").node_info.node_id
    whole = client.download_node_file("p", node, "workitems/j/job-1/t/stdout.txt")
    assert b"".join(whole) == b""


def test_large_file_comes_whole(client: BatchClient):
    """32 MiB in pieces, the same bytes."""
    make_pool(client, "p")
    make_job(client)
    client.create_task("j", task("t", "/bin/sh -c 'head -c 33554432 /dev/zero'"))
    wait_task(client, "j", "t")
    total = 0
    for piece in client.download_task_file("j", "t", "stdout.txt"):
        assert not piece.strip(b"\0")
        total += len(piece)
    assert total == 33554432


def test_service_timeout_and_request_ids_are_taken(client: BatchClient):
    """This client signs `timeOut` in its own letters."""
    assert list(client.list_jobs(service_timeout=45)) == []
    assert list(client.list_pools(service_timeout=5, ocp_date=dt.datetime.now(dt.UTC))) == []


def test_supported_images_are_listed(client: BatchClient):
    assert any(image.os_type == "linux" for image in client.list_supported_images())


async def scenario(url: str, account: str) -> list[str]:
    """The async client through the same server."""
    async with AsyncBatchClient(url, AzureNamedKeyCredential(account, DEVELOPMENT_KEY), **held()) as client:
        info = models.BatchPoolInfo(
            auto_pool_specification=models.BatchAutoPoolSpecification(
                pool_lifetime_option="job",
                pool=models.BatchPoolSpecification(
                    vm_size="standard_d1", virtual_machine_configuration=MACHINE, target_dedicated_nodes=1
                ),
            )
        )
        await client.create_job(models.BatchJobCreateOptions(id="j", pool_info=info))
        await client.create_tasks("j", [task(f"t{number}") for number in range(3)])
        deadline = time.monotonic() + 30
        while (await client.get_job_task_counts("j")).task_counts.completed < 3:
            assert time.monotonic() < deadline
        names = [
            found.id async for found in client.list_tasks("j", filter="executionInfo/exitCode eq 0", max_results=2)
        ]
        output = b"".join([piece async for piece in await client.download_task_file("j", "t0", "stdout.txt")])
        assert output == b"hello\n"
        poller = await client.begin_delete_job("j", polling_interval=0.05)
        await poller.result()
        assert [pool.id async for pool in client.list_pools()] == []
        return sorted(names)


def test_async_client_runs_a_job_on_an_auto_pool(server: RunningServer, account: str):
    assert asyncio.run(scenario(server.batch, account)) == ["t0", "t1", "t2"]


class DevelopmentToken:
    """A credential that gives a token signed with the account's key, as development mode takes them."""

    def __init__(self, account: str) -> None:
        self.account = account

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://batch.core.windows.net//.default",)
        until = int(time.time()) + 600
        claims = {"aud": "https://batch.core.windows.net/", "exp": until, "sub": "me", "account": self.account}
        return AccessToken(jwt.encode(claims, base64.b64decode(DEVELOPMENT_KEY), "HS256"), until)


def test_bearer_token_over_https(account: str, provider: Provider):
    """azure-core sends tokens over https alone: the server's own certificate authority is trusted by its file."""
    with provider.server(tls=True) as server:
        assert server.batch.startswith("https://")
        with BatchClient(server.batch, DevelopmentToken(account), connection_verify=str(server.ca), **held()) as client:
            make_job(client)
            assert [job.url for job in client.list_jobs()] == [f"{server.batch}/jobs/j"]
