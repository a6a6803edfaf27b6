"""Answers held against the specification: every property known, of its type, none that is required left out.

Every answer in the tests of this face is, where LINARITE_SPECS names the folder: `tests.support.specification`.
"""

from __future__ import annotations

import json
import uuid
from types import SimpleNamespace

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support import specification
from tests.support.batch import batch_client
from tests.support.proxy import checking
from tests.support.server import RunningServer

pytestmark = pytest.mark.specs

TASK = {
    "id": "t", "commandLine": "/bin/sh -c 'exit 3'", "displayName": "T",
    "resourceFiles": [{"httpUrl": "http://127.0.0.1:1/a", "filePath": "a", "fileMode": "0755"}],
    "environmentSettings": [{"name": "A", "value": "B"}], "affinityInfo": {"affinityId": "TVM:x"},
    "constraints": {"maxWallClockTime": "PT1H", "maxTaskRetryCount": 1},
    "userIdentity": {"autoUser": {"scope": "task"}}, "dependsOn": {"taskIds": [], "taskIdRanges": []},
    "exitConditions": {"exitCodes": [{"code": 3, "exitOptions": {"dependencyAction": "satisfy"}}]},
}  # fmt: skip


@pytest.fixture(scope="module")
def busy(server: RunningServer) -> RawBatch:
    """A pool with a node, a job with everything, tasks that failed, that wait and that were refused."""
    batch = RawBatch(server.batch, f"s{uuid.uuid4().hex[:20]}")
    batch.make_pool(
        "p", targetDedicatedNodes=1, displayName="P", metadata=[{"name": "a", "value": "b"}],
        taskSchedulingPolicy={"nodeFillType": "pack", "jobDefaultOrder": "none"},
        networkConfiguration={"dynamicVNetAssignmentScope": "none"},
        userAccounts=[{"name": "u", "password": "x"}],
    )  # fmt: skip
    batch.make_pool("q", targetDedicatedNodes=1, startTask={"commandLine": "/bin/true"})
    batch.make_job(
        "j", "p", usesTaskDependencies=True, displayName="J", commonEnvironmentSettings=[{"name": "A", "value": "B"}],
        metadata=[{"name": "a", "value": "b"}],
    )  # fmt: skip
    prepared = {"jobPreparationTask": {"commandLine": "/bin/true"}, "jobReleaseTask": {"commandLine": "x"}}
    batch.make_job("k", "p", jobManagerTask={"id": "m", "commandLine": "/bin/true"}, **prepared)
    batch.wait_task("k", "m")
    specification = {"poolInfo": {"poolId": "p"}, "jobManagerTask": {"id": "m", "commandLine": "/bin/true"}, **prepared}
    whole = {"doNotRunUntil": "2020-01-01T00:00:00Z", "doNotRunAfter": "2990-01-01T00:00:00Z", "startWindow": "PT1M"}
    for name, schedule in (("every", {**whole, "recurrenceInterval": "PT1H"}), ("once", {})):
        batch.call("POST", "/jobschedules", {"id": name, "schedule": schedule, "jobSpecification": specification})
    batch.call("POST", "/jobschedules/once/terminate")
    batch.call("POST", "/jobs/j/tasks", {"id": "plain", "commandLine": "/bin/sh -c 'exit 3'"})
    batch.wait_task("j", "plain")
    batch.call("POST", "/jobs/j/tasks", TASK)
    batch.call("POST", "/jobs/j/tasks", {"id": "waits", "commandLine": "x", "dependsOn": {"taskIds": ["none"]}})
    return batch


@pytest.mark.parametrize(
    "target",
    [
        "/pools", "/pools/p", "/pools/p/nodes", "/pools/q/nodes", "/jobs", "/jobs/k", "/jobs/j/tasks",
        "/jobs/j/tasks/plain", "/jobs/k/jobpreparationandreleasetaskstatus", "/jobs/j/taskcounts", "/nodecounts",
        "/jobschedules", "/jobschedules/every", "/jobschedules/once", "/jobschedules/every/jobs", "/supportedimages",
        "/jobs/j/tasks/plain/files?recursive=true",
    ],
)  # fmt: skip
def test_answer_agrees_with_the_specification(busy: RawBatch, target: str):
    """Every answer that the raw client is given is checked; these are of a busy account, and hold something."""
    answer = busy.call("GET", target)
    assert answer.status == 200
    assert answer.json.get("value", True)


def test_result_of_a_collection_agrees_with_the_specification(busy: RawBatch):
    tasks = [{"id": "new", "commandLine": "x"}, {"id": "plain", "commandLine": "x"}, {}]
    assert busy.call("POST", "/jobs/j/addtaskcollection", {"value": tasks}).status == 200


