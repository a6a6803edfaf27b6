"""Every operation of every api-version, answered: a story a version, and what it called held against the table.

Which operation a request is, and which a version has, the face's own table says, which a test holds against the
specification; each answer is held against the description of its version by the raw client.
"""

from __future__ import annotations

import re
import stat
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.faces.azure_batch.raw import MACHINE, Answer, RawBatch
from tests.faces.azure_batch.test_certificates import ONE, cer, place
from tests.support import specification
from tests.support.server import RunningServer

from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.routes import TABLE, Row

REFUSED_HERE = {"ComputeNode_GetRemoteDesktop"}
"""Of Windows nodes of cloud services: no node here is one, so that a refusal is the right answer."""
NOW = "2026-01-01T00:00:00Z"


def rows_of(version: str) -> list[Row]:
    return [row for row in TABLE if row.since <= version < row.until]


def operation_of(method: str, path: str, version: str) -> str:
    """The name of the operation that a request asks for: of the patterns that fit, the one with most fixed words."""

    def fits(row: Row) -> bool:
        pattern = row.pattern.replace("{certificate}", "certificates({certificate})")
        parts = re.split(r"(\{\w+\*?\})", pattern)
        made = "".join((".+" if p.endswith("*}") else "[^/]+") if p.startswith("{") else re.escape(p) for p in parts)
        return row.method == method and re.fullmatch(made, path) is not None

    found = [row for row in rows_of(version) if fits(row)]
    return min(found, key=lambda row: row.pattern.count("{")).name if found else ""


class Story(RawBatch):
    """Keeps in mind what was answered."""

    def __init__(self, url: str, account: str, version: str) -> None:
        super().__init__(url, account, version)
        self.answered = set[str]()

    def call(self, method: str, target: str, body: Any = None, **options: Any) -> Answer:
        answer = super().call(method, target, body, **options)
        if answer.status < 300:
            self.answered.add(operation_of(method, target.partition("?")[0], self.version))
        return answer

    def has(self, version: str) -> bool:
        return self.version >= version

    def ok(self, method: str, target: str, body: Any = None, **options: Any) -> Any:
        """Send what has to succeed; its JSON, if it has any."""
        answer = self.call(method, target, body, **options)
        assert answer.status < 300, (method, target, answer.body)
        is_json = answer.headers.get("content-type") == specification.JSON and method != "HEAD"
        return answer.json if is_json and answer.body else None

    def wait(self, target: str, name: str, value: Any) -> Any:
        deadline = time.monotonic() + 30
        while (found := self.call("GET", target).json).get(name) != value:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found


@pytest.fixture
def package(server: RunningServer, account: str, tmp_path: Path) -> str:
    """An application that the account has."""
    path = tmp_path / "package.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("run")
        info.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(info, "x")
    done = server.command("applications", "add", "app", "1", str(path), "--account", account)
    assert done.returncode == 0, done.stderr
    return "app"


@pytest.mark.parametrize("version", sorted(versions.KNOWN))
def test_every_operation_of_the_version_is_answered(server: RunningServer, account: str, package: str, version: str):
    story = Story(server.batch, account, version)
    ids = [one["id"] for one in story.ok("GET", "/applications")["value"]]
    assert ids == [package]
    assert story.ok("GET", f"/applications/{package}")["versions"] == ["1"]
    pools(story)
    jobs(story)
    tasks(story)
    schedules(story)
    node = nodes(story)
    if not story.has(versions.WITHOUT_TOKENS):
        certificates(story)
    of_the_account(story)
    resizes(story, node)
    endings(story)
    assert {row.name for row in rows_of(version)} - story.answered == REFUSED_HERE & {r.name for r in rows_of(version)}


def numbers(story: Story, dedicated: int) -> dict[str, int]:
    """The size of a pool in the words of the version."""
    return {"targetDedicatedNodes" if story.has(versions.TWO_KINDS_OF_NODES) else "targetDedicated": dedicated}


def pools(story: Story) -> None:
    machine: dict[str, Any] = dict(MACHINE)
    if story.has(versions.PARALLEL_TASKS):
        machine["extensions"] = [{"name": "e", "publisher": "p", "type": "t", "settings": {"a": 1}}]
    pool = {"id": "p", "vmSize": "standard_d2_v3", "virtualMachineConfiguration": machine, **numbers(story, 2)}
    start = {"startTask": {"commandLine": "/bin/true", "waitForSuccess": True}}
    story.ok("POST", "/pools", {**pool, **start})
    story.ok("POST", "/pools", {**pool, "id": "q", **numbers(story, 0)})
    assert {one["id"] for one in story.ok("GET", "/pools")["value"]} == {"p", "q"}
    story.ok("HEAD", "/pools/q")
    story.ok("PATCH", "/pools/q", {"metadata": [{"name": "a", "value": "b"}]})
    assert story.ok("GET", "/pools/q")["metadata"] == [{"name": "a", "value": "b"}]
    replacement: dict[str, Any] = {"applicationPackageReferences": [], "metadata": []}
    if not story.has(versions.WITHOUT_TOKENS):
        replacement["certificateReferences"] = []
    story.ok("POST", "/pools/q/updateproperties", replacement)
    formula = {"autoScaleFormula": "$TargetDedicatedNodes=0"}
    story.ok("POST", "/pools/q/enableautoscale", formula)
    assert story.ok("POST", "/pools/q/evaluateautoscale", formula)["results"].startswith("$TargetDedicated")
    story.ok("POST", "/pools/q/disableautoscale")
    story.wait("/pools/p", "allocationState", "steady")


