"""Create Job From XML, and job XML that goes out and comes in again."""

from __future__ import annotations

from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from tests.faces.hpc_pack.site import Site, pairs, rows
from tests.faces.hpc_pack.test_tasks import code

SCHEDULER = "http://schemas.microsoft.com/HPCS2008R2/scheduler/"
RENDER = f"""<?xml version="1.0" encoding="utf-8"?>
<Job xmlns="{SCHEDULER}" Version="3.000" Id="77" State="Running" Owner="else" Name="Render" Project="Film"
 UnitType="Core" MinCores="1" MaxCores="3" Priority="Normal+5" JobValidExitCodes="0..1" RuntimeSeconds="3600"
 NodeGroups="ComputeNodes"
 CreateTime="2010/12/7 23:18:20" Unheard="of">
  <EnvironmentVariables><Variable><Name>SHOT</Name><Value>a&amp;b</Value></Variable></EnvironmentVariables>
  <CustomProperties><Term><Name>ticket</Name><Value>OPS-17</Value></Term></CustomProperties>
  <ExtendedTerms><Term><Name>wiki</Name><Value>page</Value></Term></ExtendedTerms>
  <Dependencies><Parent GroupId="1"><Child GroupId="2"/></Parent></Dependencies>
  <Tasks>
    <Task Name="frame *" GroupId="2" CommandLine="echo * $QUALITY $SHOT" Type="ParametricSweep" StartValue="1"
     EndValue="4" IncrementValue="2">
      <EnvironmentVariables><Variable><Name>QUALITY</Name><Value>high</Value></Variable></EnvironmentVariables>
      <CustomProperties><Term><Name>artist</Name><Value>me</Value></Term></CustomProperties>
    </Task>
    <Task Name="prepare" GroupId="1" CommandLine="exit 1" Id="99" State="Finished" />
    <Task Name="last" CommandLine="true" DependsOn="frame *" />
  </Tasks>
</Job>"""


def create(site: Site, file: str) -> int:
    return site.number(site.post("Jobs/JobFile", file.encode(), headers={"Content-Type": "text/xml; charset=utf-8"}))


def of(*tasks: str, job: str = "", inside: str = "") -> str:
    return f"<Job {job}>{inside}<Tasks>{''.join(tasks)}</Tasks></Job>"


def whole(site: Site, job: int) -> bytes:
    answer = site.get(f"Job/{job}", params={"Render": "HpcJobXml"})
    assert answer.status_code == 200, answer.text
    return answer.content


def test_create_job_from_xml(site: Site):
    """Attributes, variables, custom properties, groups and tasks; what the server alone decides is left aside."""
    job = create(site, RENDER)
    assert job != 77
    found = site.job(job)
    assert {name: found[name] for name in ("Name", "Project", "State", "MinCores", "MaxCores", "RuntimeSeconds")} == {
        "Name": "Render", "Project": "Film", "State": "Configuring", "MinCores": "1", "MaxCores": "3",
        "RuntimeSeconds": "3600",
    }  # fmt: skip
    assert (found["AutoCalculateMin"], found["AutoCalculateMax"]) == ("False", "False")
    assert (found["ExpandedPriority"], found["Priority"]) == ("2005", "Normal")
    assert found["Owner"].endswith("\\dev")
    assert dict(pairs(site.get(f"Job/{job}/CustomProperties"))) == {"ticket": "OPS-17"}
    assert dict(pairs(site.get(f"Job/{job}/EnvVariables"))) == {"SHOT": "a&b"}
    assert dict(pairs(site.get(f"Job/{job}/Task/1/EnvVariables"))) == {"QUALITY": "high"}
    assert dict(pairs(site.get(f"Job/{job}/Task/1/CustomProperties"))) == {"artist": "me"}
    assert site.of_task(job, 1, "DependsOn") == {"DependsOn": "prepare"}
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert dict(pairs(site.get(f"Job/{job}/Task/1/SubTask/2", params={"Properties": "Output"})))["Output"] == (
        "3 high a&b\n"
    )
    first, last = site.task_record(job, 2), site.task_record(job, 3)
    frames = [site.task_record(job, 1, index) for index in (1, 2)]
    assert all(frame.started_at >= first.ended_at for frame in frames)
    assert all(last.started_at >= frame.ended_at for frame in frames)


@pytest.mark.parametrize("again", range(2))
def test_job_xml_is_posted_again(site: Site, again: int):
    """What HpcJobXml gives makes the same job: the way to run a copy of one that is over."""
    job = create(site, RENDER)
    first = ET.fromstring(whole(site, job))
    for _ in range(again + 1):
        job = create(site, whole(site, job).decode())
    second = ET.fromstring(whole(site, job))
    times = {"Id", "CreateTime", "ChangeTime", "SubmitTime", "ParentJobId"}

    def plain(element: ET.Element) -> tuple[object, ...]:
        kept = {name: value for name, value in element.items() if name not in times}
        return element.tag, kept, (element.text or "").strip(), [plain(child) for child in element]

    assert plain(second) == plain(first)
    assert [task.get("Name") for task in second.iter(f"{{{SCHEDULER}}}Task")] == ["frame *", "prepare", "last"]


