"""A node is caught while it is made: its host waits for its folder's lock, as for a predecessor that still ends."""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faces.azure_batch.raw import MACHINE, RawBatch
from tests.support.server import DEVELOPMENT_ACCOUNT, running_server

ACCOUNTS, LANES = range(1, 5), ("", ".1")
AS_ROOT = os.geteuid() == 0


@contextmanager
def held(hosts: Path, names: list[str]) -> Iterator[None]:
    """No host of these names comes to be: who is to be one waits."""
    locks = []
    for name in names:
        (hosts / name).mkdir(mode=0o700)
        locks.append(os.open(hosts / name / "lock", os.O_RDWR | os.O_CREAT, 0o600))
        fcntl.flock(locks[-1], fcntl.LOCK_EX)
    try:
        yield
    finally:
        for lock in locks:
            os.close(lock)


@pytest.mark.parametrize("action", ["reboot", "reimage", "deallocate"])
def test_node_that_is_being_made_is_asked_for_nothing(action: str):
    """The refusal changes nothing: once its host is there, the node is idle."""
    base = random.randrange(300_000, 1_800_000_000)
    firsts = [str(base + number) for number in ACCOUNTS] if AS_ROOT else ["local"]
    with running_server(**({"task_uid_base": base} if AS_ROOT else {})) as server:
        batch = RawBatch(server.batch, DEVELOPMENT_ACCOUNT)
        with held(server.data / "hosts", [first + lane for first in firsts for lane in LANES]):
            body = {"id": "p", "vmSize": "small", "virtualMachineConfiguration": MACHINE, "targetDedicatedNodes": 1}
            assert batch.call("POST", "/pools", body).status == 201
            (found,) = batch.call("GET", "/pools/p/nodes").json["value"]
            place = f"/pools/p/nodes/{found['id']}"
            node = batch.call("GET", place).json
            assert node["state"] == "creating"
            answer = batch.call("POST", f"{place}/{action}")
            assert (answer.status, answer.code) == (409, "NodeBeingCreated")
            assert batch.call("GET", place).json == node
        deadline = time.monotonic() + 60
        while (state := batch.call("GET", place).json["state"]) != "idle":
            assert time.monotonic() < deadline, state
            time.sleep(0.02)
