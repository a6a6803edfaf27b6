"""The servers that file benchmarks compare with, in the same run: nginx and Azurite."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import blobs

from benchmarks.wire import Wire

NGINX = """
daemon off;
pid {home}/nginx.pid;
error_log {home}/nginx.log;
{user}
worker_processes auto;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
    }}
}}
"""
START_SECONDS = 30.0
MISSING = {"nginx": "nginx is not installed", "azurite": "Azurite needs npm and node"}


@contextmanager
def nginx(home: Path, root: Path) -> Iterator[str | None]:
    """An nginx that serves a folder, as Debian sets it up; None where there is none."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        yield None
        return
    port, config = _free_port(), home / "nginx.conf"
    user = "user root root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(home=home, port=port, root=root, user=user))
    process = subprocess.Popen([program, "-p", str(home), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit((home / "nginx.log").read_text())
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(START_SECONDS)


class BlobAccount:
    """An Azurite and a container in it, called by a signature."""

    def __init__(self, azurite: blobs.Azurite) -> None:
        """Make the container."""
        self._name, self._signature = "bench", azurite.signature()
        self.url = azurite.url.rpartition("/")[0]
        with Wire(self.url) as wire:
            wire.call("PUT", f"/{blobs.ACCOUNT}/bench?restype=container&{self._signature}", {"x-ms-version": API})

    def target(self, blob: str, query: str = "") -> str:
        """The request target of a blob."""
        return f"/{blobs.ACCOUNT}/{self._name}/{blob}?{query}{self._signature}"

    def put_block(self, wire: Wire, blob: str, number: int, data: bytes) -> None:
        """Put Block."""
        target = self.target(blob, f"comp=block&blockid=bl{number:06}&")
        wire.call("PUT", target, {"x-ms-version": API}, data)

    def put_block_list(self, wire: Wire, blob: str, blocks: int) -> None:
        """Put Block List of blocks 0, 1, ..."""
        latest = "".join(f"<Latest>bl{number:06}</Latest>" for number in range(blocks))
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{latest}</BlockList>'.encode()
        wire.call("PUT", self.target(blob, "comp=blocklist&"), {"x-ms-version": API}, body)


API = "2024-11-04"


@contextmanager
def azurite(folder: Path | None = None) -> Iterator[BlobAccount | None]:
    """An Azurite that keeps its bytes in a folder, None for in memory; None where it cannot be run."""
    if blobs.missing() is not None:
        yield None
        return
    with blobs.running_azurite(folder) as running:
        yield BlobAccount(running)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
