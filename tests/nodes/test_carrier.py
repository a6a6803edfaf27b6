"""The process that moves files: what it needs when it can read its installation no more, and what becomes of it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from tests.nodes.helpers import DEADLINE, Site, eventually
from tests.nodes.web import Web
from tests.support.blobs import Azurite, Container

from linarite.engine.launching import Fetch
from linarite.engine.outputs import OutputFile
from linarite.nodes.host import Host
from linarite.nodes.metering import Meter
from linarite.nodes.moving import carriage
from linarite.nodes.moving.carriage import Carriage
from linarite.nodes.moving.errands import Done


def test_carrier_imports_nothing_late(azurite: Azurite, web: Web, tmp_path: Path) -> None:
    """Whatever the other side answers: a carrier that became its account's user may have no way to its modules."""
    container = azurite.container(a=b"1", large=bytes(10_000_000))
    there = container.url("rl")
    web.put("/html", b"<html>no</html>", status=400, headers={"Content-Type": "text/html; charset=iso-8859-1"})
    web.put("/json", b'{"error": {"code": "No"}}', status=500, headers={"Content-Type": "application/json"})
    fetches = [
        ("", Fetch(url=there, container=True)),
        ("container-refused", Fetch(url=container.url("r"), container=True)),
        ("fetch-refused", Fetch(url=container.url("l"), container=True)),
        ("container-not-found", Fetch(url=Container(azurite, "nowhere").url(), container=True)),
        ("container-failed", Fetch(url="http://127.0.0.1:9/container?sig=x", container=True)),
        ("container-failed", Fetch(url=f"{web.url}/html?sig=x", container=True)),
        ("container-failed", Fetch(url=f"{web.url}/json?sig=x", container=True)),
        ("fetch-not-found", Fetch(url=there.replace("?", "/missing?"), path="x")),
        ("fetch-failed", Fetch(url="http://localhost:9/x", path="x")),
    ]
    (tmp_path / "wd").mkdir()
    (tmp_path / "wd/large").write_bytes(bytes(10_000_000))
    outputs = [
        ("", OutputFile(pattern="large", url=container.url("w"), headers=(("x-ms-meta-a", "b"),))),
        ("upload-refused", OutputFile(pattern="large", url=container.url("r"))),
        ("upload-not-found", OutputFile(pattern="large", url=Container(azurite, "nowhere").url("w"))),
        ("upload-failed", OutputFile(pattern="large", url="http://localhost:9/container?sig=x")),
        ("upload-failed", OutputFile(pattern="large", url=f"{web.url}/html?sig=x")),
    ]
    work = {"directory": str(tmp_path)} | {
        name: msgspec.to_builtins([item for _, item in items])
        for name, items in (("fetches", fetches), ("outputs", outputs))
    }
    done = subprocess.run(
        [sys.executable, "tests/nodes/sealed.py", json.dumps(work)], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["imported"] == []
    assert told["codes"] == [code for code, _ in [*fetches, *outputs]]


def _wait(carried: Carriage, told: list[Done], number: int = 1) -> None:
    """Hear the carrier until it has told so much."""
    with selectors.DefaultSelector() as selector:
        selector.register(carried.connection, selectors.EVENT_READ)
        while len(told) < number:
            assert selector.select(DEADLINE), "the carrier says nothing"
            carried.receive()


@pytest.fixture
def carried() -> Iterator[Carriage]:
    carried = Carriage(["--patience", "0"])
    yield carried
    carried.connection.close()
    assert os.waitpid(carried.pid, 0)[0] == carried.pid, "it leaves with its host"


def test_carriage_is_spent_once_idle_for_long(
    carried: Carriage, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first errand a carrier is a shell, which costs nothing; after its last one it is let go."""
    told: list[Done] = []
    monkeypatch.setattr(carriage, "IDLE", 0.0)
    assert (carried.spent, carried.idle_for) == (False, None)
    carried.bring([Fetch(url=web.put("/f", b"1"), path="f")], str(tmp_path), told.append)
    assert not carried.spent
    _wait(carried, told)
    assert told == [Done(1)]
    assert (carried.spent, carried.idle_for) == (True, 0.0)
    monkeypatch.setattr(carriage, "IDLE", 60.0)
    assert not carried.spent
    assert (tmp_path / "f").read_bytes() == b"1"


def test_carriage_tells_of_a_carrier_that_died(carried: Carriage, silent_url: str, tmp_path: Path) -> None:
    """What it was asked for has failed through nobody's fault, and so does what is asked afterwards."""
    told: list[Done] = []
    carried.bring([Fetch(url=silent_url, path="f")], str(tmp_path), told.append)
    os.kill(carried.pid, signal.SIGKILL)
    _wait(carried, told)
    carried.bring([Fetch(url=silent_url, path="f")], str(tmp_path), told.append)
    assert [(done.problem.code, done.problem.user) for done in told if done.problem] == [("failed", False)] * 2
    assert carried.spent


@pytest.mark.anyio
async def test_carrier_killed(site: Site, web: Web, silent_url: str) -> None:
    """Its runs fail, running ones go on; then the host gives way to one that has a carrier, and nothing is lost."""
    running = await site.sh("while [ ! -e go ]; do sleep 0.05; done; exit 3")
    await site.heard.started(running)
    waiting = await site.launch("true", fetches=(Fetch(url=silent_url, path="f"),))
    carrier = await eventually(lambda: _carriers(site))
    os.kill(carrier[0], signal.SIGKILL)
    report = await site.heard.failed(waiting)
    assert (report.code, report.user) == ("failed", False)
    assert not site.heard.ends(running)
    hosts = site.host_pids()
    (site.folder(running) / "wd/go").touch()
    assert (await site.heard.exited(running)).code == 3
    again = await site.launch("cat f", fetches=(Fetch(url=web.put("/f", b"1"), path="f"),))
    assert (await site.heard.exited(again)).code == 0
    assert site.host_pids() != hosts


CARRIER = b"linarite.nodes.moving.carrier"


def _carriers(site: Site) -> list[int]:
    """The processes that move files for the hosts of a site, by their words: a run is called as its host at first."""
    found = []
    for pid in site.host_pids():
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        words = {int(child): Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0") for child in children}
        found += [
            child for child, its in words.items() if b"linarite.nodes.moving.carrier" in its and its[0] != b"/bin/sh"
        ]
    return found


def test_host_waits_for_its_runs_while_the_carrier_is_idle():
    """The loop turns no more often than something happens."""
    turns = 0

    def step() -> None:
        nonlocal turns
        turns += 1

    ours, theirs = socket.socketpair()
    listening, visitor = socket.socketpair()
    with listening, visitor, ours, theirs:
        runs = SimpleNamespace(busy=True, step=step, take_reports=list, seconds_to_wait=lambda: None)
        carried = SimpleNamespace(connection=ours, gone=False, spent=True, waits=False, idle_for=0.0)
        wake = SimpleNamespace(read_end=theirs)
        host = Host(cast("Any", runs), Meter(), cast("Any", carried), cast("Any", wake), listening, None)

        def end() -> None:
            runs.busy = False
            ours.send(b".")

        runs.reap = lambda: theirs.recv(1)
        wake.clear = int
        threading.Timer(0.3, end).start()
        host.run()
    assert turns < 5


def test_what_is_made_after_a_removal_stays(carried: Carriage, tmp_path: Path) -> None:
    """A machine's folder bears its name for ever: it is moved away before it is made anew, however busy the carrier."""
    root, trash = tmp_path / "account/pool/n1", str(tmp_path / "account/trash")
    for number in range(30):
        made: list[Done] = []
        carried.make_node(str(root), [], "", made.append)
        _wait(carried, made)
        (root / "old").write_text("")
        carried.remove(str(root), trash, str(tmp_path / "account"), made.append)
        carried.make_node(str(root), [], "", made.append)
        _wait(carried, made, 3)
        assert [done.problem for done in made] == [None] * 3
        assert root.is_dir(), number
        assert not (root / "old").exists(), number
