"""The server is killed while a node reboots, is reimaged, deallocated, started or taken out: it goes on from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.rest import HttpRequest
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.server import RunningServer, running_server

WAIT = "trap : TERM; echo $$ > pid; until test -e go; do sleep 0.1; done; echo once >> $AZ_BATCH_NODE_SHARED_DIR/ends"
STUBBORN = f"/bin/sh -c '{WAIT}'"
START = "/bin/sh -c 'echo boot >> $AZ_BATCH_NODE_SHARED_DIR/boots'"
OPTIONS = {"reboot": "nodeRebootOption", "reimage": "nodeReimageOption", "deallocate": "nodeDeallocateOption"}


def until(seen: Callable[[], Any], wanted: Any, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"{found!r} does not become {wanted!r}"
        time.sleep(0.02)
    return found


class Site:
    """A server with a pool of one node, on which a task runs that only SIGKILL or the file `go` ends."""

    def __init__(self, server: RunningServer, client: BatchClient, account: str) -> None:
        self.server, self.client, self._nodes = server, client, server.data / f"nodes/{account}/p"
        make_pool(client, "p", start_task=models.BatchStartTask(command_line=START))
        until(self.state, "idle")
        self.name = str(self.node().id)
        self.root = self._nodes / self.name
        client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="p")))
        client.create_task("j", models.BatchTaskCreateOptions(id="t", command_line=STUBBORN))
        until(lambda: (self.wd / "pid").exists() and bool((self.wd / "pid").read_text()), wanted=True)
        self.pid = int((self.wd / "pid").read_text())

    @property
    def wd(self) -> Path:
        return self.root / "workitems/j/job-1/t/wd"

    def node(self) -> models.BatchNode:
        (found,) = self.client.list_nodes("p")
        return found

    def state(self) -> Any:
        return self.node().state

    def ask(self, action: str, option: str) -> None:
        """By the raw request: what follows is a kill, and no poller."""
        path = f"/pools/p/nodes/{self.name}/{action}?api-version=2025-06-01"
        json = {OPTIONS[action]: option} if action in OPTIONS else None
        self.client.send_request(HttpRequest("POST", path, json=json)).raise_for_status()

    def is_alive(self) -> bool:
        try:
            return not Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].startswith("Z")
        except FileNotFoundError:
            return False


def play(account: str, story: Callable[[Site], None]) -> None:
    with running_server() as server, batch_client(server, account) as client:
        site = Site(server, client, account)
        story(site)
        (site.wd / "go").parent.mkdir(parents=True, exist_ok=True)
        (site.wd / "go").touch()


@pytest.mark.parametrize("action", ["reboot", "reimage", "deallocate"])
def test_node_that_ends_its_task_when_the_server_dies(account: str, action: str) -> None:
    """What was asked to end ends, the node begins anew once, and the task runs again when it may."""

    def story(site: Site) -> None:
        site.ask(action, "requeue")
        site.server.kill9()
        site.server.start()
        until(site.is_alive, wanted=False)
        if action == "deallocate":
            until(site.state, "deallocated")
            assert not site.root.exists()
            site.ask("start", "")
            site.server.kill9()
            site.server.start()
        until(site.state, "running")
        boots = (site.root / "shared/boots").read_text()
        assert boots == "boot\n" * (2 if action == "reboot" else 1)
        info = site.client.get_task("j", "t").execution_info
        assert (info.requeue_count, info.retry_count) == (1, 0)

    play(account, story)


@pytest.mark.parametrize("action", ["reboot", "reimage", "deallocate"])
def test_node_that_waits_for_its_task_when_the_server_dies(account: str, action: str) -> None:
    """The task goes on as if nothing had happened, and so does the node when it has ended."""

    def story(site: Site) -> None:
        site.ask(action, "taskcompletion")
        site.server.kill9()
        site.server.start()
        assert site.state() == {"reboot": "rebooting", "reimage": "reimaging", "deallocate": "deallocating"}[action]
        assert site.is_alive()
        (site.wd / "go").touch()
        found = wait_task(site.client, "j", "t")
        assert (found.execution_info.exit_code, found.execution_info.requeue_count) == (0, 0)
        until(site.state, "deallocated" if action == "deallocate" else "idle")
        if action == "reboot":
            assert (site.root / "shared/ends").read_text() == "once\n"

    play(account, story)


@pytest.mark.parametrize("option", ["requeue", "taskcompletion"])
def test_node_that_leaves_when_the_server_dies(account: str, option: str) -> None:
    def story(site: Site) -> None:
        body = models.BatchNodeRemoveOptions(node_ids=[site.name], node_deallocation_option=option)
        site.client.begin_remove_nodes("p", body, polling_interval=60)
        site.server.kill9()
        site.server.start()
        if option == "taskcompletion":
            assert site.is_alive()
            (site.wd / "go").touch()
        until(lambda: list(site.client.list_nodes("p")), [])
        until(site.root.exists, wanted=False)
        pool = site.client.get_pool("p")
        assert (pool.allocation_state, pool.current_dedicated_nodes, pool.target_dedicated_nodes) == ("steady", 0, 0)
        assert not site.is_alive()
        assert site.client.get_task("j", "t").state == ("completed" if option == "taskcompletion" else "active")

    play(account, story)
