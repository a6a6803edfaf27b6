"""Tasks: Add, Get, Set, Cancel, Requeue, their files and their environment."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from tests.faces.hpc_pack.site import Site, body, pairs
from tests.faces.hpc_pack.test_jobs import code

PAGE_TEXT = """
TaskId Name State PreviousState MinCores MaxCores MinNodes MaxNodes MinSockets MaxSockets RuntimeSeconds
SubmitTime CreateTime EndTime ChangeTime StartTime ParentJobId CommandLine WorkDirectory RequiredNodes
DependsOn IsExclusive IsRerunnable StdOutFilePath StdInFilePath StdErrFilePath ExitCode RequeueCount
StartValue EndValue IncrementValue ErrorMessage Output UserBlob Type IsServiceConcluded FailJobOnFailure
FailJobOnFailureCount AllocatedCoreIds AllocatedNodes HasRuntime JobTaskId InstanceId TaskValidExitCodes
"""
PAGE = PAGE_TEXT.split()


def test_get_task_without_properties(site: Site):
    """All properties of a task come, in the page's order."""
    job = site.create()
    site.task(job, "true", Name="t")
    found = pairs(site.get(f"Job/{job}/Task/1"))
    assert [name for name, _ in found] == PAGE
    values = dict(found)
    assert (values["TaskId"], values["JobTaskId"], values["ParentJobId"]) == (f"{job}.1", "1", str(job))
    assert (values["State"], values["CommandLine"], values["IsRerunnable"]) == ("Configuring", "true", "True")


def test_get_task_as_job_xml(site: Site):
    """Render=HpcJobXml gives a Task element, with just the attributes asked for."""
    job = site.create()
    site.task(job, "true", Name="t")
    root = ET.fromstring(site.get(f"Job/{job}/Task/1", params={"Render": "HpcJobXml", "Properties": "Name"}).content)
    assert root.tag.endswith("}Task")
    assert root.attrib == {"Version": "3.000", "Name": "t"}
    whole = ET.fromstring(site.get(f"Job/{job}/Task/1", params={"Render": "HpcJobXml"}).content)
    assert (whole.get("Id"), whole.get("CommandLine")) == ("1", "true")


def test_task_runs_by_a_shell_with_its_variables(site: Site):
    """The line goes through a shell; job's and task's variables reach it, and those of the service."""
    job = site.create(Name="environment")
    site.task(job, "echo $mine $ours $CCP_JOBID.$CCP_TASKID; echo err >&2")
    site.post(f"Job/{job}/EnvVariables", body(ours="job", mine="job")).raise_for_status()
    site.post(f"Job/{job}/Task/1/EnvVariables", body(mine="task")).raise_for_status()
    site.submit(job)
    site.until_job(job, "Finished", "Failed")
    assert site.of_task(job, 1, "Output", "ExitCode") == {"Output": f"task job {job}.1\nerr\n", "ExitCode": "0"}


def test_task_output_is_cut(site: Site):
    """Output holds the first 4 KB."""
    job = site.run_job("yes | head -c 10000")
    assert len(site.of_task(job, 1, "Output")["Output"]) == 4096


def test_task_with_files_of_its_own(site: Site, tmp_path):
    """Standard streams go where the paths say, relative to WorkDirectory; Output is empty then."""
    (tmp_path / "in.txt").write_text("from stdin\n")
    tmp_path.chmod(0o777)
    job = site.create()
    site.task(
        job, "cat; echo $CCP_WORKDIR; echo oh >&2", WorkDirectory=str(tmp_path), StdInFilePath="in.txt",
        StdOutFilePath="out.txt", StdErrFilePath="err.txt",
    )  # fmt: skip
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert (tmp_path / "out.txt").read_text() == f"from stdin\n{tmp_path}\n"
    assert (tmp_path / "err.txt").read_text() == "oh\n"
    assert site.of_task(job, 1, "Output", "StdOutFilePath") == {"Output": "", "StdOutFilePath": "out.txt"}


