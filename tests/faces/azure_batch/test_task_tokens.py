"""authenticationTokenSettings: what a running task may do with the token that it is given, and what it may not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
from tests.faces.azure_batch.raw import Answer, RawBatch
from tests.support.server import RunningServer, running_server

OLD = "2024-07-01.20.0"
TOKEN = {"authenticationTokenSettings": {"access": ["job"]}}
TELL = 'printf %s "$AZ_BATCH_AUTHENTICATION_TOKEN"'
STAY = f"/bin/sh -c '{TELL}; while [ ! -e end ]; do sleep 0.05; done; rm end; exit 3'"
"""Tells its token and runs until a file `end` is put beside it."""
END = "/bin/sh -c 'touch ../../t/wd/end'"

pytestmark = pytest.mark.operation("Tasks_CreateTask")


@pytest.fixture
def old(server: RunningServer, account: str) -> RawBatch:
    return RawBatch(server.batch, account, OLD)


def start(batch: RawBatch, pool: str = "p", **properties: Any) -> str:
    """The token of a task t in a job j that goes on running."""
    batch.make_pool(pool, targetDedicatedNodes=1, taskSlotsPerNode=4)
    batch.make_job("j", pool)
    assert batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": STAY, **TOKEN, **properties}).status == 201
    return told(batch)


def told(batch: RawBatch, but: str = "") -> str:
    """The token that the task t has written, another than `but`."""
    deadline = time.monotonic() + 30
    while True:
        answer = batch.call("GET", "/jobs/j/tasks/t/files/stdout.txt")
        text = answer.body.decode()
        if answer.status == 200 and text.count(".") == 2 and text != but:
            return text
        assert time.monotonic() < deadline, text
        time.sleep(0.02)


def end(batch: RawBatch) -> None:
    """Let the task t end by itself."""
    assert batch.call("POST", "/jobs/j/tasks", {"id": f"e{time.time_ns()}", "commandLine": END}).status == 201
    batch.wait_task("j", "t")


def is_refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer.body


def test_token_opens_the_operations_of_its_job(old: RawBatch, batch: RawBatch):
    """Also by another version than the one that added the task: 2025-06-01 has the operations, if not the element."""
    token = start(old)
    new = batch
    assert new.by_token(token, "POST", "/jobs/j/tasks", {"id": "more", "commandLine": "/bin/true"}).status == 201
    new.wait_task("j", "more")
    assert new.by_token(token, "GET", "/jobs/J/tasks/more").json["id"] == "more"
    assert new.by_token(token, "GET", "/jobs/j/taskcounts").status == 200
    assert new.by_token(token, "GET", "/jobs/j/tasks/more/files").status == 200
    assert new.by_token(token, "PATCH", "/jobs/j", {"priority": 5}).status == 200
    assert new.by_token(token, "DELETE", "/jobs/j/tasks/more").status == 200


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/jobs"), ("POST", "/jobs"), ("GET", "/jobs/other"), ("POST", "/jobs/other/tasks"), ("GET", "/pools"),
        ("PUT", "/jobs/other"), ("PATCH", "/jobs/other"), ("DELETE", "/jobs/other"), ("POST", "/jobs/other/terminate"),
        ("POST", "/jobs/other/disable"), ("POST", "/jobs/other/addtaskcollection"), ("GET", "/jobs/other/taskcounts"),
        ("GET", "/jobs/other/tasks/x"), ("DELETE", "/jobs/other/tasks/x"), ("GET", "/jobs/other/tasks/x/files"),
        ("GET", "/jobs/other/tasks/x/files/stdout.txt"),
        ("POST", "/jobschedules"), ("PATCH", "/jobschedules/s"), ("DELETE", "/jobschedules/s"),
        ("GET", "/jobschedules/s/jobs"), ("POST", "/pools/p/resize"), ("POST", "/pools/p/nodes/n/reboot"),
        ("GET", "/pools/p/nodes/n/files"), ("PUT", "/pools/p/nodes/n/users/u"), ("GET", "/pools/p"),
        ("POST", "/pools"), ("GET", "/pools/p/nodes"), ("DELETE", "/pools/p"),
        ("GET", "/nodecounts"), ("GET", "/applications"), ("GET", "/supportedimages"), ("GET", "/jobschedules"),
    ],
)  # fmt: skip
def test_token_opens_nothing_else(shared: tuple[RawBatch, str], method: str, target: str):
    batch, token = shared
    is_refused(batch.by_token(token, method, target, {"id": "x"}), 403, "InsufficientAccountPermissions")


@pytest.fixture(scope="module")
def shared(server: RunningServer) -> tuple[RawBatch, str]:
    batch = RawBatch(server.batch, f"s{time.time_ns()}"[:24], OLD)
    token = start(batch)
    batch.make_job("other", "p")
    return batch, token


def test_token_is_good_in_its_own_account_alone(shared: tuple[RawBatch, str], server: RunningServer):
    batch, token = shared
    other = RawBatch(server.batch, f"{batch.account[:20]}x", OLD)
    other.make_job("j")
    answer = batch.by_token(token, "GET", "/jobs/j", host=f"{other.account}.local.batch.azure.com")
    is_refused(answer, 403, "InsufficientAccountPermissions")
    assert batch.by_token(token, "GET", "/jobs/j", host=f"{batch.account}.local.batch.azure.com").status == 200


def test_token_opens_no_share(shared: tuple[RawBatch, str], server: RunningServer):
    batch, token = shared
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2025-01-05", "x-ms-file-request-intent": "backup"}
    answer = requests.get(f"{server.files}/{batch.account}/s/f", headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (401, "InvalidAuthenticationInfo")


def changed(token: str, **claims: Any) -> str:
    """The same said by somebody who does not have the secret."""
    said = jwt.decode(token, options={"verify_signature": False}) | claims
    return jwt.encode(said, "a guess of more than thirty-two bytes.", "HS256")


@pytest.mark.parametrize(
    "forge",
    [
        changed,
        lambda token: changed(token, exp=1),
        lambda token: jwt.encode(jwt.decode(token, options={"verify_signature": False}), "", "none"),
        lambda token: token[:-4] + "AAAA",
    ],
    ids=["another secret", "expired", "no signature", "another signature"],
)  # fmt: skip
def test_token_that_is_made_up_is_401(shared: tuple[RawBatch, str], forge: Callable[[str], str]):
    batch, token = shared
    is_refused(batch.by_token(forge(token), "GET", "/jobs/j"), 401, "AuthenticationFailed")


def test_token_is_neither_shown_nor_kept_nor_logged(shared: tuple[RawBatch, str], server: RunningServer):
    batch, token = shared
    for target in ("/jobs/j/tasks/t", "/jobs/j/tasks", "/jobs/j", "/pools/p/nodes"):
        assert token not in batch.call("GET", target).body.decode()
    assert token not in server.log
    for path in (server.data / "server").rglob("*"):
        assert not path.is_file() or token.encode() not in path.read_bytes(), path


def test_token_lives_as_long_as_its_run(old: RawBatch):
    """A retry has a token of its own, and after the end there is none."""
    first = start(old, constraints={"maxTaskRetryCount": 1})
    assert old.by_token(first, "GET", "/jobs/j").status == 200
    assert old.call("POST", "/jobs/j/tasks", {"id": "e", "commandLine": END}).status == 201
    second = told(old, but=first)
    answer = old.by_token(first, "GET", "/jobs/j")
    is_refused(answer, 401, "AuthenticationFailed")
    assert "does not run any more" in answer.values["AuthenticationErrorDetail"]
    assert old.by_token(second, "GET", "/jobs/j").status == 200
    end(old)
    is_refused(old.by_token(second, "GET", "/jobs/j"), 401, "AuthenticationFailed")


def test_token_of_a_deleted_job_opens_no_later_job_of_its_name(old: RawBatch):
    token = start(old)
    assert old.call("DELETE", "/jobs/j").status == 202
    deadline = time.monotonic() + 30
    while old.call("GET", "/jobs/j").status != 404:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    old.make_job("j", "p")
    assert old.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": STAY}).status == 201
    old.wait_task("j", "t", "running")
    is_refused(old.by_token(token, "GET", "/jobs/j"), 401, "AuthenticationFailed")
    old.call("DELETE", "/jobs/j")


def test_task_that_asks_for_no_token_has_none(old: RawBatch):
    old.make_pool("p", targetDedicatedNodes=1)
    old.make_job("j", "p")
    line = "/bin/sh -c 'echo \"<${AZ_BATCH_AUTHENTICATION_TOKEN-none}>\"'"
    assert old.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": line}).status == 201
    old.wait_task("j", "t")
    assert old.call("GET", "/jobs/j/tasks/t/files/stdout.txt").body == b"<none>\n"


def test_tasks_own_variable_of_that_name_does_not_win(old: RawBatch):
    token = start(old, environmentSettings=[{"name": "AZ_BATCH_AUTHENTICATION_TOKEN", "value": "a.b.c"}])
    assert old.by_token(token, "GET", "/jobs/j").status == 200


def test_job_manager_task_has_a_token_too(old: RawBatch):
    old.make_pool("p", targetDedicatedNodes=1)
    manager = {"id": "t", "commandLine": STAY, "killJobOnCompletion": False, **TOKEN}
    old.make_job("j", "p", jobManagerTask=manager)
    token = told(old)
    assert old.by_token(token, "GET", "/jobs/j").json["jobManagerTask"]["authenticationTokenSettings"] == {
        "access": ["job"]
    }
    assert old.by_token(token, "POST", "/jobs/j/terminate").status == 202


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, "MissingRequiredProperty"), ({"access": []}, "MissingRequiredProperty"),
        ({"access": ["pool"]}, "InvalidPropertyValue"), ({"access": "job"}, "InvalidRequestBody"),
    ],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(old: RawBatch, settings: Any, code: str):
    old.make_job("j")
    task = {"id": "t", "commandLine": "x", "authenticationTokenSettings": settings}
    is_refused(old.call("POST", "/jobs/j/tasks", task), 400, code)
    job = {"id": "k", "poolInfo": {"poolId": "p"}, "jobManagerTask": task}
    is_refused(old.call("POST", "/jobs", job), 400, code)
    assert old.call("GET", "/jobs/j/tasks").json["value"] == []
    assert old.call("GET", "/jobs/k").status == 404


def test_newest_version_has_no_such_settings(batch: RawBatch):
    batch.make_job("j")
    is_refused(batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "x", **TOKEN}), 400, "InvalidRequestBody")
    manager = {"jobManagerTask": {"id": "t", "commandLine": "x", **TOKEN}}
    is_refused(
        batch.call("POST", "/jobs", {"id": "k", "poolInfo": {"poolId": "p"}, **manager}), 400, "InvalidRequestBody"
    )


@pytest.mark.root
def test_token_is_not_read_by_another_accounts_task(shared: tuple[RawBatch, str], server: RunningServer, account: str):
    """Though it looks at every process and file; a task of the same account finds it."""
    batch, token = shared
    other = RawBatch(server.batch, account)
    other.make_pool("p", targetDedicatedNodes=1)
    other.make_job("other", "p")
    places = f"/proc/[0-9]*/environ {server.data}"
    line = f"/bin/sh -c 'grep -rasl {token[-40:]} {places} | wc -l'"
    found = []
    for one in (other, batch):
        assert one.call("POST", "/jobs/other/tasks", {"id": "t", "commandLine": line}).status == 201
        one.wait_task("other", "t")
        found.append(int(one.call("GET", "/jobs/other/tasks/t/files/stdout.txt").body))
    assert found[0] == 0
    assert found[1] >= 1


def test_token_outlives_a_restart_and_is_good_in_production():
    with running_server() as server:
        old = RawBatch(server.batch, "devaccount", OLD)
        token = start(old)
        server.kill9()
        server.start()
        assert old.by_token(token, "GET", "/jobs/j").status == 200
        assert server.terminate() == 0
        assert server.command("accounts", "rotate", "devaccount", "--key", "1").returncode == 0
        server.start(development=False)
        assert old.by_token(token, "GET", "/jobs/j").status == 200
        assert old.by_token(token, "POST", "/jobs/j/terminate").status == 202
