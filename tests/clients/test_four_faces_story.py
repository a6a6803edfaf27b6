"""The story of one job through all four faces: each face's view of every state, its progress and its output."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import pytest
import requests
from azure.batch import BatchClient, models
from azure.storage.fileshare import ShareClient
from tests.clients.test_azure_batch_mounts import mount, share_client
from tests.support.batch import batch_client, make_pool
from tests.support.provider import Provider
from tests.support.server import RunningServer

ACCOUNT = "devaccount"
COMMON = "{http://schemas.microsoft.com/HPCS2008R2/common}"
DEV = ("dev", "linarite")
VERSION = {"api-version": "2012-11-01.4.0"}
IN_SHARE = "cd $AZ_BATCH_NODE_MOUNTS_DIR/in/data"
WAIT = "while [ ! -e {0} ]; do sleep 0.02; done"


class View(NamedTuple):
    """Job and task in HPC Pack's words, then in Azure Batch's, then the task in SuperOffice's."""

    hpc_job: str
    hpc_task: str
    batch_job: str
    batch_task: str
    superoffice: str


class Story:
    """A server, its clients, and one task of one job that all look at."""

    def __init__(self, server: RunningServer, batch: BatchClient, share: ShareClient) -> None:
        self.server, self.batch, self.share = server, batch, share
        self.number = self.task = self.batch_task = 0
        self.job_id = self.task_id = ""

    # HPC Pack's XML.

    def hpc(self, method: str, path: str, **properties: str) -> ET.Element | None:
        rows = "".join(f"<Property><Name>{n}</Name><Value>{v}</Value></Property>" for n, v in properties.items())
        body = f'<ArrayOfProperty xmlns="{COMMON[1:-1]}">{rows}</ArrayOfProperty>' if method == "POST" else None
        url = f"{self.server.urls['hpc']}/WindowsHPC/{path}"
        answer = requests.request(method, url, params=VERSION, auth=DEV, data=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return ET.fromstring(answer.content) if answer.content else None

    def properties(self, path: str) -> dict[str, str]:
        found = self.hpc("GET", path)
        return {row[0].text: row[1].text or "" for row in found.iter(f"{COMMON}Property")}

    def create(self, name: str, line: str, prepare: str = "") -> None:
        """A job with one task, as each face knows it."""
        self.number = int(self.hpc("POST", "Jobs", Name=name, Pool="story").text)
        if prepare:
            self.hpc("POST", f"Job/{self.number}/Tasks", CommandLine=prepare, Type="NodePrep")
        self.task = int(self.hpc("POST", f"Job/{self.number}/Tasks", CommandLine=line, Name=f"{name} task").text)
        [job] = [job for job in self.batch.list_jobs() if job.display_name == name]
        [task] = self.batch.list_tasks(job.id)
        self.job_id, self.task_id = job.id, task.id
        self.batch_task = self.listed(name)[0]["Id"]

    # SuperOffice.

    def superoffice(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        url = f"{self.server.urls['superoffice']}/api/v1/{path}"
        answer = requests.request(method, url, params=query, auth=DEV, json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def listed(self, name: str) -> list[dict[str, Any]]:
        return self.superoffice("POST", "Agents/Batch/GetAllBatchTaskInfosByName", {"TaskName": name})

    def info(self) -> dict[str, Any]:
        return self.superoffice("GET", f"BatchTask/{self.batch_task}")

    # All.

    def view(self) -> View:
        return View(
            self.properties(f"Job/{self.number}")["State"],
            self.properties(f"Job/{self.number}/Task/{self.task}")["State"],
            self.batch.get_job(self.job_id).state.value,
            self.batch.get_task(self.job_id, self.task_id).state.value,
            self.info()["State"],
        )

    def comes_to(self, *expected: str) -> None:
        """Wait until every face has its word."""
        deadline = time.monotonic() + 30
        while (seen := self.view()) != View(*expected):
            assert time.monotonic() < deadline, seen
            time.sleep(0.02)

    def progress(self) -> tuple[Any, ...]:
        """Of the job in HPC Pack, of the task in SuperOffice and in its archive."""
        job, info = self.properties(f"Job/{self.number}"), self.info()
        query = {"$filter": "DefinitionName eq '" + info["Name"] + "'", "$select": "ProgressPercent"}
        [row] = self.superoffice("GET", "BatchTask", **query)["value"]
        told = info["ProgressPercent"], info["ProgressDescription"]
        return job["Progress"], job["ProgressMessage"], *told, row["ProgressPercent"]

    def put(self, name: str) -> None:
        """Let go on what waits for a file in the share."""
        self.share.get_file_client(name).upload_file(b"")


@pytest.fixture(scope="module")
def story(provider: Provider) -> Iterator[Story]:
    with provider.server() as server, batch_client(server, ACCOUNT) as client:
        share = share_client(server, ACCOUNT)
        share.create_share()
        make_pool(client, "story", mount_configuration=[mount(server, ACCOUNT)])
        yield Story(server, client, share)


def test_a_job_that_succeeds(story: Story) -> None:
    """Created in HPC Pack's XML, watched in Azure Batch, followed in SuperOffice; its output by both file faces."""
    told = """echo '{"percent": 40, "description": "half of it"}' > $LINARITE_PROGRESS"""
    line = f"{IN_SHARE}; {told}; {WAIT.format('go')}; echo seen by all | tee out.txt"
    story.create("story", line, prepare=f"{IN_SHARE}; {WAIT.format('prepared')}")
    assert story.view() == View("Configuring", "Configuring", "disabled", "active", "New")
    [node] = story.batch.list_nodes("story")
    requeue = models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    story.batch.disable_node_scheduling("story", node.id, requeue)
    story.hpc("POST", f"Job/{story.number}/Submit")
    assert story.view() == View("Queued", "Queued", "active", "active", "New")
    story.batch.begin_disable_job(story.job_id, models.BatchJobDisableOptions(disable_tasks="wait")).result()
    assert story.view() == View("Queued", "Queued", "disabled", "active", "New")
    assert "held" in story.info()["Description"]
    story.batch.begin_enable_job(story.job_id).result()
    assert story.view() == View("Queued", "Queued", "active", "active", "New")
    assert "held" not in story.info()["Description"]
    story.batch.enable_node_scheduling("story", node.id)
    story.comes_to("Running", "Dispatching", "active", "preparing", "Aquired")
    assert story.progress() == ("0", "", 0, "", 0)
    story.put("prepared")
    story.comes_to("Running", "Running", "active", "running", "Started")
    deadline = time.monotonic() + 30
    while story.progress() != ("40", "half of it", 40, "half of it", 40):
        assert time.monotonic() < deadline, story.progress()
        time.sleep(0.02)
    story.put("go")
    story.comes_to("Finished", "Finished", "completed", "completed", "Succeeded")
    assert story.progress() == ("100", "half of it", 100, "half of it", 100)
    assert b"".join(story.batch.download_task_file(story.job_id, story.task_id, "stdout.txt")) == b"seen by all\n"
    assert story.share.get_file_client("out.txt").download_file().readall() == b"seen by all\n"
    assert story.properties(f"Job/{story.number}/Task/{story.task}")["Output"] == "seen by all\n"
    assert story.info()["Response"] == "seen by all\n"
    assert story.batch.get_task(story.job_id, story.task_id).execution_info.result == "success"
    story.superoffice("PUT", f"BatchTask/{story.batch_task}", {"State": "SucceededManualCleanup"})
    assert story.view() == View("Finished", "Finished", "completed", "completed", "SucceededManualCleanup")


def test_a_job_that_fails(story: Story) -> None:
    """Taken off while it runs (disabling), then failed: the exit code and what it told are the same everywhere."""
    line = f"""{IN_SHARE}; echo '{{"percent": 70}}' > $LINARITE_PROGRESS; {WAIT.format("fail")}; exit 3"""
    story.create("failing", line)
    story.hpc("POST", f"Job/{story.number}/Submit")
    story.comes_to("Running", "Running", "active", "running", "Started")
    story.batch.begin_disable_job(story.job_id, models.BatchJobDisableOptions(disable_tasks="wait"))
    story.comes_to("Running", "Running", "disabling", "running", "Started")
    story.put("fail")
    deadline = time.monotonic() + 30
    while story.batch.get_job(story.job_id).state == "disabling":
        assert time.monotonic() < deadline, story.view()
        time.sleep(0.02)
    if story.batch.get_job(story.job_id).state == "disabled":
        story.batch.begin_enable_job(story.job_id).result()
    story.comes_to("Failed", "Failed", "completed", "completed", "Failed")
    assert story.progress()[2:] == (70, "", 70)
    assert story.batch.get_task(story.job_id, story.task_id).execution_info.exit_code == 3
    assert story.properties(f"Job/{story.number}/Task/{story.task}")["ExitCode"] == "3"
    assert (story.info()["Result"], story.info()["StartCount"]) == ("failure (exit 3)", 1)


def test_a_job_that_is_cancelled(story: Story) -> None:
    """Cancelled in HPC Pack while it runs: on its way out (terminating), then over."""
    line = f"""trap '' TERM; {IN_SHARE}; echo began > began; {WAIT.format("leave")}"""
    story.create("cancelled", line)
    story.hpc("POST", f"Job/{story.number}/Submit")
    story.comes_to("Running", "Running", "active", "running", "Started")
    deadline = time.monotonic() + 30
    while not story.share.get_file_client("began").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    story.hpc("POST", f"Job/{story.number}/Cancel")
    assert story.view() == View("Canceling", "Canceling", "terminating", "running", "Started")
    story.put("leave")
    story.comes_to("Canceled", "Failed", "completed", "completed", "Failed")
    assert story.batch.get_task(story.job_id, story.task_id).execution_info.result == "failure"
