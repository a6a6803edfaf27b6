"""Parametric sweeps and their subtasks: on the wire of both surfaces."""

from __future__ import annotations

import pytest
from tests.faces.hpc_pack.site import Site, body, pairs, rows
from tests.faces.hpc_pack.test_tasks import code


def sweep(site: Site, job: int, command: str = "echo *", first: int = 1, last: int = 3, **properties: str) -> int:
    values = {"Type": "ParametricSweep", "StartValue": str(first), "EndValue": str(last), **properties}
    return site.task(job, command, **values)


def subtask(site: Site, job: int, task: int, number: int, *names: str) -> dict[str, str]:
    query = {"Properties": ",".join(names)} if names else {}
    return dict(pairs(site.get(f"Job/{job}/Task/{task}/SubTask/{number}", params=query)))


def test_sweep_runs_once_for_each_value(site: Site):
    """`*` is the value in command, name and paths, and CCP_TASKINSTANCEID tells it; at the end all is Finished."""
    job = site.create()
    sweep(site, job, "echo * $CCP_TASKINSTANCEID $CCP_TASKID", 2, 6, IncrementValue="2", Name="frame *")
    assert site.task(job, "true") == 2
    assert site.of_task(job, 1, "State", "TaskId", "InstanceId", "Type", "CommandLine", "EndValue") == {
        "State": "Configuring", "TaskId": f"{job}.1", "InstanceId": "0", "Type": "ParametricSweep",
        "CommandLine": "echo * $CCP_TASKINSTANCEID $CCP_TASKID", "EndValue": "6",
    }  # fmt: skip
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert subtask(site, job, 1, 2, "TaskId", "JobTaskId", "InstanceId", "Name", "Output", "State", "Type") == {
        "TaskId": f"{job}.1.2", "JobTaskId": "1", "InstanceId": "2", "Name": "frame 4", "Output": "4 4 1\n",
        "State": "Finished", "Type": "ParametricSweep",
    }  # fmt: skip
    whole = site.of_task(job, 1)
    assert (whole["State"], whole["PreviousState"], whole["Output"], whole["ExitCode"]) == (
        "Finished",
        "Running",
        "",
        "0",
    )
    assert whole["StartTime"]
    assert whole["EndTime"]


def test_sweep_in_lists(site: Site):
    """Expanded by default: subtasks in place of the sweep; as long as there are none, the sweep itself."""
    job = site.create()
    sweep(site, job)
    site.task(job, "exit 1", Name="plain")

    def ids(**query: str) -> list[str]:
        return [row["TaskId"] for row in rows(site.get(f"Job/{job}/Tasks", params={"Properties": "TaskId", **query}))]

    assert ids() == [f"{job}.1", f"{job}.2"]
    site.submit(job)
    site.until_job(job, "Failed")
    assert sorted(ids()) == [f"{job}.1.1", f"{job}.1.2", f"{job}.1.3", f"{job}.2"]
    assert ids(ExpandParametric="false") == [f"{job}.1", f"{job}.2"]
    assert sorted(ids(**{"$filter": "TaskState eq Finished"})) == [f"{job}.1.1", f"{job}.1.2", f"{job}.1.3"]
    assert ids(**{"$filter": "TaskState eq Finished", "ExpandParametric": "false"}) == [f"{job}.1"]


def test_sweep_is_paged_without_its_subtasks(site: Site):
    """Each row comes once, whether it is a sweep or a task."""
    job = site.create()
    for _ in range(3):
        sweep(site, job, "true", last=2)
        site.task(job, "true")
    site.submit(job)
    site.until_job(job, "Finished")
    found, query = [], {"Properties": "TaskId", "ExpandParametric": "false", "RowsPerRead": "2"}
    while True:
        answer = site.get(f"Job/{job}/Tasks", params=query)
        found += [row["TaskId"] for row in rows(answer)]
        more = answer.headers.get("x-ms-continuation-QueryId")
        if more is None:
            break
        query = {"QueryId": more, "RowsPerRead": "2"}
    assert found == [f"{job}.{number}" for number in range(1, 7)]


