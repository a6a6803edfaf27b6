"""Node preparation and node release tasks: on each node before a job's first task there, and after its last."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faces.hpc_pack.site import Site, body, pairs, rows
from tests.faces.hpc_pack.test_job_files import create, whole
from tests.faces.hpc_pack.test_tasks import code


def of_run(site: Site, job: int, task: int, *names: str) -> dict[str, str]:
    return dict(pairs(site.get(f"Job/{job}/Task/{task}/SubTask/1", params={"Properties": ",".join(names)})))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A file that the user of tasks may write."""
    tmp_path.chmod(0o777)
    file = tmp_path / "trace"
    file.touch()
    file.chmod(0o666)
    return file


def test_nodes_are_prepared_and_released(site: Site, trace: Path):
    """Before the first task and after the last, once on the node; each a task with a number, its runs subtasks."""
    job = site.create()
    assert site.task(job, f"echo prep $CCP_JOBID $A >> {trace}", Type="NodePrep", Name="get ready") == 1
    assert site.task(job, f"echo run >> {trace}") == 2
    assert site.task(job, f"echo release >> {trace}; echo gone", Type="NodeRelease") == 3
    assert site.post(f"Job/{job}/Task/1/EnvVariables", body(A="hey")).status_code == 200
    assert site.post(f"Job/{job}/Task/1/CustomProperties", body(k="v")).status_code == 200
    assert site.of_task(job, 1, "State", "Type", "Name", "TaskId") == {
        "State": "Configuring", "Type": "NodePrep", "Name": "get ready", "TaskId": f"{job}.1",
    }  # fmt: skip
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert trace.read_text() == f"prep {job} hey\nrun\nrelease\n"
    for number in (1, 3):
        assert site.of_task(job, number, "State", "ExitCode") == {"State": "Finished", "ExitCode": "0"}
    assert of_run(site, job, 3, "TaskId", "InstanceId", "State", "Output", "Type", "JobTaskId") == {
        "TaskId": f"{job}.3.1", "InstanceId": "1", "State": "Finished", "Output": "gone\n", "Type": "NodeRelease",
        "JobTaskId": "3",
    }  # fmt: skip
    assert of_run(site, job, 1, "AllocatedNodes")["AllocatedNodes"]
    assert dict(pairs(site.get(f"Job/{job}/Task/1/EnvVariables"))) == {"A": "hey"}
    assert dict(pairs(site.get(f"Job/{job}/Task/1/CustomProperties"))) == {"k": "v"}
    assert code(site.get(f"Job/{job}/Task/1/SubTask/2"))[0] == 404


def test_node_tasks_in_lists(site: Site):
    """With their runs when expanded, and through pages."""
    job = site.create()
    site.task(job, "true", Type="NodePrep")
    site.task(job, "true")
    site.task(job, "true", Type="NodeRelease")

    def ids(**query: str) -> list[str]:
        found, more = [], {"Properties": "TaskId", "RowsPerRead": "1", **query}
        while more:
            answer = site.get(f"Job/{job}/Tasks", params=more)
            found += [row["TaskId"] for row in rows(answer)]
            name = answer.headers.get("x-ms-continuation-QueryId")
            more = {"QueryId": name, "RowsPerRead": "1"} if name else {}
        return found

    assert ids() == [f"{job}.1", f"{job}.3", f"{job}.2"]
    site.submit(job)
    site.until_job(job, "Finished", "Failed")
    assert ids() == [f"{job}.1.1", f"{job}.3.1", f"{job}.2"]
    assert ids(ExpandParametric="false") == [f"{job}.1", f"{job}.3", f"{job}.2"]


def test_preparation_that_fails_keeps_tasks_from_the_node(site: Site):
    """The subtask is Failed with its code; the job's tasks stay queued. A code that is valid is none."""
    job = site.create()
    site.task(job, "echo no >&2; exit 3", Type="NodePrep")
    site.task(job, "true")
    site.submit(job)
    site.until_task(job, 1, "Failed")
    assert of_run(site, job, 1, "ExitCode", "Output", "ErrorMessage") == {
        "ExitCode": "3", "Output": "no\n", "ErrorMessage": "The exit code 3 is not valid.",
    }  # fmt: skip
    assert site.of_task(job, 2, "State") == {"State": "Queued"}
    site.post(f"Job/{job}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Canceled")
    job = site.create()
    site.task(job, "exit 3", Type="NodePrep", TaskValidExitCodes="0..3")
    site.task(job, "true")
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"


