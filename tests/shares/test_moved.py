"""What other programs rename keeps its properties for Microsoft's client: across restarts, and by two servers."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.fileshare import ContentSettings, ShareClient
from tests.support.azure_files import KEY, FileService, file_service

CONTENT = b"what is in it"
DESCRIPTOR = "O:S-1-5-21-1-2-3-4G:S-1-5-21-1-2-3-5D:(A;;FA;;;S-1-5-21-1-2-3-4)"
FACTS = ("metadata", "file_attributes", "creation_time", "last_write_time", "change_time", "permission_key", "file_id")


def client(service: FileService) -> ShareClient:
    return ShareClient(f"{service.url}/devaccount", "share", credential=KEY, retry_total=0)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    with file_service(tmp_path) as running:
        client(running).create_share()
        yield running


def upload(share: ShareClient, path: str) -> dict[str, Any]:
    """A file with every property, and what it then tells of them."""
    settings = ContentSettings(
        content_type="text/x", content_language="de", content_encoding="zip", content_disposition="inline",
        cache_control="no-cache", content_md5=bytearray(hashlib.md5(CONTENT).digest()),
    )  # fmt: skip
    file = share.get_file_client(path)
    file.upload_file(CONTENT, metadata={"of": path})
    file.set_http_headers(
        settings, file_attributes="Hidden|System",
        file_creation_time="2020-01-02T03:04:05.0000000Z", file_last_write_time="2021-01-02T03:04:05.0000000Z",
        file_change_time="2022-01-02T03:04:05.0000000Z", file_permission=DESCRIPTOR,
    )  # fmt: skip
    return facts(share, path)


def facts(share: ShareClient, path: str) -> dict[str, Any]:
    found = share.get_file_client(path).get_file_properties()
    return {**{name: getattr(found, name) for name in FACTS}, "content": dict(found.content_settings)}


def test_every_property_goes_along_through_a_restart(tmp_path: Path) -> None:
    """Of a file, and of one in a directory that moved; the file reads as before, the old path is not there."""
    with file_service(tmp_path) as service:
        share = client(service)
        share.create_share()
        share.create_directory("d", metadata={"of": "d"})
        one, two = upload(share, "one"), upload(share, "d/two")
        lease = share.get_file_client("d/two").acquire_lease()
        disk = service.path("share", "")
    (disk / "one").rename(disk / "d" / "uno")
    subprocess.run(["mv", disk / "d", disk / "e"], check=True)
    with file_service(tmp_path) as service:
        share = client(service)
        assert facts(share, "e/uno") == one
        found = share.get_file_client("e/two").download_file()
        assert (found.readall(), found.properties.metadata) == (CONTENT, {"of": "d/two"})
        with pytest.raises(HttpResponseError) as refused:
            share.get_file_client("e/two").upload_range(b"x", 0, 1)
        assert refused.value.error_code == "LeaseIdMissing"
        share.get_file_client("e/two").upload_range(b"w", 0, 1, lease=lease)
        assert facts(share, "e/two")["permission_key"] == two["permission_key"]
        assert share.get_directory_client("e").get_directory_properties().metadata == {"of": "d"}
        for gone in ("one", "d/two"):
            with pytest.raises(ResourceNotFoundError):
                share.get_file_client(gone).get_file_properties()


def test_a_list_tells_the_properties_of_a_directory_that_moved(service: FileService) -> None:
    share = client(service)
    share.create_directory("d")
    upload(share, "d/f")
    asked = ["timestamps", "Etag", "Attributes", "PermissionKey"]
    (before,) = share.list_directories_and_files("d", include=asked, include_extended_info=True)
    service.path("share", "d").rename(service.path("share", "e"))
    (after,) = share.list_directories_and_files("e", include=asked, include_extended_info=True)
    told = ("name", "creation_time", "last_write_time", "file_attributes", "permission_key", "file_id")
    assert [after[name] for name in told] == [before[name] for name in told]


def test_what_the_shell_does(service: FileService) -> None:
    """`mv`, `cp -a`, an exchange by a third name, `ln` and `rm`, as a task does them in its mounted share."""
    share, disk = client(service), service.path("share", "")
    told = {name: upload(share, name) for name in ("a", "b", "c")}
    script = "mkdir sub; mv a t; mv b a; mv t b; cp -a c copy; mv c sub/c; ln sub/c again; rm sub/c; mv again C"
    subprocess.run(["sh", "-ec", script], cwd=disk, check=True)
    assert (facts(share, "a"), facts(share, "b"), facts(share, "C")) == (told["b"], told["a"], told["c"])
    assert share.get_file_client("copy").get_file_properties().metadata == {}
    share.get_file_client("copy").set_file_metadata({"of": "copy"})
    (disk / "copy").rename(disk / "sub" / "copy")
    assert share.get_file_client("sub/copy").get_file_properties().metadata == {"of": "copy"}
    assert facts(share, "C") == told["c"]


def test_a_conditional_change_of_what_moved(service: FileService) -> None:
    """The tag is another one after the move, and then the same from the first answer on."""
    share = client(service)
    upload(share, "f")
    before = share.get_file_client("f").get_file_properties().etag
    service.path("share", "f").rename(service.path("share", "g"))
    tags = {share.get_file_client("g").get_file_properties().etag for _ in range(3)}
    tags.add(share.get_file_client("g").download_file().properties.etag)
    assert len(tags) == 1
    assert before not in tags


def test_two_servers_on_one_store(tmp_path: Path) -> None:
    """What one of them was told of before, the other finds after the move; what it is told then, the first sees."""
    with file_service(tmp_path) as first, file_service(tmp_path) as second:
        one, two = client(first), client(second)
        one.create_share()
        told = upload(one, "f")
        assert facts(two, "f") == told
        first.path("share", "f").rename(first.path("share", "g"))
        assert facts(two, "g") == told


def test_on_another_disk_it_is_another_file(service: FileService, tmp_path: Path) -> None:
    """A share that was copied elsewhere with its attributes keeps its properties by their paths."""
    share, disk = client(service), service.path("share", "")
    told = upload(share, "f")
    shutil.copytree(disk, tmp_path / "copy")
    shutil.rmtree(disk)
    os.rename(tmp_path / "copy", disk)
    found = facts(share, "f")
    assert found["metadata"] == told["metadata"]
    assert found["file_id"] != told["file_id"]
