"""The server as a process: start, ready file, health, refusals, stopping."""

from __future__ import annotations

import pytest
import requests
from tests.support.server import FACES, RunningServer


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_every_port_tells_its_health(server: RunningServer, face: str, path: str) -> None:
    answer = requests.get(server.urls[face] + path, timeout=10)
    assert (answer.status_code, answer.text) == (200, "ok\n")