def test_task_is_told_where_it_runs(site: Site):
    """CCP_WORKDIR is its directory, also where it names none or one relative to its own."""
    job = site.create(RunUntilCanceled="true")
    site.task(job, '[ "$CCP_WORKDIR" = "$PWD" ] && echo "$CCP_NODES_CORES"')
    site.task(job, '[ "$CCP_WORKDIR" = "$PWD" ]', WorkDirectory="..")
    site.submit(job)
    assert site.until_task(job, 1, "Finished", "Failed") == "Finished"
    assert site.of_task(job, 1, "Output")["Output"].split()[0::2] == ["1", "1"]
    assert site.until_task(job, 2, "Finished", "Failed") == "Finished"
    site.post(f"Job/{job}/Cancel")


def test_task_with_files_named_by_variables(site: Site, tmp_path):
    """`%NAME%` in a path is the task's variable of that name; what is no variable stays."""
    tmp_path.chmod(0o777)
    job = site.create()
    site.post(f"Job/{job}/EnvVariables", body(kind="log"))
    site.task(
        job, "echo out; echo oh >&2", WorkDirectory=str(tmp_path), StdOutFilePath="%CCP_JOBID%-%CCP_TASKID%.%kind%",
        StdErrFilePath="100%-%NONE%.txt",
    )  # fmt: skip
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        f"{job}-1.log": "out\n", "100%-%NONE%.txt": "oh\n",
    }  # fmt: skip


def test_task_exit_codes(site: Site):
    """A code that is not valid fails the task, and is told."""
    job = site.run_job("exit 7", "no-such-program-here")
    found = site.of_task(job, 1, "State", "ExitCode", "ErrorMessage", "PreviousState")
    assert found == {
        "State": "Failed", "ExitCode": "7", "ErrorMessage": "The exit code 7 is not valid.", "PreviousState": "Running",
    }  # fmt: skip
    assert site.of_task(job, 2, "State", "ExitCode") == {"State": "Failed", "ExitCode": "127"}


def test_task_depends_on_names(site: Site):
    """A task starts when each named task is over, however it ended; several may bear one name."""
    job = site.create()
    site.task(job, "sleep 0.3; exit 1", Name="first")
    site.task(job, "sleep 0.3", Name="first")
    site.task(job, "true", Name="last", DependsOn="first")
    site.submit(job)
    site.until_task(job, 3, "Finished")
    tasks = [site.task_record(job, number) for number in (1, 2, 3)]
    assert tasks[2].started_at >= max(task.ended_at for task in tasks[:2])
    assert site.of_task(job, 3, "DependsOn") == {"DependsOn": "first"}


def test_task_over_its_run_time(site: Site):
    """A task over its own run time fails, and its job with it."""
    job = site.create()
    site.task(job, "sleep 60", RuntimeSeconds="1")
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Failed"
    assert "1 seconds" in site.of_task(job, 1, "ErrorMessage")["ErrorMessage"]


@pytest.mark.parametrize(
    ("properties", "number"),
    [
        ({"Nonsense": "1"}, "-2147220962"), ({"State": "Running"}, "-2147220989"), ({"MinCores": "x"}, "-2147220987"),
        ({"CommandLine": "x" * 1025}, "-2147220939"), ({"Type": "Service"}, "-2147220924"),
        ({"Type": "Other"}, "-2147220987"),
        ({"DependsOn": "nobody"}, "-2147220987"), ({"TaskValidExitCodes": "a..b"}, "-2147220987"),
        ({"FailJobOnFailureCount": "0"}, "-2147220987"), ({"RuntimeSeconds": "-1"}, "-2147220987"),
    ],
)  # fmt: skip
def test_add_task_refused(site: Site, properties: dict[str, str], number: str):
    """Bad input and what is not executed yet is refused, and adds nothing."""
    job = site.create()
    assert code(site.post(f"Job/{job}/Tasks", body(**{"CommandLine": "true", **properties})))[1] == number
    assert site.record(job).counts.active == 0
    assert site.task(job) == 1


def test_add_task_while_running(site: Site):
    """In a running job a task is queued at once; without a command it is refused there."""
    job = site.create(RunUntilCanceled="true")
    site.submit(job)
    assert site.job(job, "State") == {"State": "Queued"}
    assert code(site.post(f"Job/{job}/Tasks"))[1] == "-2147219952"
    task = site.task(job, "true")
    site.until_task(job, task, "Finished")
    assert site.job(job, "State") == {"State": "Running"}


def test_add_task_when_the_job_is_over(site: Site):
    """A job that is over takes no tasks."""
    job = site.run_job("true")
    assert code(site.post(f"Job/{job}/Tasks", body(CommandLine="true"))) == (400, "-2147220961")


