"""The whole server from outside: definitions of the settings run command lines, the command line gives sessions."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tests.support.provider import Provider
from tests.support.server import RunningServer, running_server

DEV = ("dev", "linarite")
CONFIG = """
[superoffice_tasks.export]
command = "echo week $SO_PARAM_WEEK of $SO_REQUEST"
description = "Weekly export"

[superoffice_tasks.fails]
command = "exit 3"
restarts = 1

[superoffice_tasks.endless]
command = "sleep 3600"
cancellation = "CancelWithWarning"
"""


@pytest.fixture(scope="module")
def so_server(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[RunningServer]:
    config = tmp_path_factory.mktemp("config") / "linarite.toml"
    config.write_text(CONFIG)
    with provider.server(config=config) as server:
        yield server


def start(server: RunningServer, **info: Any) -> int:
    answer = requests.post(f"{server.superoffice}/api/v1/BatchTask", json=info, auth=DEV, timeout=10)
    assert answer.status_code == 200, answer.text
    return int(answer.json())


def until(server: RunningServer, id: int, *states: str) -> dict[str, Any]:
    """Wait until a task is in one of the states."""
    deadline = time.monotonic() + 30
    while True:
        info: dict[str, Any] = requests.get(f"{server.superoffice}/api/v1/BatchTask/{id}", auth=DEV, timeout=10).json()
        if info["State"] in states:
            return info
        assert time.monotonic() < deadline, info
        time.sleep(0.02)


def test_start_batch_job_runs_the_definition_of_the_settings(so_server: RunningServer) -> None:
    """The command line runs with its parameters; what it prints is the Response."""
    id = start(so_server, Name="export", Request="the year", ParameterObject={"week": "40"})
    info = until(so_server, id, "Succeeded", "Failed")
    assert (info["State"], info["Response"], info["ProgressPercent"]) == ("Succeeded", "week 40 of the year\n", 100)
    assert info["Description"] == "Weekly export"


def test_start_batch_job_restarts_a_definition_that_fails(so_server: RunningServer) -> None:
    """A failing task is started again as often as its definition says."""
    info = until(so_server, start(so_server, Name="fails"), "Succeeded", "Failed")
    assert (info["State"], info["Result"], info["StartCount"]) == ("Failed", "failure (exit 3)", 2)


def test_stop_batch_job_ends_the_process(so_server: RunningServer) -> None:
    """A task that would run for an hour is over when it was stopped."""
    id = start(so_server, Name="endless")
    until(so_server, id, "Started")
    url = f"{so_server.superoffice}/api/v1/BatchTask/{id}"
    assert requests.post(f"{url}/Stop", auth=DEV, timeout=10).json() is True
    assert until(so_server, id, "Failed", "Succeeded")["State"] == "Failed"
    assert requests.delete(url, auth=DEV, timeout=10).status_code == 204


@pytest.mark.parametrize("kind", ["ticket", "bearer", "cookie"])
def test_a_session_of_the_command_line_signs_in(so_server: RunningServer, kind: str) -> None:
    """What `linarite token --superoffice` prints is taken."""
    done = so_server.command("token", "--superoffice", kind)
    assert done.returncode == 0, done.stderr
    words = {"ticket": "Authorization: SOTICKET ", "bearer": "Authorization: Bearer ", "cookie": ""}
    lines = (words[kind] + done.stdout.strip()).splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    answer = requests.get(f"{so_server.superoffice}/api/v1/BatchTask/All", headers=headers, timeout=10)
    assert answer.status_code == 200, answer.text


def test_a_definition_that_cannot_be_is_refused_at_the_start(tmp_path: Path) -> None:
    """A word that a definition has not, or a wrong value, does not start the server."""
    for wrong in ({"command": "true", "cancellation": "Never"}, {"command": "true", "restart": 1}, {"pool": "p"}):
        options = {"superoffice_tasks": json.dumps({"wrong": wrong})}
        with pytest.raises(RuntimeError, match="superoffice_tasks"), running_server(**options):
            pass
