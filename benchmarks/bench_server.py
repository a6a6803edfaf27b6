"""What the benchmarks share: a server in a fresh folder, and the smallest client of the Batch protocol."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

API = "2025-06-01"
MEDIA = "application/json; odata=minimalmetadata"


@contextlib.contextmanager
def fresh_folder(*, disk: bool = False) -> Iterator[Path]:
    """A new folder that every user may pass through: in memory, or on a disk, where a commit is a flush."""
    base = None if disk or not os.access("/dev/shm", os.W_OK) else "/dev/shm"
    home = Path(tempfile.mkdtemp(prefix="linarite-bench-", dir=base))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def file_system(path: Path) -> str:
    """The kind of file system that a folder lies on, as the kernel calls it."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return max((len(at), kind) for at, kind in mounts if path.is_relative_to(at))[1]


class Server:
    """A running server: its process and where its Batch and Files faces are."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, files: str) -> None:
        """Keep them."""
        self.process, self.url, self.files = process, url, files

    def memory(self) -> int:
        """Resident memory of the server process, in KiB."""
        return self._status("VmRSS")

    def peak_memory(self) -> int:
        """The most that its resident memory ever was, in KiB."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        return 0


@contextlib.contextmanager
def server(home: Path, *words: str) -> Iterator[Server]:
    """`linarite serve` with these words, on free ports, its data below `home`; ended afterwards."""
    ready = home / "ready.json"
    ready.unlink(missing_ok=True)
    ports = [word for face in ("batch", "files", "hpc", "superoffice", "dashboard") for word in (f"--{face}-port", "0")]
    command = [sys.executable, "-m", "linarite", "serve", "--data", str(home / "data"), "--ready-file", str(ready)]
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen([*command, "--log-level", "warning", *ports, *words], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((home / "server.log").read_text())
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        yield Server(process, told["batch"], told["files"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


class Client:
    """Signs and sends; one connection."""

    def __init__(self, url: str) -> None:
        """Connect to the Batch face at `url`."""
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self._key = base64.b64decode(DEVELOPMENT_KEY)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request; returns the decoded answer, SystemExit on a refusal."""
        data = b"" if body is None else json.dumps(body).encode()
        target = f"{path}{'&' if '?' in path else '?'}api-version={API}"
        date = formatdate(usegmt=True)
        length = str(len(data)) if method != "GET" else ""
        media = MEDIA if data else ""
        query = "".join(f"\n{k}:{v}" for k, v in sorted(parse_qsl(urlsplit(target).query)))
        resource = f"/{DEVELOPMENT_ACCOUNT}{urlsplit(target).path}{query}"
        text = "\n".join([method, "", "", length, "", media, "", "", "", "", "", "", f"ocp-date:{date}", resource])
        signature = base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode()
        headers = {"ocp-date": date, "Authorization": f"SharedKey {DEVELOPMENT_ACCOUNT}:{signature}"}
        if method != "GET":
            headers["Content-Length"] = length
        if media:
            headers["Content-Type"] = media
        self._connection.request(method, target, body=data or None, headers=headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {content.decode()}")
        return json.loads(content) if content.startswith(b"{") else content

    def make_pool(self, pool: str, nodes: int, slots: int) -> None:
        """A pool whose nodes are all idle when this returns."""
        image = {"publisher": "canonical", "offer": "ubuntu", "sku": "22_04-lts"}
        machine = {"imageReference": image, "nodeAgentSKUId": "batch.node.ubuntu 22.04"}
        self.call("POST", "/pools", {
            "id": pool, "vmSize": "standard_d2_v3", "virtualMachineConfiguration": machine,
            "targetDedicatedNodes": nodes, "taskSlotsPerNode": slots,
        })  # fmt: skip
        deadline = time.monotonic() + 30
        while self.call("GET", f"/pools/{pool}")["allocationState"] != "steady":
            if time.monotonic() > deadline:
                raise SystemExit("The pool does not come to rest.")
            time.sleep(0.05)