def test_subtask_canceled_and_requeued(site: Site):
    """A running subtask that is canceled fails with the words; requeued, it runs again and counts that."""
    job = site.create(RunUntilCanceled="true")
    sweep(site, job, "sleep 60")
    site.submit(job)
    site.until(lambda: subtask(site, job, 1, 1, "State")["State"] == "Running")
    path = f"Job/{job}/Task/1/SubTask/1"
    words = '<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">only this one</string>'
    assert site.post(f"{path}/Cancel", words, params={"Forced": "true"}).content == b""
    site.until(lambda: subtask(site, job, 1, 1, "State")["State"] == "Failed")
    assert "only this one" in subtask(site, job, 1, 1, "ErrorMessage")["ErrorMessage"]
    assert site.of_task(job, 1, "State") == {"State": "Running"}
    assert code(site.post(f"{path}/Cancel"))[1] == "-2147220983"
    assert site.post(f"{path}/Requeue", body()).status_code == 200
    site.until(lambda: subtask(site, job, 1, 1, "State")["State"] == "Running")
    assert subtask(site, job, 1, 1, "RequeueCount") == {"RequeueCount": "1"}
    site.post(f"Job/{job}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Canceled")


@pytest.mark.parametrize("action", ["cancel", "finish"])
def test_sweep_ended_as_a_whole(site: Site, action: str):
    """Cancel: Canceled, running subtasks Failed, waiting ones Canceled. Finish: all of it Finished."""
    job = site.create(RunUntilCanceled="true")
    sweep(site, job, "sleep 60", last=9)
    site.submit(job)
    site.until(lambda: subtask(site, job, 1, 1, "State")["State"] == "Running")
    answer = site.call("POST", f"/hpc/jobs/{job}/tasks/1/{action}", json="enough", params={"forced": "true"})
    assert (answer.status_code, answer.content) == (204, b"")
    wanted = "Canceled" if action == "cancel" else "Finished"
    site.until_task(job, 1, wanted)
    assert "enough" in site.of_task(job, 1, "ErrorMessage")["ErrorMessage"]
    states = [subtask(site, job, 1, number, "State")["State"] for number in (1, 9)]
    assert states == (["Failed", "Canceled"] if action == "cancel" else ["Finished", "Finished"])
    if action == "cancel":
        assert site.post(f"Job/{job}/Task/1/Requeue", body()).status_code == 200
        site.until_task(job, 1, "Running")
    site.post(f"Job/{job}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Canceled", "Finished")


def test_sweep_of_which_a_subtask_fails(site: Site):
    """The sweep is Failed, and says of how many."""
    job = site.create()
    sweep(site, job, "exit $((* == 2))")
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Failed"
    assert site.of_task(job, 1, "State", "ErrorMessage") == {
        "State": "Failed", "ErrorMessage": "1 of its 3 subtasks failed.",
    }  # fmt: skip


def test_sweep_fails_its_job_after_so_many_failures(site: Site):
    """FailJobOnFailureCount of a sweep's subtasks; setting it turns FailJobOnFailure on."""
    job = site.create(RunUntilCanceled="true")
    sweep(site, job, "exit 1", last=3, FailJobOnFailureCount="2")
    site.task(job, "sleep 60")
    site.submit(job)
    assert site.until_job(job, "Failed", "Running", "Finished", "Queued") in {"Running", "Queued", "Failed"}
    assert site.until_job(job, "Failed") == "Failed"


def test_task_waits_for_a_sweep_by_its_name(site: Site):
    """DependsOn names a sweep as it names a task: the dependent starts when the last subtask is over."""
    job = site.create()
    sweep(site, job, "sleep 0.2", Name="frames")
    site.task(job, "true", DependsOn="frames")
    site.submit(job)
    site.until_job(job, "Finished")
    last = max(site.task_record(job, 1, index).ended_at for index in (1, 2, 3))
    assert site.task_record(job, 2).started_at >= last