def jobs(story: Story) -> None:
    prepared = {"jobPreparationTask": {"commandLine": "/bin/true"}, "jobReleaseTask": {"commandLine": "/bin/true"}}
    story.ok("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}, "usesTaskDependencies": True, **prepared})
    story.ok("POST", "/jobs", {"id": "other", "poolInfo": {"poolId": "q"}})
    assert {one["id"] for one in story.ok("GET", "/jobs")["value"]} == {"j", "other"}
    story.ok("PATCH", "/jobs/other", {"priority": 7})
    story.ok("PUT", "/jobs/other", {"priority": 8, "poolInfo": {"poolId": "q"}})
    assert story.ok("GET", "/jobs/other")["priority"] == 8
    story.ok("POST", "/jobs/other/disable", {"disableTasks": "requeue"})
    story.wait("/jobs/other", "state", "disabled")
    story.ok("POST", "/jobs/other/enable")
    story.ok("POST", "/jobs/other/terminate", {"terminateReason": "enough"})
    assert story.wait("/jobs/other", "state", "completed")["executionInfo"]["terminateReason"] == "enough"


def tasks(story: Story) -> None:
    story.ok("POST", "/jobs/j/tasks", {"id": "fails", "commandLine": "/bin/sh -c 'echo out; exit 3'"})
    several = [{"id": "waits", "commandLine": "/bin/true", "dependsOn": {"taskIds": ["none"]}}]
    added = story.ok("POST", "/jobs/j/addtaskcollection", {"value": several})
    assert [one["status"] for one in added["value"]] == ["success"]
    story.wait_task("j", "fails")
    assert {one["id"] for one in story.ok("GET", "/jobs/j/tasks")["value"]} == {"fails", "waits"}
    story.ok("PUT", "/jobs/j/tasks/waits", {"constraints": {"maxTaskRetryCount": 3}})
    assert story.ok("GET", "/jobs/j/tasks/waits")["constraints"]["maxTaskRetryCount"] == 3
    names = {one["name"] for one in story.ok("GET", "/jobs/j/tasks/fails/files?recursive=true")["value"]}
    assert {"stdout.txt", "stderr.txt"} <= names
    file = "/jobs/j/tasks/fails/files/stdout.txt"
    assert story.call("GET", file).body == b"out\n"
    assert story.call("HEAD", file).headers["content-length"] == "4"
    story.ok("DELETE", file)
    assert story.ok("GET", "/jobs/j/tasks/fails/subtasksinfo")["value"] == []
    (status,) = story.ok("GET", "/jobs/j/jobpreparationandreleasetaskstatus")["value"]
    assert status["jobPreparationTaskExecutionInfo"]["state"] == "completed"
    if story.has(versions.TASK_COUNTS):
        story.ok("GET", "/jobs/j/taskcounts")
    story.ok("POST", "/jobs/j/tasks/fails/reactivate")
    story.wait_task("j", "fails")
    story.ok("POST", "/jobs/j/tasks/waits/terminate")
    story.ok("DELETE", "/jobs/j/tasks/waits")


def schedules(story: Story) -> None:
    whole = {"id": "s", "schedule": {"recurrenceInterval": "PT1H"}, "jobSpecification": {"poolInfo": {"poolId": "q"}}}
    story.ok("POST", "/jobschedules", whole)
    story.ok("HEAD", "/jobschedules/s")
    assert [one["id"] for one in story.ok("GET", "/jobschedules")["value"]] == ["s"]
    story.ok("PATCH", "/jobschedules/s", {"metadata": [{"name": "a", "value": "b"}]})
    hourly = {"recurrenceInterval": "PT2H"}
    story.ok("PUT", "/jobschedules/s", {"schedule": hourly, "jobSpecification": {"poolInfo": {"poolId": "q"}}})
    assert story.ok("GET", "/jobschedules/s")["schedule"]["recurrenceInterval"] == "PT2H"
    assert [one["id"] for one in story.ok("GET", "/jobschedules/s/jobs")["value"]] == ["s:job-1"]
    for action in ("disable", "enable", "terminate"):
        story.ok("POST", f"/jobschedules/s/{action}")
    story.wait("/jobschedules/s", "state", "completed")
    story.ok("DELETE", "/jobschedules/s")


def nodes(story: Story) -> str:
    """Everything that is asked of a node; the other one's id."""
    found = story.ok("GET", "/pools/p/nodes")["value"]
    one, other = (node["id"] for node in found)
    place = f"/pools/p/nodes/{one}"
    story.wait(place, "state", "idle")
    user = {"name": "u", "password": "x"}
    story.ok("POST", f"{place}/users", user)
    story.ok("PUT", f"{place}/users/u", {"password": "y"})
    story.ok("DELETE", f"{place}/users/u")
    story.ok("POST", f"{place}/disablescheduling", {"nodeDisableSchedulingOption": "requeue"})
    story.ok("POST", f"{place}/enablescheduling")
    story.ok("GET", f"{place}/remoteloginsettings")
    assert story.ok("GET", f"{place}/files")["value"]
    file = f"{place}/files/startup/stdout.txt"
    for method in ("GET", "HEAD", "DELETE"):
        story.ok(method, file)
    if story.has(versions.PARALLEL_TASKS):
        names = [one["vmExtension"]["name"] for one in story.ok("GET", f"{place}/extensions")["value"]]
        assert [story.ok("GET", f"{place}/extensions/{name}")["vmExtension"]["name"] for name in names] == names
    if story.has(versions.NODE_COUNTS):
        url = "http://127.0.0.1:1/logs"
        sent = story.ok("POST", f"{place}/uploadbatchservicelogs", {"containerUrl": url, "startTime": NOW})
        assert sent["numberOfFilesUploaded"] > 0
    story.ok("POST", f"{place}/reboot", {})
    story.wait(place, "state", "idle")
    if story.has(versions.LONG_AS_TEXT):
        story.ok("POST", f"{place}/reimage", {})
        story.wait(place, "state", "idle")
        story.ok("POST", f"{place}/deallocate", {})
        story.wait(place, "state", "deallocated")
        story.ok("POST", f"{place}/start")
        story.wait(place, "state", "idle")
    else:
        cloud_service(story)
    return str(other)


def cloud_service(story: Story) -> None:
    """What was for nodes of cloud services alone."""
    configuration = {"cloudServiceConfiguration": {"osFamily": "4"}}
    story.ok("POST", "/pools", {"id": "service", "vmSize": "small", **configuration, **numbers(story, 1)})
    story.wait("/pools/service", "allocationState", "steady")
    (node,) = story.ok("GET", "/pools/service/nodes")["value"]
    place = f"/pools/service/nodes/{node['id']}"
    story.wait(place, "state", "idle")
    story.ok("POST", f"{place}/reimage", {})
    story.wait(place, "state", "idle")
    assert story.call("GET", f"{place}/rdp").code == "OperationNotValidOnNode"
    if not story.has(versions.HTTP_URLS):
        story.ok("POST", "/pools/service/upgradeos", {"targetOSVersion": "WA-GUEST-OS-4.45_201708-01"})


def certificates(story: Story) -> None:
    story.ok("POST", "/certificates", cer(ONE))
    assert len(story.ok("GET", "/certificates")["value"]) == 1
    story.ok("GET", place(ONE))
    references = [{"thumbprint": cer(ONE)["thumbprint"], "thumbprintAlgorithm": "sha1"}]
    held = {"id": "c", "vmSize": "x", "virtualMachineConfiguration": MACHINE, "certificateReferences": references}
    story.ok("POST", "/pools", held)
    story.ok("DELETE", place(ONE))
    story.wait(place(ONE), "state", "deletefailed")
    story.ok("POST", f"{place(ONE)}/canceldelete")


def of_the_account(story: Story) -> None:
    assert story.ok("GET", f"/{'supportedimages' if story.has(versions.SUPPORTED_IMAGES) else 'nodeagentskus'}")[
        "value"
    ]
    story.ok("GET", "/poolusagemetrics")
    if story.has(versions.NODE_COUNTS):
        assert story.ok("GET", "/nodecounts")["value"]
    if not story.has(versions.NO_LIFETIME_STATS):
        story.ok("GET", "/lifetimejobstats")
        story.ok("GET", "/lifetimepoolstats")


def resizes(story: Story, node: str) -> None:
    story.ok("POST", "/pools/p/removenodes", {"nodeList": [node]})
    story.wait("/pools/p", "allocationState", "steady")
    story.ok("POST", "/pools/p/resize", numbers(story, 2))
    story.ok("POST", "/pools/p/stopresize")
    story.wait("/pools/p", "allocationState", "steady")


def endings(story: Story) -> None:
    story.ok("DELETE", "/jobs/j")
    story.ok("DELETE", "/pools/p")
    for target in ("/jobs/j", "/pools/p"):
        deadline = time.monotonic() + 30
        while story.call("GET", target).status != 404:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.specs
@pytest.mark.parametrize("version", sorted(versions.KNOWN))
def test_table_has_what_the_description_of_the_version_has(version: str):
    """Every operation by its verb and its path, no more and no less."""
    described = {(method, re.sub(r"\{\w+\}", "*", path)) for method, path in specification.describe(version).paths}
    ours = {(row.method, re.sub(r"\{\w+\*?\}", "*", row.pattern)) for row in rows_of(version)}
    certificate = "/certificates(thumbprintAlgorithm=*,thumbprint=*)"
    assert {
        (method, path.replace("/*", certificate, 1) if path.startswith("/*") else path) for method, path in ours
    } == described
