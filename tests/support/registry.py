"""A container registry of Docker's own kind on a free port, which one user alone may read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER, PASSWORD = "reader", "of-images"
_HASHED = "$2y$04$MZjEwArX4n7wAtvQAQJEyuewCgqHYMCQ7VXi1wJ1Xpng2BtnyBRkK"
"""The same password as `htpasswd -B` notes it, the only way that such a registry reads."""
_CONFIG = """version: 0.1
log: {{level: info, formatter: json}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http: {{addr: "127.0.0.1:0"}}
auth: {{htpasswd: {{realm: test, path: {folder}/users}}}}
"""


def missing() -> str | None:
    """What keeps a registry from being run here."""
    return None if shutil.which("docker-registry") else "a container registry needs docker-registry"


@contextmanager
def registry() -> Iterator[str]:
    """A running registry, by its host and port."""
    with tempfile.TemporaryDirectory(prefix="linarite-registry-") as name:
        folder = Path(name)
        (folder / "users").write_text(f"{USER}:{_HASHED}\n")
        (folder / "config.yml").write_text(_CONFIG.format(folder=folder))
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", f"{folder}/config.yml"], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            yield f"127.0.0.1:{_port(folder / 'log')}"
        finally:
            process.kill()
            process.wait()


def _port(log: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.02)
    raise AssertionError(f"the registry does not start: {log.read_text()}")


def push(image: str, name: str) -> None:
    """Put an image of an archive under a name that begins with the registry's."""
    with tempfile.TemporaryDirectory(prefix="linarite-push-") as folder:
        auth = Path(folder) / "auth.json"
        secret = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        auth.write_text(json.dumps({"auths": {name.partition("/")[0]: {"auth": secret}}}))
        podman = ["podman", "--log-level=error", f"--root={folder}/root", f"--runroot={folder}/run"]
        environment = {**os.environ, "HOME": folder}

        def run(*words: str) -> str:
            done = subprocess.run([*podman, *words], env=environment, capture_output=True, check=False, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout

        id = run("pull", "--quiet", image).split()[-1]
        run("push", "--quiet", "--tls-verify=false", f"--authfile={auth}", id, f"docker://{name}")