ECHO = of('<Task commandline="echo hi" NAME="a"/>', job='name="x"')
IN_A_STRING = f'<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">{escape(ECHO)}</string>'
OLD = """<Job xmlns="http://schemas.microsoft.com/HPCS2008/scheduler/" Name="x" MinimumNumberOfProcessors="1"
 MaximumNumberOfProcessors="2" Runtime="1:00:00">
  <Tasks><Task CommandLine="echo hi" Runtime="Infinite" IsParametric="false"/></Tasks>
</Job>"""


@pytest.mark.parametrize("file", [ECHO, IN_A_STRING, OLD], ids=["any case", "in a string", "old names"])
def test_job_files_of_other_hands(site: Site, file: str):
    """No namespace, any letter case, the text of a string, names of older products."""
    job = create(site, file)
    assert site.job(job, "Name") == {"Name": "x"}
    if "Runtime" in file:
        assert site.job(job, "RuntimeSeconds", "MaxCores") == {"RuntimeSeconds": "86400", "MaxCores": "2"}
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert site.of_task(job, 1, "Output") == {"Output": "hi\n"}


def test_job_file_by_json(site: Site):
    """On the JSON surface the file is a string; sent as XML it is the file itself."""
    file = of('<Task CommandLine="true" IsParametric="true" StartValue="1" EndValue="2"/>', job='Name="x"')
    answer = site.call("POST", "/hpc/jobs/jobFile", json=file)
    assert answer.status_code == 200
    assert site.of_task(answer.json(), 1, "Type") == {"Type": "ParametricSweep"}
    answer = site.call("POST", "/hpc/jobs/jobFile", data=file, headers={"Content-Type": "application/xml"})
    assert site.job(answer.json(), "Name") == {"Name": "x"}
    assert site.call("POST", "/hpc/jobs/jobFile", json={"a": 1}).status_code == 400


@pytest.mark.parametrize(
    ("text", "expanded"),
    [("Highest", "4000"), ("AboveNormal-10", "2990"), ("1234", "1234"), ("Lowest+3", "3"), ("normal", "2000")],
)
def test_priority_of_a_job_file(site: Site, text: str, expanded: str):
    """A name, a name with a distance, or the expanded number."""
    job = create(site, of(job=f'Priority="{text}"'))
    assert site.job(job, "ExpandedPriority") == {"ExpandedPriority": expanded}


def test_empty_group_hands_on_what_it_waits_for(site: Site):
    """Group 3 waits for 2, which has no tasks and waits for 1."""
    inside = '<Dependencies><Parent GroupId="1"><Child GroupId="2"/></Parent><Parent GroupId="2"><Child GroupId="3"/>'
    tasks = '<Task CommandLine="true" GroupId="3"/><Task CommandLine="sleep 0.3" GroupId="1" Name="one"/>'
    job = create(site, of(tasks, inside=f"{inside}</Parent></Dependencies>"))
    site.submit(job)
    site.until_job(job, "Finished")
    assert site.task_record(job, 1).started_at >= site.task_record(job, 2).ended_at


CIRCLE = '<Task Name="a" DependsOn="b" CommandLine="x"/><Task Name="b" DependsOn="a" CommandLine="x"/>'


@pytest.mark.parametrize(
    ("file", "number"),
    [
        ("", "267386880"), ("<Job", "267386880"), ("<Task/>", "267386880"), (of(CIRCLE), "-2147220987"),
        (of('<Task DependsOn="who" CommandLine="x"/>'), "-2147220987"), (of(job='Priority="Huge"'), "-2147220987"),
        (of(job='Runtime="1:x"'), "-2147220987"), (of(job='Name="' + "x" * 81 + '"'), "-2147220939"),
        (of('<Task GroupId="x"/>'), "-2147220987"), (of(job='NodeGroups="nowhere"'), "-2147220937"),
        (of('<Task Type="ParametricSweep" StartValue="2"/>'), "-2147220987"),
        (of(inside="<CustomProperties><Term><Name>a</Name><Value>" + "x" * 129 + "</Value></Term></CustomProperties>"),
         "-2147220939"),
        ('<!DOCTYPE Job [<!ENTITY a "b">]><Job Name="&a;"/>', "267386880"),
    ],
)  # fmt: skip
def test_job_file_refused(site: Site, file: str, number: str):
    """Nothing of it is made."""
    before = len(rows(site.get("Jobs", params={"RowsPerRead": "9999"})))
    answer = site.post("Jobs/JobFile", file)
    assert code(answer) == (400, number)
    assert len(rows(site.get("Jobs", params={"RowsPerRead": "9999"}))) == before


def test_large_job_file(site: Site):
    """Many tasks in one unit, numbered as they stand."""
    job = create(site, of(*(f'<Task Name="t{number}" CommandLine="true"/>' for number in range(2000))))
    assert site.of_task(job, 2000, "Name") == {"Name": "t1999"}
