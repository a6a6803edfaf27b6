"""The real client @superoffice/webapi, unchanged, through Node: every method of its Batch agent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faces.superoffice.site import BASIC, Site
from tests.support.installed import npm_packages
from tests.support.left_out import leave_out

from linarite.engine.model import TaskSpec
from linarite.faces.superoffice.agent import ARGUMENTS

HERE = Path(__file__).parent / "superoffice"


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder where the client is installed, once for every run with this lock file."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        leave_out("the client of SuperOffice needs node and npm")
    return npm_packages("superoffice", HERE)


class Client:
    """The client in its process, called one method at a time."""

    def __init__(self, package: Path, url: str, login: dict[str, Any], **options: Any) -> None:
        environment = {"PATH": os.environ["PATH"], "NODE_PATH": str(package / "node_modules"), "NO_PROXY": "*"}
        self._process = subprocess.Popen(
            ["node", str(HERE / "agent.cjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self._say({"url": url, "login": login, "options": options})["value"] == "connected"

    def _say(self, message: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def ask(self, method: str, *arguments: object) -> Any:
        """Call a method; its value."""
        answer = self._say([method, *arguments])
        assert "value" in answer, answer
        return answer["value"]

    def refusal(self, method: str, *arguments: object) -> tuple[int, Any]:
        """Call a method that is refused; status and body."""
        answer = self._say([method, *arguments])
        return answer["status"], answer["data"]

    def close(self) -> None:
        self._process.communicate(timeout=20)


Connect = Callable[..., Client]


@pytest.fixture
def connect(package: Path) -> Iterator[Connect]:
    clients: list[Client] = []

    def make(site: Site, login: dict[str, Any], **options: Any) -> Client:
        clients.append(Client(package, f"{site.url}/api", login, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("superoffice"))
    yield site
    site.close()


PASSWORD = {"password": list(BASIC)}


def test_client_starts_follows_changes_stops_and_deletes_a_task(site: Site, connect: Connect) -> None:
    """StartBatchJob, GetBatchTaskInfo, UpdateBatchTask, StopBatchJob, DeleteBatchTask and DeleteBatchTasks."""
    client = connect(site, PASSWORD)
    asked = {"name": "slow", "description": "weekly", "request": "week=40", "parameterObject": {"format": "csv"}}
    id = client.ask("startBatchJob", asked)
    launch = site.running(id)
    assert launch.environment["SO_PARAM_FORMAT"] == "csv"
    info = client.ask("getBatchTaskInfo", id)
    assert info["id"] == id
    assert (info["name"], info["state"], info["cancellationBehaviour"]) == ("slow", "Started", "CancelWithWarning")
    assert info["parameterObject"] == {"format": "csv"}
    assert info["created"].startswith(info["lastStarted"][:4])
    changed = client.ask("updateBatchTask", {**info, "response": "half way"})
    assert (changed["response"], changed["state"]) == ("half way", "Started")
    assert client.ask("stopBatchJob", id) is True
    site.until(id, "Failed")
    assert client.ask("getBatchTaskInfo", id)["state"] == "Failed"
    assert client.ask("stopBatchJob", id) is False
    others = [client.ask("startBatchJob", {"name": "slow"}) for _ in range(2)]
    client.ask("deleteBatchTask", id)
    client.ask("deleteBatchTasks", others)
    assert [client.ask("getBatchTaskInfo", number) for number in (id, *others)] == [None, None, None]


def test_client_lists_tasks_by_every_method(site: Site, connect: Connect) -> None:
    """The nine methods that list, each with what it asks for."""
    mine, [system] = site.start("slow"), site.foreign("slow", TaskSpec(id="t", command="true"), not_before=2**60)
    site.running(mine)
    client = connect(site, PASSWORD)
    calls: dict[str, tuple[tuple[object, ...], list[int]]] = {
        "getBatchTaskInfosByState": (("All",), [mine]),
        "getBatchTaskInfosByAssociates": (([],), [mine, system]),
        "getBatchTaskInfosByAssociatesAndState": (([0], "New"), [system]),
        "getBatchTaskInfosByNameAndState": (("slow", "Started"), [mine]),
        "getBatchTaskInfosByNameAndAssociates": (("slow", [-1]), [mine]),
        "getAllBatchTaskInfosByName": (("slow",), [mine, system]),
        "getAllBatchTaskInfosByNameAndState": (("", "New"), [system]),
        "getSystemBatchTaskInfosByName": (("slow",), [system]),
        "getSystemBatchTaskInfosByNameAndState": (("slow", "Started"), []),
    }
    assert {name.lower() for name in calls} == {name.lower() for name in ARGUMENTS if "Infos" in name}
    for method, (arguments, expected) in calls.items():
        assert [info["id"] for info in client.ask(method, *arguments)] == expected, method


def test_client_signs_in_with_ticket_and_token(site: Site, connect: Connect) -> None:
    """The client's own ways to sign in; a wrong ticket is 401."""
    id = site.start()
    site.session("7T:ticket", "ticket")
    site.session("8A:Cust00001.token", "bearer")
    for login in ({"ticket": "7T:ticket"}, {"token": "8A:Cust00001.token"}):
        assert connect(site, login).ask("getBatchTaskInfo", id)["id"] == id
    status, body = connect(site, {"ticket": "7T:wrong"}).refusal("getBatchTaskInfo", id)
    assert (status, body["ErrorType"]) == (401, "SoSessionException")


