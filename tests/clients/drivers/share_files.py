"""azure-storage-file-share for Python, sync or async: `share_files.py sync|async URL ACCOUNT KEY`."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.storage import fileshare
from azure.storage.fileshare import ContentSettings, ShareSasPermissions, aio, generate_share_sas
from lines import Refused, serve

OPTIONS = {"retry_total": 0, "allow_trailing_dot": True, "allow_source_trailing_dot": True}
CONNECTIONS = 4


class Client:
    """Each operation as the client's own calls; what they give is awaited where it must be."""

    def __init__(self, way: str, url: str, account: str, key: str) -> None:
        self.module = fileshare if way == "sync" else aio
        self.loop = asyncio.new_event_loop()
        self.account, self.key = account, key
        self.service = self.module.ShareServiceClient(f"{url}/{account}", credential=key, **OPTIONS)

    def settled(self, call: Any, *args: Any, **options: Any) -> Any:
        async def settle() -> Any:
            try:
                found = call(*args, **options)
                found = await found if hasattr(found, "__await__") else found
                if hasattr(found, "__aiter__"):
                    return [item async for item in found]
                return list(found) if hasattr(found, "by_page") else found
            except HttpResponseError as error:
                raise Refused(error.status_code, error.error_code, type(error).__name__) from error

        return self.loop.run_until_complete(settle())

    def file(self, share: str, path: str, snapshot: str | None = None) -> Any:
        return self.service.get_share_client(share, snapshot=snapshot).get_file_client(path)

    def directory(self, share: str, path: str, snapshot: str | None = None) -> Any:
        return self.service.get_share_client(share, snapshot=snapshot).get_directory_client(path)

    def of(self, kind: str) -> Any:
        return self.file if kind == "file" else self.directory

    def create_share(self, share: str) -> None:
        self.settled(self.service.create_share, share)

    def create_directory(self, share: str, path: str) -> None:
        self.settled(self.directory(share, path).create_directory)

    def upload(
        self, share: str, path: str, source: str, metadata: dict[str, str] | None = None, media: str | None = None
    ) -> None:
        settings = ContentSettings(content_type=media)
        with Path(source).open("rb") as data:
            self.settled(
                self.file(share, path).upload_file, data, length=Path(source).stat().st_size, metadata=metadata,
                content_settings=settings, max_concurrency=CONNECTIONS,
            )  # fmt: skip

    def download(
        self, share: str, path: str, target: str, first: int | None = None, count: int | None = None,
        snapshot: str | None = None,
    ) -> None:  # fmt: skip
        file = self.file(share, path, snapshot)
        stream = self.settled(file.download_file, offset=first, length=count, max_concurrency=CONNECTIONS)
        with Path(target).open("wb") as out:
            self.settled(stream.readinto, out)

    def list(self, share: str, path: str, snapshot: str | None = None, page: int | None = None) -> list[list[Any]]:
        found = self.settled(self.directory(share, path, snapshot).list_directories_and_files, results_per_page=page)
        return [[item.name, "directory" if item.is_directory else "file", item.get("size")] for item in found]

    def properties(self, share: str, path: str, kind: str, snapshot: str | None = None) -> dict[str, Any]:
        client = self.of(kind)(share, path, snapshot)
        found = self.settled(client.get_file_properties if kind == "file" else client.get_directory_properties)
        told = {"metadata": found.metadata, "etag": found.etag, "id": found.file_id}
        return told if kind == "directory" else {
            **told, "size": found.size, "media": found.content_settings.content_type, "lease": found.lease.state,
        }  # fmt: skip

    def set_metadata(self, share: str, path: str, kind: str, metadata: dict[str, str]) -> None:
        client = self.of(kind)(share, path)
        self.settled(client.set_file_metadata if kind == "file" else client.set_directory_metadata, metadata)

    def rename(self, share: str, path: str, target: str, kind: str, *, replacing: bool = False) -> None:
        client, options = self.of(kind)(share, path), {"overwrite": True} if replacing else {}
        self.settled(client.rename_file if kind == "file" else client.rename_directory, target, **options)

    def delete(self, share: str, path: str, kind: str, lease: str | None = None) -> None:
        client = self.of(kind)(share, path)
        self.settled(client.delete_file, lease=lease) if kind == "file" else self.settled(client.delete_directory)

    def copy(self, share: str, path: str, target: str) -> str:
        source = self.file(share, path).url
        return str(self.settled(self.file(share, target).start_copy_from_url, source)["copy_status"])

    def lease(self, share: str, path: str) -> str:
        return str(self.settled(self.file(share, path).acquire_lease).id)

    def release(self, share: str, path: str, lease: str) -> None:
        self.settled(self.module.ShareLeaseClient(self.file(share, path), lease).release)

    def snapshot(self, share: str) -> str:
        return str(self.settled(self.service.get_share_client(share).create_snapshot)["snapshot"])

    def by_signature(self, share: str, path: str, permission: str, target: str | None = None) -> None:
        """Read the file by a signature of its share, or delete it (without `target`)."""
        expiry = datetime.now(UTC) + timedelta(hours=1)
        signature = generate_share_sas(
            self.account, share, self.key, ShareSasPermissions.from_string(permission), expiry
        )
        file = self.module.ShareFileClient(self.service.url, share, path, credential=signature, **OPTIONS)
        if target is None:
            self.settled(file.delete_file)
        else:
            stream = self.settled(file.download_file)
            Path(target).write_bytes(self.settled(stream.readall))

    def ranges(self, share: str, path: str) -> list[list[int]]:
        return [[each.start, each.end] for each in self.settled(self.file(share, path).list_ranges)]


if __name__ == "__main__":
    client = Client(*sys.argv[1:])
    serve(lambda name: getattr(client, name))
