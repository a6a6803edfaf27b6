"""A client that dies in the middle of a body leaves the file as it was, and nobody waits for it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from azure.storage.fileshare import ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service

SIZE = 1024 * 1024


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.mark.parametrize("resets", [True, False])
@pytest.mark.parametrize("part", [0, 1000, SIZE - 1])
def test_a_range_is_whole_or_not_there(service: FileService, part: int, resets: bool) -> None:
    """Whether the connection ends or is reset, before the body, in it, or one byte before its end."""
    share = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0).create_share("share")
    file = share.get_file_client("f")
    file.upload_file(b"a" * SIZE)
    tag = file.get_file_properties().etag
    for _ in range(3):
        _die(service, part, resets=resets)
    file.upload_range(b"b", 0, 1)
    assert file.get_file_properties().etag != tag
    assert file.download_file().readall() == b"b" + b"a" * (SIZE - 1)


def _die(service: FileService, part: int, *, resets: bool) -> None:
    url = "/devaccount/share/f?comp=range"
    fields = {
        "x-ms-version": "2025-01-05", "x-ms-date": formatdate(usegmt=True), "x-ms-write": "update",
        "x-ms-range": f"bytes=0-{SIZE - 1}", "Content-Length": str(SIZE),
    }  # fmt: skip
    signature = Raw(service).signature("PUT", url, fields, "SharedKey")
    fields |= {"Authorization": f"SharedKey devaccount:{signature}", "Host": f"127.0.0.1:{service.port}"}
    head = f"PUT {url} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=10)
    try:
        connection.sendall(head.encode() + b"x" * part)
        if resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    finally:
        connection.close()