def test_sweep_is_set_until_its_job_is_submitted(site: Site):
    """Values, commands, custom properties and variables; a subtask is set as long as it waits."""
    job = site.create(NodeGroups="main")
    sweep(site, job)
    assert site.put(f"Job/{job}/Task/1", body(EndValue="2", CommandLine="echo $A *")).status_code == 200
    assert site.post(f"Job/{job}/Task/1/EnvVariables", body(A="hey")).status_code == 200
    assert site.post(f"Job/{job}/Task/1/CustomProperties", body(k="v")).status_code == 200
    assert code(site.put(f"Job/{job}/Task/1", body(Type="Basic")))[1] == "-2147220924"
    assert code(site.put(f"Job/{job}/Task/1", body(StartValue="5")))[1] == "-2147220987"
    site.submit(job)
    site.until_job(job, "Finished")
    assert subtask(site, job, 1, 2, "Output")["Output"] == "hey 2\n"
    assert dict(pairs(site.get(f"Job/{job}/Task/1/CustomProperties"))) == {"k": "v"}
    assert code(site.put(f"Job/{job}/Task/1", body(Name="late")))[1] == "-2147220921"
    assert code(site.post(f"Job/{job}/Task/1/EnvVariables", body(A="late")))[0] == 400


def test_subtask_is_set_while_it_waits(site: Site):
    """Set Subtask Properties; a Type between Name and Value is taken and left aside."""
    job = site.create(HoldUntil="")
    held = site.create(RunUntilCanceled="true")
    site.task(held, "sleep 60", MinCores="4")
    site.submit(held)
    site.until_task(held, 1, "Running")
    sweep(site, job)
    site.submit(job)
    path = f"Job/{job}/Task/1/SubTask/2"
    data = body(CommandLine="echo other").replace("</Name>", "</Name><Type>String</Type>")
    assert site.put(path, data).status_code == 200
    assert subtask(site, job, 1, 2, "CommandLine") == {"CommandLine": "echo other"}
    assert subtask(site, job, 1, 3, "CommandLine") == {"CommandLine": "echo 3"}
    site.post(f"Job/{held}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Finished")
    assert subtask(site, job, 1, 2, "Output") == {"Output": "other\n"}
    assert code(site.put(path, data))[1] == "-2147220921"


@pytest.mark.parametrize("path", ["Task/1/SubTask/4", "Task/1/SubTask/0", "Task/1/SubTask/x", "Task/2/SubTask/1"])
def test_subtask_that_there_is_not(site: Site, path: str):
    """404 with the words that clients poll on."""
    job = site.run_job()
    job = site.create()
    sweep(site, job, "true")
    site.task(job, "true")
    if path.endswith("4"):
        assert "has not been expanded yet" in site.get(f"Job/{job}/Task/1/SubTask/1").text
    site.submit(job)
    answer = site.get(f"Job/{job}/{path}")
    assert code(answer) == (404, "-2147220985")
    assert "the specified subtask has not been expanded yet" in answer.text


@pytest.mark.parametrize(
    ("properties", "number"),
    [
        ({"StartValue": "0"}, "-2147220987"), ({"StartValue": "5", "EndValue": "4"}, "-2147220987"),
        ({"EndValue": "100001"}, "-2147220987"), ({"IncrementValue": "0"}, "-2147220987"),
    ],
)  # fmt: skip
def test_sweep_of_bad_values(site: Site, properties: dict[str, str], number: str):
    """Refused, and nothing is added."""
    job = site.create()
    data = body(**{"CommandLine": "true", "Type": "ParametricSweep", **properties})
    assert code(site.post(f"Job/{job}/Tasks", data))[1] == number
    assert site.task(job) == 1


def test_sweep_without_a_command_keeps_its_job_from_being_submitted(site: Site):
    """As a task without one does."""
    job = site.create()
    sweep(site, job, "")
    assert code(site.post(f"Job/{job}/Submit"))[1] == "-2147219952"
    assert site.put(f"Job/{job}/Task/1", body(CommandLine="true")).status_code == 200
    site.submit(job)
    site.until_job(job, "Finished")
