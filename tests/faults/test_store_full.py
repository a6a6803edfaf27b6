"""The disk of the store fills up: changes are refused in each protocol's words, readers go on, and nothing is lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import ContentSettings, ShareClient, ShareFileClient, ShareServiceClient
from tests.support.batch import batch_client, make_pool
from tests.support.disks import MEBIBYTE, mounted
from tests.support.server import DEVELOPMENT_KEY, RunningServer, running_server

pytestmark = pytest.mark.root
BUSY = 503
CONTENT = b"content" * 1000
MD5 = hashlib.md5(CONTENT).digest()
PATIENCE = 60.0


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    with mounted(tmp_path, request.param, 32) as place:
        yield place


@pytest.fixture
def server(disk: Path) -> Iterator[RunningServer]:
    """The store alone stands on the small disk."""
    with running_server(store_url=f"sqlite:///{disk}/linarite.db") as running:
        yield running


def take(disk: Path, *, leave: int) -> None:
    """Take what is left but for so many bytes."""
    found = os.statvfs(disk)
    more = found.f_bavail * found.f_frsize - leave
    if more > 0:
        with (disk / "filler").open("ab") as file:
            file.write(bytes(more))


def fill(disk: Path) -> Path:
    """Take all that is left."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512 * 1024))
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))
    return filler


def share_of(server: RunningServer) -> ShareClient:
    return ShareServiceClient(f"{server.files}/devaccount", credential=DEVELOPMENT_KEY, retry_total=0).get_share_client(
        "share"
    )


def refusal(call: Callable[[], object]) -> tuple[int | None, str | None] | None:
    """Status and code, None when it was done."""
    try:
        call()
    except HttpResponseError as error:
        return error.status_code, getattr(error, "error_code", None)
    return None


def test_a_full_store_refuses_what_it_could_not_keep_and_goes_on(server: RunningServer, disk: Path) -> None:
    """Nothing of a refused change has happened, the end of a task waits, SIGKILL loses nothing."""
    share = share_of(server)
    share.create_share()
    file = share.get_file_client("f")
    file.upload_file(CONTENT, metadata={"n": "0"})
    file.set_http_headers(ContentSettings(content_md5=bytearray(MD5)))
    gate = server.home / "gate"
    with batch_client(server, retries=0) as client:
        make_pool(client, "pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        client.create_task("job", _task("t", f"until [ -e {gate} ]; do sleep 0.05; done; exit 3"))
        until(lambda: client.get_task("job", "t").state == "running")
        acknowledged = _fill_by_metadata(file, disk)
        filler = fill(disk)
        before = file.get_file_properties()
        tree = sorted(each for each in server.data.joinpath("shares").rglob("*") if ".trash" not in each.parts)
        for change in _changes(share):
            assert refusal(change) == (BUSY, "ServerBusy")
        assert refusal(lambda: client.create_task("job", _task("t2", "z" * 100_000))) == (BUSY, None)
        gate.touch()
        now = file.get_file_properties()
        assert (now.etag, now.metadata, now.last_modified) == (before.etag, before.metadata, before.last_modified)
        assert now.content_settings.content_md5 == bytearray(MD5)
        assert sorted(each for each in server.data.joinpath("shares").rglob("*") if ".trash" not in each.parts) == tree
        assert now.metadata == acknowledged
        assert file.download_file().readall() == CONTENT
        assert [each.name for each in share.list_directories_and_files()] == ["f"]
        until(lambda: "reports_not_committed" in server.log)
        assert client.get_task("job", "t").state == "running"
        server.kill9()
        filler.unlink()
        server.start()
        until(lambda: client.get_task("job", "t").state == "completed")
        assert client.get_task("job", "t").execution_info.exit_code == 3
    assert share_of(server).get_file_client("f").get_file_properties().metadata == acknowledged
    assert refusal(lambda: share_of(server).get_file_client("g").create_file(10)) is None
    assert "Traceback" not in server.log


def test_what_is_deleted_makes_room_where_all_stands_on_one_disk(disk: Path) -> None:
    """Files of a share fill the disk of the store: they can still be read and deleted, and then all goes on."""
    with running_server(store_url=f"sqlite:///{disk}/linarite.db") as server:
        (disk / "shares").mkdir()
        server.terminate()
        shutil.rmtree(server.data / "shares")
        (server.data / "shares").symlink_to(disk / "shares")
        server.start()
        share = share_of(server)
        share.create_share()
        file = share.get_file_client("f")
        file.create_file(64 * MEBIBYTE)
        piece, at = os.urandom(MEBIBYTE), 0
        while (told := refusal(lambda: file.upload_range(piece, at, MEBIBYTE))) is None:  # noqa: B023 - called at once
            at += MEBIBYTE
        assert told == (400, "ShareSizeLimitReached")
        assert refusal(lambda: share.get_file_client("g").create_file(10)) == (BUSY, "ServerBusy")
        assert file.download_file(offset=0, length=MEBIBYTE).readall() == piece
        assert refusal(file.delete_file) is None
        assert refusal(lambda: share.get_file_client("g").create_file(10)) is None
        assert [each.name for each in share.list_directories_and_files()] == ["g"]
        assert "Traceback" not in server.log


def test_a_start_on_a_full_disk_says_so_or_serves(server: RunningServer, disk: Path) -> None:
    """No traceback, no harm: with room it starts with all that it had."""
    share = share_of(server)
    share.create_share()
    share.get_file_client("f").upload_file(CONTENT, metadata={"n": "0"})
    server.kill9()
    filler = fill(disk)
    with suppress(RuntimeError):
        server.start()
        assert share_of(server).get_file_client("f").download_file().readall() == CONTENT
        server.terminate()
    filler.unlink()
    server.start()
    assert share_of(server).get_file_client("f").get_file_properties().metadata == {"n": "0"}
    assert "Traceback" not in server.log


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _task(name: str, script: str) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=name, command_line=f"/bin/sh -c '{script}'")


def _fill_by_metadata(file: ShareFileClient, disk: Path) -> dict[str, str]:
    """Change metadata until that is refused; what was acknowledged last."""
    take(disk, leave=10 * MEBIBYTE)
    last = {"n": "0"}
    for number in range(1, 5000):
        wanted = {"n": str(number), "pad": "y" * 4000}
        if refusal(lambda: file.set_file_metadata(wanted)) is not None:  # noqa: B023 - called at once
            assert number > 10
            return last
        last = wanted
        take(disk, leave=10 * MEBIBYTE - number * 4096)
    raise AssertionError("the disk does not fill up")


def _changes(share: ShareClient) -> list[Callable[[], object]]:
    file, new = share.get_file_client("f"), share.get_file_client("new")
    return [
        lambda: file.set_file_metadata({"n": "no"}),
        lambda: file.set_http_headers(ContentSettings(content_type="text/x")),
        lambda: file.resize_file(5),
        lambda: file.create_file(5),
        lambda: file.rename_file("new"),
        lambda: file.clear_range(0, 512),
        file.acquire_lease,
        lambda: new.create_file(10),
        lambda: new.start_copy_from_url(file.url),
        lambda: share.get_directory_client("new").create_directory(),
        share.create_snapshot,
        lambda: ShareServiceClient(
            share.url.rpartition("/")[0], credential=DEVELOPMENT_KEY, retry_total=0
        ).create_share("another"),
    ]  # fmt: skip