@pytest.mark.parametrize("forced", ["true", "false"])
def test_forced_cancel_leaves_the_release_out(site: Site, trace: Path, forced: str):
    """Forced skips it; a job that is requeued has it again."""
    job = site.create(RunUntilCanceled="true")
    site.task(job, "sleep 60")
    site.task(job, f"echo release >> {trace}", Type="NodeRelease")
    site.submit(job)
    site.until_task(job, 1, "Running")
    site.post(f"Job/{job}/Cancel", params={"Forced": forced})
    site.until_job(job, "Canceled")
    assert trace.read_text() == ("" if forced == "true" else "release\n")
    if forced == "true":
        assert site.post(f"Job/{job}/Requeue").status_code == 200
        site.until_task(job, 1, "Running")
        site.post(f"Job/{job}/Cancel")
        site.until_job(job, "Canceled")
        assert trace.read_text() == "release\n"


def test_node_tasks_with_files_of_their_own(site: Site, tmp_path: Path):
    """Streams go where the paths say, relative to WorkDirectory."""
    tmp_path.chmod(0o777)
    job = site.create()
    site.task(job, "pwd; echo oh >&2", Type="NodePrep", WorkDirectory=str(tmp_path), StdOutFilePath="out",
              StdErrFilePath="err")  # fmt: skip
    site.task(job, "true")
    site.submit(job)
    site.until_job(job, "Finished")
    assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == (f"{tmp_path}\n", "oh\n")
    assert of_run(site, job, 1, "Output") == {"Output": ""}


def test_node_tasks_are_refused(site: Site):
    """A second one of a type, in a job that was submitted, with dependencies, ended by itself; nothing is changed."""
    job = site.create()
    site.task(job, "true", Name="a")
    site.task(job, "true", Type="NodePrep")
    again = body(CommandLine="true", Type="NodePrep")
    assert code(site.post(f"Job/{job}/Tasks", again))[1] == "-2147220924"
    waits = body(CommandLine="true", Type="NodeRelease", DependsOn="a")
    assert code(site.post(f"Job/{job}/Tasks", waits))[1] == "-2147220924"
    assert code(site.post(f"Job/{job}/Task/2/Cancel"))[1] == "-2147220921"
    assert code(site.put(f"Job/{job}/Task/2", body(Type="Basic")))[1] == "-2147220924"
    assert site.put(f"Job/{job}/Task/2", body(CommandLine="exit 0", Name="b")).status_code == 200
    assert site.of_task(job, 2, "CommandLine", "Name") == {"CommandLine": "exit 0", "Name": "b"}
    site.submit(job)
    site.until_job(job, "Finished")
    assert code(site.post(f"Job/{job}/Task/2/Requeue", body()))[1] == "-2147220921"
    open_ = site.create(RunUntilCanceled="true")
    site.submit(open_)
    assert code(site.post(f"Job/{open_}/Tasks", again))[1] == "-2147220921"
    site.post(f"Job/{open_}/Cancel")


def test_node_tasks_of_a_job_file(site: Site, trace: Path):
    """They come in by job XML and go out by it."""
    file = (
        f'<Job><Tasks><Task Type="NodePrep" Name="p" CommandLine="echo prep >> {trace}"/>'
        f'<Task CommandLine="echo run >> {trace}"/><Task Type="NodeRelease" CommandLine="echo off >> {trace}"/>'
        "</Tasks></Job>"
    )
    first = create(site, file)
    job = create(site, whole(site, first).decode())
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert trace.read_text() == "prep\nrun\noff\n"
    assert {row["TaskId"]: row["Name"] for row in rows(site.get(f"Job/{job}/Tasks"))}[f"{job}.1.1"] == "p"