def test_client_reads_refusals(site: Site, connect: Connect) -> None:
    """An unknown definition, and a task that cannot be cancelled, come back as 400 with their body."""
    client = connect(site, PASSWORD)
    status, body = client.refusal("startBatchJob", {"name": "unknown"})
    assert (status, body["Error"]) == (400, True)
    id = site.start("held fast")
    site.running(id)
    assert client.refusal("stopBatchJob", id)[0] == 400


def test_client_reads_dates_of_another_zone(site: Site, connect: Connect) -> None:
    """With an offset in the answer, the moment is the same in any zone."""
    id = site.start()
    site.running(id)
    utc = connect(site, PASSWORD).ask("getBatchTaskInfo", id)
    oslo = connect(site, PASSWORD, timezone="NO", timezoneInclude=True).ask("getBatchTaskInfo", id)
    assert (oslo["lastStarted"], oslo["created"]) == (utc["lastStarted"], utc["created"])


def test_client_lists_the_archive(site: Site, connect: Connect) -> None:
    """The Archive agent's two lists: restrictions and orders as objects and as text, page by page."""
    ids = [site.start(description=f"number {number}") for number in range(3)]
    for id in ids[:2]:
        site.finish(id)
        site.until(id, "Succeeded")
    site.tell(ids[2], '{"percent": 40, "description": "loading"}')
    client = connect(site, PASSWORD)
    columns = ["State", "ProgressPercent", "Description"]
    succeeded = {"name": "State", "operator": "=", "values": ["4"], "isActive": True}
    order = [{"name": "Description", "direction": "DESC"}]
    rows = client.ask("getArchiveListByColumns", "BatchTasks", columns, order, [succeeded], ["batchtask"], 0, 10)
    assert [row["primaryKey"] for row in rows] == [ids[1], ids[0]]
    query = "ProgressPercent between (1, 99) and Description begins 'number'"
    names, by = ", ".join(columns), "State desc"
    [row] = client.ask("getArchiveListByColumns2", "BatchTasks", names, by, query, "batchtask", 0, 10)
    assert row["entityName"] == "batchtask"
    assert {name: data["displayValue"] for name, data in row["columnData"].items()} == {
        "State": "[I:3]", "ProgressPercent": "[I:40]", "Description": "number 2",
    }  # fmt: skip
    assert client.ask("getBatchTaskInfo", ids[2])["progressDescription"] == "loading"
    pages = [
        client.ask("getArchiveListByColumns2", "BatchTasks", names, "", "", "batchtask", page, 2) for page in range(3)
    ]
    assert [[row["primaryKey"] for row in rows] for rows in pages] == [ids[:2], ids[2:], []]
    status, body = client.refusal("getArchiveListByColumns", "BatchTasks", ["Nothing"], [], [], [], 0, 10)
    assert (status, body["Message"]) == (400, "The request is invalid.")
