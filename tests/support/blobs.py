"""A real Azurite (npm), installed once into a cache folder, on a free port, with an account of its own."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from azure.storage.blob import ContainerClient, generate_account_sas, generate_container_sas
from tests.support.installed import npm_packages

RECIPE = Path(__file__).parent / "azurite"
ACCOUNT = "linaritetest"
KEY = base64.b64encode(b"the key of a storage account that exists in tests alone").decode()
START_SECONDS = 60.0
_LISTENS = re.compile(r"successfully listens on (http://\S+)")


class Azurite:
    """An emulator that serves; `url` is the account's address."""

    def __init__(self, address: str) -> None:
        self.url = f"{address}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        """What names the account, with its key."""
        return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url}"

    def signature(self) -> str:
        """A shared access signature for the whole account."""
        return generate_account_sas(
            ACCOUNT, KEY, resource_types="sco", permission="rwlac", expiry=datetime.now(UTC) + timedelta(hours=1)
        )  # fmt: skip

    def container(self, **blobs: bytes) -> Container:
        """A new container with these blobs; in their names `__` stands for a slash."""
        made = Container(self, f"c{uuid.uuid4().hex[:20]}")
        made.client.create_container()
        for name, content in blobs.items():
            made.put(name.replace("__", "/"), content)
        return made


class Container:
    """A container of the emulator."""

    def __init__(self, azurite: Azurite, name: str) -> None:
        self.name, self.address = name, f"{azurite.url}/{name}"
        self.client = ContainerClient.from_container_url(self.address, credential=KEY, api_version="2024-11-04")

    def url(self, permission: str = "rwl", *, hours: float = 1.0) -> str:
        """The address with a shared access signature for so long."""
        expiry = datetime.now(UTC) + timedelta(hours=hours)
        sas = generate_container_sas(ACCOUNT, self.name, account_key=KEY, permission=permission, expiry=expiry)
        return f"{self.address}?{sas}"

    def put(self, name: str, content: bytes, **options: Any) -> None:
        self.client.upload_blob(name, content, overwrite=True, **options)

    def read(self, name: str) -> bytes:
        return self.client.download_blob(name).readall()

    def names(self) -> list[str]:
        return sorted(self.client.list_blob_names())


def _program() -> Path:
    return npm_packages("azurite", RECIPE) / "node_modules/azurite/dist/src/blob/main.js"


def missing() -> str | None:
    """What keeps Azurite from being run here."""
    return None if shutil.which("npm") and shutil.which("node") else "Azurite needs npm and node"


@contextmanager
def running_azurite(folder: Path | None = None) -> Iterator[Azurite]:
    """An emulator for as long as this lasts. It checks signatures and versions, and tells nobody that it runs.

    It keeps its bytes in memory, or in a folder.
    """
    command = ["node", str(_program()), "--blobHost", "127.0.0.1", "--blobPort", "0", "--disableTelemetry"]
    command += ["--inMemoryPersistence"] if folder is None else ["--silent", "--location", str(folder)]
    environment = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
    ) as process:  # fmt: skip
        try:
            yield Azurite(_address(process, said))
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _address(process: subprocess.Popen[bytes], said: IO[str]) -> str:
    """Where it listens, as it says itself."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if found := _LISTENS.search(os.pread(said.fileno(), 1 << 16, 0).decode()):
            return found[1]
        time.sleep(0.02)
    raise RuntimeError(f"Azurite does not start:\n{os.pread(said.fileno(), 1 << 16, 0).decode()}")