def test_add_task_to_a_job_of_another_protocol(site: Site):
    """The number is free or another id is found; the task runs by a shell there too."""
    job = site.foreign("guest-house")
    task = site.task(job, "echo $((6 * 7))")
    site.until_task(job, task, "Finished")
    assert site.of_task(job, task, "Output") == {"Output": "42\n"}


def test_set_task_while_configuring(site: Site):
    """A task is changed as long as its job is a draft, never after."""
    job = site.create()
    site.task(job, "false", MinCores="1")
    site.put(f"Job/{job}/Task/1", body(CommandLine="true", MinCores="2", Name="new")).raise_for_status()
    assert site.of_task(job, 1, "CommandLine", "MinCores", "Name") == {
        "CommandLine": "true", "MinCores": "2", "Name": "new",
    }  # fmt: skip
    assert site.record(job).counts.active_slots == 2
    site.submit(job)
    site.until_job(job, "Finished")
    assert code(site.put(f"Job/{job}/Task/1", body(Name="late"))) == (400, "-2147220921")
    assert site.of_task(job, 1, "Name") == {"Name": "new"}


@pytest.mark.parametrize("path", ["Job/{}/Task/9", "Job/{}/Task/x", "Job/999999999/Task/1"])
@pytest.mark.parametrize("method", ["get", "put", "cancel", "requeue"])
def test_task_unknown(site: Site, path: str, method: str):
    """An unknown task or job is 404, and the words that clients poll for are kept."""
    path = path.format(site.create())
    answers = {
        "get": lambda: site.get(path), "put": lambda: site.put(path, body(Name="x")),
        "cancel": lambda: site.post(f"{path}/Cancel"), "requeue": lambda: site.post(f"{path}/Requeue"),
    }  # fmt: skip
    answer = answers[method]()
    assert answer.status_code == 404
    if "999" not in path:
        assert code(answer)[1] == "-2147220985"
        assert "the specified subtask has not been expanded yet" in answer.text


def test_cancel_task(site: Site):
    """A running one fails with the user's words, a waiting one is canceled; one that is over cannot be."""
    job = site.create(RunUntilCanceled="true")
    site.task(job, "sleep 60", Name="a")
    site.task(job, "true", DependsOn="a", Name="b")
    site.task(job, "true", DependsOn="b")
    site.submit(job)
    site.until_task(job, 1, "Running")
    site.post(f"Job/{job}/Task/2/Cancel").raise_for_status()
    site.post(f"Job/{job}/Task/1/Cancel?Forced=1", "<string>enough</string>").raise_for_status()
    assert site.until_task(job, 1, "Failed", "Canceled") == "Failed"
    assert "enough" in site.of_task(job, 1, "ErrorMessage")["ErrorMessage"]
    assert site.of_task(job, 2, "State") == {"State": "Canceled"}
    assert site.until_task(job, 3, "Finished") == "Finished"
    answer = site.post(f"Job/{job}/Task/1/Cancel")
    assert code(answer) == (400, "-2147220983")


def test_requeue_task(site: Site, tmp_path):
    """A failed task runs again, a running one is ended first; both are counted."""
    flag = tmp_path / "flag"
    job = site.create(RunUntilCanceled="true")
    site.task(job, f"test -e {flag}")
    site.task(job, f"test -e {flag} || sleep 60")
    site.submit(job)
    site.until_task(job, 1, "Failed")
    site.until_task(job, 2, "Running")
    flag.touch()
    for task in (1, 2):
        site.post(f"Job/{job}/Task/{task}/Requeue", body()).raise_for_status()
        assert site.until_task(job, task, "Finished", "Failed") == "Finished"
        assert site.of_task(job, task, "RequeueCount") == {"RequeueCount": "1"}
    assert code(site.post(f"Job/{job}/Task/1/Requeue"))[1] == "-2147220921"


def test_requeue_task_that_is_not_rerunnable(site: Site):
    """IsRerunnable false forbids it."""
    job = site.create(RunUntilCanceled="true")
    site.task(job, "false", IsRerunnable="false")
    site.submit(job)
    site.until_task(job, 1, "Failed")
    assert code(site.post(f"Job/{job}/Task/1/Requeue")) == (400, "-2147219950")
