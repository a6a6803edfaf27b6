"""One engine under four faces: the same job, task and file through each protocol."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
import requests
from azure.batch import models
from azure.core.exceptions import ResourceExistsError
from tests.support.batch import batch_client, make_pool, wait_task

COMMON = "{http://schemas.microsoft.com/HPCS2008R2/common}"
DEV = ("dev", "linarite")
VERSION = {"api-version": "2012-11-01.4.0"}


def _properties(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    found = ET.fromstring(answer.content).iter(f"{COMMON}Property")
    return {item.findtext(f"{COMMON}Name"): item.findtext(f"{COMMON}Value") for item in found}


def _hpc_jobs(server) -> dict[str, int]:
    """Numbers of the account's jobs by their names."""
    query = {**VERSION, "Properties": "Id,Name", "RowsPerRead": "1000"}
    answer = requests.get(f"{server.urls['hpc']}/WindowsHPC/Jobs", params=query, auth=DEV, timeout=10)
    objects = ET.fromstring(answer.content).iter(f"{COMMON}Object")
    rows = [
        {item.findtext(f"{COMMON}Name"): item.findtext(f"{COMMON}Value") for item in row.iter(f"{COMMON}Property")}
        for row in objects
    ]
    return {row["Name"]: int(row["Id"]) for row in rows}


def test_job_added_by_batch_is_read_by_all(server):
    """A job from Azure Batch is an HPC Pack job by its number, its tasks are BatchTasks, its file is one file."""
    with batch_client(server) as client:
        make_pool(client, "four-faces")
        client.create_job(
            models.BatchJobCreateOptions(
                id="four-faces",
                display_name="Four faces",
                pool_info=models.BatchPoolInfo(pool_id="four-faces"),
                priority=500,
            )
        )
        line = "/bin/sh -c 'echo seen by all; exit 3'"
        client.create_task(
            "four-faces", models.BatchTaskCreateOptions(id="one", command_line=line, display_name="The one")
        )
        task = wait_task(client, "four-faces", "one")
        assert task.execution_info.exit_code == 3
        assert b"".join(client.download_task_file("four-faces", "one", "stdout.txt")) == b"seen by all\n"

        number = _hpc_jobs(server)["Four faces"]
        job = _properties(
            requests.get(f"{server.urls['hpc']}/WindowsHPC/Job/{number}", params=VERSION, auth=DEV, timeout=10)
        )
        assert (job["Id"], job["Name"], job["Pool"]) == (str(number), "Four faces", "four-faces")
        assert job["ExpandedPriority"] == "3000"
        one = _properties(
            requests.get(f"{server.urls['hpc']}/WindowsHPC/Job/{number}/Task/1", params=VERSION, auth=DEV, timeout=10)
        )
        assert (one["State"], one["ExitCode"], one["Name"]) == ("Failed", "3", "The one")

        # No user of SuperOffice made the task: it is a system task, and `GET BatchTask/Failed` has users' tasks alone.
        agent = f"{server.urls['superoffice']}/api/v1/Agents/Batch"
        found = requests.post(
            f"{agent}/GetSystemBatchTaskInfosByNameAndState",
            json={"TaskName": "Four faces", "State": "Failed"},
            auth=DEV,
            timeout=10,
        ).json()
        [batch_task] = [item for item in found if item["Description"] == "The one"]
        again = requests.get(
            f"{server.urls['superoffice']}/api/v1/BatchTask/{batch_task['Id']}", auth=DEV, timeout=10
        ).json()
        assert (again["State"], again["StartCount"]) == ("Failed", 1)


def test_job_made_by_hpc_pack_is_read_by_batch(server):
    """A draft is held for Azure Batch; submitted, it runs on the same pool and both see its end."""
    with batch_client(server) as client:
        make_pool(client, "from-hpc")
        base = f"{server.urls['hpc']}/WindowsHPC"
        made = requests.post(
            f"{base}/Jobs", params=VERSION, auth=DEV, timeout=10, data=_ap(Name="Mixed", Pool="from-hpc")
        )
        number = int(ET.fromstring(made.content).text or "")
        requests.post(
            f"{base}/Job/{number}/Tasks", params=VERSION, auth=DEV, timeout=10, data=_ap(CommandLine="echo $((40 + 2))")
        ).raise_for_status()
        job = next(job for job in client.list_jobs() if job.display_name == "Mixed")
        assert job.state == "disabled"
        with pytest.raises(ResourceExistsError, match="JobNotActive"):
            client.begin_disable_job(job.id, models.BatchJobDisableOptions(disable_tasks="wait"))
        requests.post(
            f"{base}/Job/{number}/Submit", params=VERSION, auth=DEV, timeout=10, data=_ap()
        ).raise_for_status()
        task = next(iter(client.list_tasks(job.id)))
        wait_task(client, job.id, task.id)
        assert b"".join(client.download_task_file(job.id, task.id, "stdout.txt")) == b"42\n"


def test_facts_of_one_face_are_not_erased_by_another(server):
    """A custom property of HPC Pack stays when Azure Batch replaces the job, and is not seen there."""
    with batch_client(server) as client:
        client.create_job(
            models.BatchJobCreateOptions(
                id="facts", display_name="Facts", pool_info=models.BatchPoolInfo(pool_id="nowhere"),
                metadata=[models.BatchMetadataItem(name="a", value="b")],
            )
        )  # fmt: skip
        url = f"{server.urls['hpc']}/WindowsHPC/Job/{_hpc_jobs(server)['Facts']}/CustomProperties"
        requests.post(url, params=VERSION, auth=DEV, timeout=10, data=_ap(Colour="blue")).raise_for_status()
        job = client.get_job("facts")
        assert [(item.name, item.value) for item in job.metadata] == [("a", "b")]
        job.priority = 7
        client.replace_job("facts", job)
        assert _properties(requests.get(url, params=VERSION, auth=DEV, timeout=10)) == {"Colour": "blue"}
        assert client.get_job("facts").priority == 7


def _ap(**properties: str) -> str:
    rows = "".join(
        f"<Property><Name>{name}</Name><Value>{value}</Value></Property>" for name, value in properties.items()
    )
    return f'<ArrayOfProperty xmlns="{COMMON[1:-1]}">{rows}</ArrayOfProperty>'