def test_any_client_can_be_checked_through_a_proxy(busy: RawBatch, server: RunningServer):
    """Signatures hold, links lead through it, bodies come whole."""
    with checking(server.batch) as proxy:
        client = batch_client(SimpleNamespace(urls={"batch": proxy.url}), busy.account)
        assert [task.id for task in client.list_tasks("j", max_results=1)][:2] == ["plain", "t"]
        assert b"".join(client.download_task_file("j", "plain", "stderr.txt")) == b""
        assert proxy.seen >= 3
        proxy.check()


GOOD = (b'{"odata.metadata":"http://h/$metadata#pools/@Element","id":"p","url":"http://h/pools/p","eTag":"0x1",'
    b'"lastModified":"2026-01-01T00:00:00Z","creationTime":"2026-01-01T00:00:00Z","state":"active",'
    b'"stateTransitionTime":"2026-01-01T00:00:00Z","allocationState":"steady","vmSize":"x","resizeTimeout":"PT15M"}'
)  # fmt: skip


def faults(body: bytes = GOOD, target: str = "/pools/p?api-version=2023-05-01.17.0", status: int = 200, **headers: str):
    given = {
        "content-type": "application/json;odata=minimalmetadata", "request-id": str(uuid.uuid4()), "etag": "0x1",
        "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT", "server": "x",
        "dataserviceversion": "3.0", "x-content-type-options": "nosniff", "strict-transport-security": "max-age=1",
        **headers,
    }  # fmt: skip
    return specification.faults(specification.Exchange("GET", target, status, given, body))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (GOOD, None),
        (GOOD.replace(b'"id":"p",', b'"id":7,'), ".id: 7 is no string"),
        (GOOD.replace(b'"active"', b'"Active"'), "'Active' is none of"),
        (GOOD.replace(b'"PT15M"', b'"15 minutes"'), "'15 minutes' is no duration"),
        (GOOD.replace(b"00:00:00Z", b"00:00:00"), "is no date-time"),
        (GOOD.replace(b'"eTag"', b'"etag"'), ".etag is unknown"),
        (GOOD.replace(b'"eTag"', b'"taskSlotsPerNode":"1","eTag"'), "'1' is no integer"),
        (GOOD.replace(b'"eTag"', b'"startTask":{},"eTag"'), ".startTask.commandLine is missing"),
        (GOOD.replace(b"odata.metadata", b"odata.type"), "odata.metadata is missing"),
        (b"{", "no JSON"),
        (b"[]", ": [] is no object"),
    ],
)  # fmt: skip
def test_checker_finds_what_does_not_agree(body: bytes, found: str | None):
    seen = "\n".join(faults(body))
    assert (seen == "") if found is None else (found in seen)


@pytest.mark.parametrize(
    ("code", "status", "found"),
    [("PoolNotFound", 404, None), ("PoolNotFound", 409, "PoolNotFound is [404]"), ("NoPool", 404, "no code NoPool")],
)
def test_checker_knows_the_codes_of_refusals(code: str, status: int, found: str | None):
    id = str(uuid.uuid4())
    message = {"lang": "en-US", "value": f"No.\nRequestId:{id}\nTime:2026-01-01T00:00:00.0000000Z"}
    body = json.dumps({"odata.metadata": "http://h/$metadata#e/@Element", "code": code, "message": message})
    seen = faults(body.encode(), status=status, **{"request-id": id})
    assert (seen == []) if found is None else (found in seen[0])
    assert any("the message is" in fault for fault in faults(body.encode(), status=status))


def test_checker_looks_at_status_version_and_headers():
    assert "expected ['200', 'default']" in faults(status=202)[0]
    assert "no such operation" in faults(target="/pools/p/none?api-version=2023-05-01.17.0")[0]
    assert "content-type" in faults(**{"content-type": "application/json"})[0]
    assert "header Last-Modified" in faults(**{"last-modified": "today"})[0]
    assert ".code is missing" not in "".join(
        faults(b'{"odata.metadata":"http://h/$metadata#e","code":"X"}', status=404)
    )
    assert ".id is unknown" in "".join(faults(status=404))
    old = faults(GOOD.replace(b'"vmSize"', b'"taskSlotsPerNode":1,"vmSize"'), "/pools/p?api-version=2020-03-01.11.0")
    assert ".taskSlotsPerNode is unknown" in old[0]
    assert "header dataserviceversion is '2'" in "".join(faults(dataserviceversion="2"))
    assert faults(target="/pools/p?api-version=2023-05-01.17.0&$select=id", body=GOOD) == []
