"""The plug is pulled under clients that write a share: what was acknowledged is there, what was not is old or new."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.fileshare import ShareClient, ShareServiceClient
from tests.support.server import DEVELOPMENT_KEY, RunningServer, running_server

WRITERS, KILLS, SIZE = 4, 12, 64 * 1024
PATIENCE = 60


def _share(server: RunningServer) -> ShareClient:
    client = ShareServiceClient(f"{server.files}/devaccount", credential=DEVELOPMENT_KEY, retry_total=0)
    return client.get_share_client("share")


class Writer:
    """One client. It counts on: `acknowledged` is what the server said is done, the next number may be done or not."""

    def __init__(self, server: RunningServer, over: threading.Event, step: Callable[[ShareClient, int], None]) -> None:
        self.acknowledged, self.failed = 0, ""
        self._server, self._over, self._step = server, over, step
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        share = _share(self._server)
        while not self._over.is_set():
            try:
                self._step(share, self.acknowledged + 1)
            except (ResourceExistsError, ResourceNotFoundError) as error:
                self.failed = str(error)
                return
            except AzureError:
                self._over.wait(0.02)  # the server is being started again
                continue
            self.acknowledged += 1


def _pattern(number: int) -> bytes:
    return number.to_bytes(4) * (SIZE // 4)


def _put(place: int) -> Callable[[ShareClient, int], None]:
    """Ranges of one file that all writers write, each its own part."""
    return lambda share, number: share.get_file_client("d/shared").upload_range(_pattern(number), place * SIZE, SIZE)  # type: ignore[return-value]


def _rename(share: ShareClient, number: int) -> None:
    """A file that moves on and on, with its metadata; a rename that was done without an answer is taken as done."""
    try:
        share.get_file_client(f"r/{number - 1}").rename_file(f"r/{number}")
    except ResourceNotFoundError:
        share.get_file_client(f"r/{number}").get_file_properties()


def _replace(share: ShareClient, number: int) -> None:
    """Create, content, metadata: three calls."""
    file = share.get_file_client("d/replaced")
    file.create_file(1024, metadata={"made": str(number)})
    file.upload_range(number.to_bytes(4) * 256, 0, 1024)
    file.set_file_metadata({"whole": str(number)})


@pytest.mark.timeout(240)
def test_ranges_renames_and_metadata_outlive_sigkill():
    """At random moments of four writers, one who renames and one who replaces; nothing of it half done."""
    chance = random.Random(7)
    with running_server() as server:
        share = _share(server)
        share.create_share()
        for name in ("d", "r"):
            share.create_directory(name)
        share.get_file_client("d/shared").create_file(WRITERS * SIZE)
        moving = share.get_file_client("r/0")
        moving.upload_file(b"moving", metadata={"stays": "yes"})
        number = moving.get_file_properties().file_id
        over = threading.Event()
        ranges = [Writer(server, over, _put(place)) for place in range(WRITERS)]
        writers = [*ranges, Writer(server, over, _rename), Writer(server, over, _replace)]
        try:
            for _ in range(KILLS):
                before = [each.acknowledged for each in writers]
                _wait_until(lambda before=before: all(a.acknowledged > b for a, b in zip(writers, before, strict=True)))
                time.sleep(chance.uniform(0, 0.15))  # not a wait for something: the moment itself is what is tried
                server.kill9()
                server.restart()
            server.kill9()
        finally:
            over.set()
            for each in writers:
                each.thread.join(30)
        server.restart()
        assert [each.failed for each in writers] == [""] * len(writers)
        _check(_share(server), ranges, *writers[WRITERS:], number)


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "a writer does not get on"
        time.sleep(0.005)


def _check(share: ShareClient, ranges: list[Writer], renaming: Writer, replacing: Writer, number: str) -> None:
    file = share.get_file_client("d/shared")
    content = file.download_file().readall()
    for place, writer in enumerate(ranges):
        found = content[place * SIZE : (place + 1) * SIZE]
        allowed = {(writer.acknowledged + more).to_bytes(4) for more in (0, 1)}
        assert {found[at : at + 4] for at in range(0, SIZE, 4)} <= allowed, f"writer {place}"
    (name,) = [each.name for each in share.list_directories_and_files("r")]
    assert int(name) in {renaming.acknowledged, renaming.acknowledged + 1}
    moved = share.get_file_client(f"r/{name}").download_file()
    assert (moved.readall(), moved.properties.metadata) == (b"moving", {"stays": "yes"})
    assert moved.properties.file_id == number
    _check_replaced(share, replacing.acknowledged)


def _check_replaced(share: ShareClient, done: int) -> None:
    """The last whole one, or the next one at one of its three steps; a create that was cut may have no metadata yet."""
    found = share.get_file_client("d/replaced").download_file()
    words, metadata = found.readall(), found.properties.metadata
    last, following = done.to_bytes(4) * 256, (done + 1).to_bytes(4) * 256
    states = [(last, {"whole": str(done)}), (following, {"made": str(done + 1)}), (following, {"whole": str(done + 1)})]
    cut = [(bytes(1024), {"made": str(done + 1)}), (bytes(1024), {"whole": str(done)}), (b"", {"whole": str(done)})]
    assert (words, metadata) in [*states, *cut]
