"""The face against its descriptions, where LINARITE_SPECS names the folder that holds them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.faces.hpc_pack.site import Site, body
from tests.faces.hpc_pack.test_job_files import RENDER, create

from linarite.faces.hpc_pack import enums, errors, routes
from linarite.faces.hpc_pack.properties.jobs import JOBS
from linarite.faces.hpc_pack.properties.nodes import NODES
from linarite.faces.hpc_pack.properties.tasks import TASKS

pytestmark = pytest.mark.specs


def folder(name: str) -> Path:
    return Path(os.environ["LINARITE_SPECS"]) / "hpc-pack" / name


def spec(name: str) -> Any:
    return json.loads(folder(name).read_text())


def test_every_classic_operation_has_a_row():
    """Each operation of the reference is routed, with its method, its path and its need of a version."""
    rows = {(row.method, row.path.lower()): row for row in (*routes.CLASSIC, routes.CLUSTERS)}
    for operation in spec("classic-operations.json")["operations"]:
        path = operation["path"].removeprefix("/WindowsHPC/").lower()
        for given, ours in {"{jobid}": "{job}", "{taskid}": "{task}", "{subtaskid}": "{subtask}"}.items():
            path = path.replace(given, ours)
        for given in ("{nodename}", "{groupname}"):
            path = path.replace(given, "{name}")
        row = rows.pop((operation["method"], path))
        assert (row.name, row.versioned) == (operation["name"], operation["requiresApiVersion"])
    assert not rows


@pytest.mark.parametrize(("thing", "table"), [("job", JOBS), ("task", TASKS), ("node", NODES)])
def test_every_property_is_in_its_table(thing: str, table: Any):
    """Names and limits of the tables are those of the lists; only the later ones are not listed."""
    listed = spec("properties.json")[thing]
    names = {item["name"]: item for item in listed}
    ours = {item.name: item for item in table.properties}
    assert names.keys() - ours.keys() == set()
    assert ours.keys() - names.keys() <= {"MaxCoresPerNode"}
    settable = {"job": "setJob", "task": "setTask"}.get(thing)
    for name, item in names.items():
        if settable and name != "ChildJobIds":
            assert (ours[name].put is not None) is item[settable], name
        if item.get("maxLength") and name != "CommandLine":
            assert ours[name].limit == item["maxLength"], name


def test_enumerations_have_their_numbers():
    """Every name has the number of the reference."""
    given = spec("properties.json")["enums"]
    assert given["JobState"] == {**enums.JOB_STATE, "All": 2047}
    assert given["TaskState"] == enums.TASK_STATE
    assert given["NodeState"] == enums.NODE_STATE
    assert given["JobPriority"] == enums.PRIORITY
    assert given["JobUnitType"] == enums.UNIT_TYPE
    assert given["TaskType"] == enums.TASK_TYPE
    assert given["JobNodeGroupOp"] == enums.NODE_GROUP_OP


def test_error_codes_are_scheduler_codes():
    """Every code that is answered is one of the scheduler's, or the one for none."""
    known = {item["code"] for item in spec("error-codes.json")["codes"]} | {errors.NO_CODE}
    ours = {name: value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    assert {name for name, value in ours.items() if value not in known} == set()


def test_every_operation_of_2016_is_routed_or_refused(site: Site):
    """No operation of the Swagger description is silent: it is done, or refused in the protocol's own shape."""
    swagger = spec("hpcpack-2016.json")
    for path, methods in swagger["paths"].items():
        for method in methods.keys() - {"parameters"}:
            address = path
            for name in ("jobId", "taskId", "subtaskId", "subTaskId", "nodeName", "groupName", "name", "id"):
                address = address.replace(f"{{{name}}}", "999999999")
            answer = site.call(method.upper(), f"{swagger['basePath']}{address}", headers={"api-version": None})
            assert answer.status_code in {200, 400, 404, 501}, (method, path, answer.text)
            if answer.status_code != 200:
                assert answer.json()["Message"], (method, path)


@pytest.mark.parametrize("unit", ["Core", "Socket", "Node"])
def test_job_xml_fits_the_schema(site: Site, unit: str):
    """A whole job in job XML is valid: drafts, finished and failed jobs, whatever was set."""
    etree = pytest.importorskip("lxml.etree")
    schema = etree.XMLSchema(etree.parse(str(folder("job-schema.xsd"))))
    draft = site.create(
        Name="R&D <1>", UnitType=unit, HoldUntil="9/30/2036 10:15:02 AM", JobValidExitCodes="0..1", OrderBy="Cores",
        RuntimeSeconds="60", SoftwareLicense="a:1", MinMemory="5", EmailAddress="a@b.example", RunUntilCanceled="1",
        Priority="3500", ProgressMessage="so far", EstimatedProcessMemory="3", ParentJobIds=str(site.create()),
    )  # fmt: skip
    site.task(draft, "echo 'a\tb\n' > x", Name="one", FailJobOnFailureCount="3", StdOutFilePath="a b.txt")
    site.task(draft, "true", DependsOn="one", TaskValidExitCodes="0", UserBlob="x", RuntimeSeconds="4")
    site.post(f"Job/{draft}/CustomProperties", body(Ticket="<&>")).raise_for_status()
    site.post(f"Job/{draft}/Task/1/CustomProperties", body(a="b")).raise_for_status()
    site.post(f"Job/{draft}/Task/1/EnvVariables", body(a="b")).raise_for_status()
    swept = create(
        site,
        RENDER.replace("<EnvironmentVariables><Variable><Name>SHOT", "<Z><Variable><Name>SHOT", 1).replace(
            "a&amp;b</Value></Variable></EnvironmentVariables>", "</Value></Variable></Z>"
        ),
    )
    for job in (draft, swept, site.run_job("true", UnitType=unit), site.run_job("exit 4", UnitType=unit)):
        answer = site.get(f"Job/{job}", params={"Render": "HpcJobXml"})
        schema.assertValid(etree.fromstring(answer.content))
    task = etree.fromstring(site.get(f"Job/{draft}/Task/1", params={"Render": "HpcJobXml"}).content)
    assert task.get("CommandLine") == "echo 'a\tb\n' > x"
