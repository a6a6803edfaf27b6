"""The life of a job: Create, Set, Submit, Cancel, Requeue, and where it runs."""

from __future__ import annotations

import pytest
from tests.faces.hpc_pack.site import SERIALIZATION, Site, body

from linarite.engine import pools
from linarite.engine.model import Role


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.text.partition("<Code>")[2].partition("</Code>")[0]


def test_create_job_with_an_empty_body(site: Site):
    """The Java sample creates a job with no body at all."""
    assert site.job(site.number(site.post("Jobs")), "State") == {"State": "Configuring"}


def test_create_job_with_properties_in_any_case(site: Site):
    """Names are found in any case, values may be an enumeration's number."""
    job = site.create(nAME="x", unittype="2", PRIORITY="4", isexclusive="1")
    assert site.job(job, "Name", "UnitType", "ExpandedPriority", "IsExclusive") == {
        "Name": "x", "UnitType": "Node", "ExpandedPriority": "4000", "IsExclusive": "True",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), [("AboveNormal", "3000"), ("0", "0"), ("2500", "2500"), ("4000", "4000"), ("3999", "3999")]
)
def test_create_job_with_a_priority(site: Site, text: str, expected: str):
    """Priority is a name, a number of one, or the expanded number; its name is that of its thousand."""
    found = site.job(site.create(Priority=text), "ExpandedPriority", "Priority")
    names = ["Lowest", "BelowNormal", "Normal", "AboveNormal", "Highest"]
    assert found == {"ExpandedPriority": expected, "Priority": names[int(expected) // 1000]}


BAD = [
    (body(Nonsense="1"), 400, "-2147220962"),
    (body(State="Running"), 400, "-2147220989"),
    (body(MinCores="many"), 400, "-2147220987"),
    (body(MinCores="99999999999"), 400, "-2147220987"),
    (body(MinCores="-1"), 400, "-2147220987"),
    (body(IsExclusive="perhaps"), 400, "-2147220987"),
    (body(HoldUntil="tomorrow"), 400, "-2147220987"),
    (body(HoldUntil="9999-12-31T23:59:59-14:00"), 400, "-2147220987"),
    (body(UnitType="Rack"), 400, "-2147220987"),
    (body(OrderBy="Cores,Cores"), 400, "-2147220987"),
    (body(Priority="4001"), 400, "-2147220987"),
    (body(ExpandedPriority="-1"), 400, "-2147220987"),
    (body(JobValidExitCodes="9..7"), 400, "-2147220987"),
    (body(Progress="101"), 400, "-2147220917"),
    (body(ProgressMessage="x" * 81), 400, "-2147220939"),
    (body(Name="x" * 81), 400, "-2147220939"),
    (body(JobTemplate="Other"), 404, "-2147220965"),
    (body(NodeGroups="main,nowhere"), 400, "-2147220937"),
    (body(Pool="nowhere"), 400, "-2147220937"),
    (body(ParentJobIds="999999999"), 404, "-2147220986"),
    ("<ArrayOfProperty", 400, "267386880"),
    ("<Other/>", 400, "267386880"),
    ("<ArrayOfProperty><Property><Value>1</Value></Property></ArrayOfProperty>", 400, "267386880"),
    ('<!DOCTYPE a [<!ENTITY x "y">]><ArrayOfProperty>&x;</ArrayOfProperty>', 400, "267386880"),
    ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><ArrayOfProperty/>', 400, "267386880"),
    ('{"Name": "x"}', 400, "267386880"),
    ("\x00\x01", 400, "267386880"),
]


@pytest.mark.parametrize(("data", "status", "number"), BAD)
def test_create_job_refused(site: Site, data: str, status: int, number: str):
    """Bad input has its code in both shapes, and makes no job."""
    before = site.run(site.engine.ask(lambda tx: len(tx.jobs.page("devaccount", None, 0, 100_000))))
    assert code(site.post("Jobs", data)) == (status, number)
    old = site.post("Jobs", data, headers={"api-version": None})
    assert old.status_code == status
    assert old.text.startswith('<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">')
    assert site.run(site.engine.ask(lambda tx: len(tx.jobs.page("devaccount", None, 0, 100_000)))) == before


@pytest.mark.parametrize(("data", "status", "number"), BAD)
def test_set_job_refused(site: Site, data: str, status: int, number: str):
    """The same for Set Job Properties: nothing changes, though a good property goes before the bad one."""
    job = site.create(Name="kept")
    record = site.record(job)
    with_good = data.replace("<Property>", "<Property><Name>Name</Name><Value>new</Value></Property><Property>", 1)
    assert code(site.put(f"Job/{job}", with_good)) == (status, number)
    assert site.record(job) == record


def test_create_job_larger_than_allowed(site: Site):
    """A body over the limit is refused before it is read."""
    answer = site.post("Jobs", "<", headers={"Content-Length": "1"})
    assert answer.status_code == 400
    huge = site.call("POST", "/WindowsHPC/Jobs", data=b" " * (16 * 1024 * 1024 + 1))
    assert huge.status_code == 413


def test_set_job_while_configuring(site: Site):
    """All that can be set at all can be set; an empty value takes it back."""
    job = site.create(Name="a", MinCores="3", AutoCalculateMin="false", Project="p")
    site.put(f"Job/{job}", body(Name="b", MinCores="", Project="")).raise_for_status()
    assert site.job(job, "Name", "MinCores", "Project") == {"Name": "b", "MinCores": "1", "Project": ""}


def test_set_job_in_each_state(site: Site):
    """What may be set grows less as the job lives; progress may always be set."""
    job = site.create(RunUntilCanceled="true")
    site.task(job, "true")
    site.submit(job)
    site.until_task(job, 1, "Finished")
    site.put(f"Job/{job}", body(Name="late", RuntimeSeconds="60")).raise_for_status()
    assert code(site.put(f"Job/{job}", body(Name="later", MinCores="2"))) == (400, "-2147220961")
    assert site.job(job, "Name", "State") == {"Name": "late", "State": "Running"}
    site.post(f"Job/{job}/Cancel").raise_for_status()
    assert code(site.put(f"Job/{job}", body(Name="too late"))) == (400, "-2147220961")
    site.put(f"Job/{job}", body(Progress="42", ProgressMessage="done")).raise_for_status()
    assert site.job(job, "Name", "Progress", "ProgressMessage", "State") == {
        "Name": "late", "Progress": "42", "ProgressMessage": "done", "State": "Canceled",
    }  # fmt: skip


def test_submit_job_without_tasks(site: Site):
    """A job with no task finishes at once."""
    job = site.create()
    site.submit(job)
    assert site.job(job, "State") == {"State": "Finished"}


def test_submit_job_with_credentials(site: Site):
    """UserName is kept, Password is not, anywhere."""
    job = site.create()
    answer = site.post(f"Job/{job}/Submit", body(UserName="CORP\\bob", Password="s3cret-word"))
    assert (answer.status_code, answer.content) == (200, b"")
    assert site.job(job, "UserName", "Owner") == {"UserName": "CORP\\bob", "Owner": "LINARITE\\dev"}
    assert "s3cret-word" not in repr(site.record(job))
    assert site.job(job, "Password") == {"Password": ""}


def test_submit_job_twice(site: Site):
    """Only a Configuring job can be submitted."""
    job = site.create(RunUntilCanceled="true")
    site.submit(job)
    assert code(site.post(f"Job/{job}/Submit")) == (400, "-2147220990")


def test_submit_job_with_a_task_without_command(site: Site):
    """Such a job stays as it is until the command is given."""
    job = site.create()
    site.number(site.post(f"Job/{job}/Tasks", body(Name="empty")))
    assert code(site.post(f"Job/{job}/Submit")) == (400, "-2147219952")
    assert site.job(job, "State") == {"State": "Configuring"}
    site.put(f"Job/{job}/Task/1", body(CommandLine="true")).raise_for_status()
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Finished"


def test_cancel_job_with_a_message(site: Site):
    """What runs fails, what waits is canceled, and the job tells the user's words."""
    job = site.create()
    site.task(job, "sleep 60", Name="runs")
    site.task(job, "true", DependsOn="runs")
    site.submit(job)
    site.until_task(job, 1, "Running")
    words = '<string xmlns="http://schemas.microsoft.com/2003/10/Serialization/">not &amp; needed</string>'
    answer = site.post(f"Job/{job}/Cancel?Forced=true", words)
    assert (answer.status_code, answer.content) == (200, b"")
    assert site.until_job(job, "Canceled") == "Canceled"
    assert "not & needed" in site.job(job, "ErrorMessage")["ErrorMessage"]
    assert [site.of_task(job, task, "State")["State"] for task in (1, 2)] == ["Failed", "Canceled"]
    assert "not & needed" in site.of_task(job, 1, "ErrorMessage")["ErrorMessage"]


def test_cancel_job_twice(site: Site):
    """The refusal is the page's own text."""
    job = site.create()
    site.post(f"Job/{job}/Cancel").raise_for_status()
    answer = site.post(f"Job/{job}/Cancel")
    assert code(answer) == (400, "-2147220984")
    assert "Jobs in the Canceled state cannot be canceled." in answer.text


def test_cancel_job_with_a_long_message(site: Site):
    """A message has at most 128 characters."""
    job = site.create()
    assert code(site.post(f"Job/{job}/Cancel", f"<string>{'x' * 129}</string>")) == (400, "-2147220781")
    assert code(site.post(f"Job/{job}/Cancel?Forced=maybe"))[0] == 400
    assert site.job(job, "State") == {"State": "Configuring"}


def test_requeue_job_after_a_failure(site: Site, tmp_path):
    """What failed runs again, what finished stays; RequeueCount tells it."""
    flag = tmp_path / "flag"
    job = site.run_job(f"test -e {flag}", "true")
    assert site.job(job, "State") == {"State": "Failed"}
    first = site.of_task(job, 2, "StartTime", "EndTime")
    flag.touch()
    site.post(f"Job/{job}/Requeue", body()).raise_for_status()
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert site.job(job, "RequeueCount") == {"RequeueCount": "1"}
    assert site.of_task(job, 2, "StartTime", "EndTime") == first


def test_requeue_job_after_a_cancel(site: Site):
    """What was waiting runs; a task that was canceled by itself stays."""
    job = site.create()
    site.task(job, "true")
    site.task(job, "true")
    site.post(f"Job/{job}/Task/2/Cancel", "<string>not this one</string>").raise_for_status()
    site.post(f"Job/{job}/Cancel").raise_for_status()
    site.post(f"Job/{job}/Requeue").raise_for_status()
    site.until_task(job, 1, "Finished")
    assert site.of_task(job, 2, "State")["State"] == "Canceled"


@pytest.mark.parametrize("submitted", [False, True])
def test_requeue_job_in_a_wrong_state(site: Site, submitted: bool):
    """Only Canceled or Failed jobs can be requeued, and the refusal tells how to copy one."""
    job = site.create()
    if submitted:
        site.submit(job)
    answer = site.post(f"Job/{job}/Requeue")
    assert code(answer) == (400, "267386880")
    assert "HpcJobXml" in answer.text


def test_job_without_a_pool_waits_for_one(fresh: Site):
    """Created while the account has no pool, it stays queued until there is one."""
    job = fresh.create()
    fresh.task(job, "true")
    fresh.submit(job)
    assert fresh.job(job, "State", "Pool") == {"State": "Queued", "Pool": ""}
    fresh.make_pool("late")
    assert fresh.until_job(job, "Finished", "Failed") == "Finished"
    assert fresh.job(job, "Pool", "NodeGroups") == {"Pool": "late", "NodeGroups": "late"}


def test_job_names_its_pool(fresh: Site):
    """Pool or the first pool among NodeGroups decides; else the account's first active pool."""
    fresh.make_pool("one", target_dedicated=0)
    fresh.make_pool("two", target_dedicated=0)
    assert fresh.job(fresh.create(), "Pool") == {"Pool": "one"}
    assert fresh.job(fresh.create(Pool="TWO"), "Pool") == {"Pool": "two"}
    assert fresh.job(fresh.create(Pool="Default"), "Pool") == {"Pool": "one"}
    assert fresh.job(fresh.create(NodeGroups="ComputeNodes, two"), "Pool") == {"Pool": "two"}
    fresh.run(fresh.engine.do(pools.delete, "devaccount", "one"))
    assert fresh.job(fresh.create(), "Pool") == {"Pool": "two"}


def test_job_with_valid_exit_codes(site: Site):
    """The job's list decides for tasks without one of their own."""
    job = site.create(JobValidExitCodes="0..3")
    site.task(job, "exit 3")
    site.task(job, "exit 0", TaskValidExitCodes="1,min..-1")
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed") == "Failed"
    assert site.of_task(job, 1, "State", "ExitCode") == {"State": "Finished", "ExitCode": "3"}
    assert site.of_task(job, 2, "State", "ErrorMessage") == {
        "State": "Failed", "ErrorMessage": "The exit code 0 is not valid.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of_job", "of_task"), [({"FailOnTaskFailure": "true"}, {}), ({}, {"FailJobOnFailure": "true"})]
)
def test_job_fails_with_its_first_failed_task(site: Site, of_job, of_task):
    """Set on the job for all tasks, or on one task."""
    job = site.create(**of_job)
    site.task(job, "exit 1", **of_task)
    site.task(job, "sleep 60")
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed", "Canceled") == "Failed"


def test_job_over_its_run_time(site: Site):
    """The job becomes Canceled and tells its run time."""
    job = site.create(RuntimeSeconds="1")
    site.task(job, "sleep 60")
    site.submit(job)
    assert site.until_job(job, "Finished", "Failed", "Canceled") == "Canceled"
    assert "1 seconds" in site.job(job, "ErrorMessage")["ErrorMessage"]


def test_job_waits_for_its_parent(site: Site):
    """A child starts when its parent is over; FailDependentTasks fails it with the parent."""
    parent = site.create()
    site.task(parent, "exit 1")
    child, doomed = site.create(ParentJobIds=str(parent)), site.create(ParentJobIds=str(parent), FailDependentTasks="1")
    for job in (child, doomed):
        site.task(job, "true")
        site.submit(job)
    assert site.job(child, "State") == {"State": "Queued"}
    site.submit(parent)
    assert site.until_job(child, "Finished", "Failed") == "Finished"
    assert site.until_job(doomed, "Finished", "Failed") == "Failed"


def test_tasks_of_a_job_that_was_ended_say_why(site: Site):
    """In a sentence: by its run time, a failed task, a failed parent, or the user's own words."""
    late = site.create(RuntimeSeconds="1")
    failing = site.create(FailOnTaskFailure="true")
    doomed = site.create(ParentJobIds=str(failing), FailDependentTasks="true")
    said = site.create()
    for job in (late, failing, doomed, said):
        site.task(job, "sleep 60")
    site.task(failing, "exit 1")
    for job in (late, failing, doomed, said):
        site.submit(job)
    site.post(f"Job/{said}/Cancel", f'<string xmlns="{SERIALIZATION[1:-1]}">TaskFailed</string>')
    found = []
    for job in (late, failing, doomed, said):
        site.until_job(job, "Failed", "Canceled")
        found.append(site.of_task(job, 1, "ErrorMessage")["ErrorMessage"])
    assert found == [
        "Its job was canceled. The job ran longer than its run time.",
        "Its job was canceled. Another task of the job failed.",
        "Its job was canceled. A job that the job depends on failed.",
        "Its job was canceled. TaskFailed",
    ]


def test_jobs_that_wait_for_each_other(site: Site):
    """A job cannot be its own ancestor."""
    first = site.create()
    second = site.create(ParentJobIds=str(first))
    third = site.create(ParentJobIds=str(second))
    for parent in (first, second, third):
        assert code(site.put(f"Job/{first}", body(ParentJobIds=str(parent)))) == (400, "-2147220987")
    assert site.job(first, "ParentJobIds", "ChildJobIds") == {"ParentJobIds": "", "ChildJobIds": str(second)}


def test_jobs_of_another_user(site: Site):
    """Others may look at a job, but only its owner and administrators change it or list its tasks."""
    alice, bob, eve = site.user("alice", Role.WRITE), site.user("bob", Role.WRITE), site.user("eve", Role.READ)
    job = site.create(auth=alice)
    assert site.job(job, "Owner") == {"Owner": "LINARITE\\alice"}
    assert site.get(f"Job/{job}", auth=bob).status_code == 200
    for answer in (
        site.put(f"Job/{job}", body(Name="x"), auth=bob), site.post(f"Job/{job}/Submit", auth=bob),
        site.post(f"Job/{job}/Cancel", auth=bob), site.get(f"Job/{job}/Tasks", auth=bob),
        site.post(f"Job/{job}/Tasks", body(CommandLine="true"), auth=bob), site.post("Jobs", auth=eve),
        site.post(f"Job/{job}/CustomProperties", body(a="b"), auth=bob),
        site.get(f"Job/{job}", auth=bob, params={"Render": "HpcJobXml"}),
        site.get(f"Job/{job}/EnvVariables", auth=bob), site.post(f"Job/{job}/EnvVariables", body(a="b"), auth=bob),
    ):  # fmt: skip
        assert code(answer) == (403, "-2147220981")
    assert site.post(f"Job/{job}/Cancel").status_code == 200


def test_job_of_another_account(site: Site):
    """A user of another account sees nothing of it: numbers are the account's own."""
    zoe = site.user("zoe", Role.ADMIN, account="other")
    assert site.get(f"Job/{site.create()}", auth=zoe).status_code == 404


def test_two_jobs_in_one_account_have_numbers_of_their_own(site: Site):
    """A job's number is given at commit and never again."""
    first = site.create()
    assert site.create() > first
