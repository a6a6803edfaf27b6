"""A file share as its benchmarks call it: by a signature, with nothing between them and the socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.fileshare import generate_account_sas

from benchmarks.wire import Wire
from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

VERSION = {"x-ms-version": "2025-01-05"}
MEBIBYTE = 1024 * 1024
RANGE = 4 * MEBIBYTE


class Share:
    """The share `bench` of a server."""

    def __init__(self, url: str) -> None:
        """Make it, unless it is there."""
        self.url = url
        self._signature = generate_account_sas(
            DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, resource_types="sco", permission="rwdlac",
            expiry=datetime.now(UTC) + timedelta(hours=3),
        )  # fmt: skip

    def make(self) -> None:
        """Create Share."""
        with Wire(self.url) as wire:
            wire.call("PUT", self.target("", "restype=share&"), VERSION)

    @staticmethod
    def folder(data: Path) -> Path:
        """Where its files lie below a server's data folder."""
        return data / "shares" / DEVELOPMENT_ACCOUNT / "bench"

    def target(self, path: str, query: str = "") -> str:
        """The request target of a file or directory."""
        return f"/{DEVELOPMENT_ACCOUNT}/bench{f'/{path}' if path else ''}?{query}{self._signature}"

    def create_file(self, wire: Wire, path: str, size: int) -> None:
        """Create File."""
        wire.call("PUT", self.target(path), {**VERSION, "x-ms-type": "file", "x-ms-content-length": str(size)})

    def put_range(self, wire: Wire, path: str, offset: int, data: bytes) -> None:
        """Put Range, without a checksum."""
        wanted = {"x-ms-write": "update", "x-ms-range": f"bytes={offset}-{offset + len(data) - 1}"}
        wire.call("PUT", self.target(path, "comp=range&"), {**VERSION, **wanted}, data)
