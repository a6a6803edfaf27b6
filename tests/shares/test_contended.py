"""Many connections want the same file: of those who saw one version one changes it, and one alone holds a lease."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.azure_files import FileService, Raw, file_service

CLIENTS, TIMES = 8, 12
FILE = "share/counter"
WRITE = {"x-ms-write": "update", "x-ms-range": "bytes=0-7"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    with file_service(tmp_path) as running:
        raw = Raw(running)
        assert raw("PUT", "share?restype=share").status_code == 201
        assert raw("PUT", FILE, {"x-ms-type": "file", "x-ms-content-length": "8"}).status_code == 201
        assert raw("PUT", f"{FILE}?comp=range", WRITE, b"%08d" % 0).status_code == 201
        yield running


def together(service: FileService, work: Callable[[Raw], None]) -> None:
    """All clients at once, each on connections of its own."""
    ready = threading.Barrier(CLIENTS)

    def go(_: int) -> None:
        raw = Raw(service)
        ready.wait(30)
        for _ in range(TIMES):
            work(raw)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(go, range(CLIENTS)))


def total(service: FileService) -> int:
    return int(Raw(service)("GET", FILE).content)


@pytest.mark.operation("Put Range")
def test_a_counter_held_by_its_tag_counts_everyone(service: FileService) -> None:
    """Read, add, write if it is still the same, else again: no one is lost."""

    def add(raw: Raw) -> None:
        while True:
            read = raw("GET", FILE)
            more = b"%08d" % (int(read.content) + 1)
            told = raw("PUT", f"{FILE}?comp=range", {**WRITE, "If-Match": read.headers["ETag"]}, more)
            if told.status_code == 201:
                return
            assert (told.status_code, told.headers["x-ms-error-code"]) == (412, "ConditionNotMet")

    together(service, add)
    assert total(service) == CLIENTS * TIMES


@pytest.mark.operation("Lease File", "Put Range")
def test_a_counter_held_by_a_lease_counts_everyone(service: FileService) -> None:
    """Who has the lease is alone; a write without it, or with another's, is refused."""

    def add(raw: Raw) -> None:
        lease = str(uuid.uuid4())
        acquire = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": lease}
        while (told := raw("PUT", f"{FILE}?comp=lease", acquire)).status_code != 201:
            assert (told.status_code, told.headers["x-ms-error-code"]) == (409, "LeaseAlreadyPresent")
            refused = raw("PUT", f"{FILE}?comp=range", {**WRITE, "x-ms-lease-id": lease}, b"intruder")
            assert refused.status_code == 412
        more = b"%08d" % (int(raw("GET", FILE).content) + 1)
        assert raw("PUT", f"{FILE}?comp=range", {**WRITE, "x-ms-lease-id": lease}, more).status_code == 201
        release = {"x-ms-lease-action": "release", "x-ms-lease-id": lease}
        assert raw("PUT", f"{FILE}?comp=lease", release).status_code == 200

    together(service, add)
    assert total(service) == CLIENTS * TIMES


@pytest.mark.operation("Rename File")
def test_a_name_that_all_want_is_one_files(service: FileService) -> None:
    """Of renames and creations onto one free name one wins; every other file stays where it was."""
    won: list[str] = []
    numbers = iter(range(10_000))

    def move(raw: Raw) -> None:
        mine = f"share/{next(numbers)}"
        assert raw("PUT", mine, {"x-ms-type": "file", "x-ms-content-length": "3"}).status_code == 201
        source = {"x-ms-file-rename-source": f"{service.url}/devaccount/{mine}"}
        told = raw("PUT", "share/wanted?comp=rename", source)
        if told.status_code == 200:
            won.append(mine)
        else:
            assert (told.status_code, told.headers["x-ms-error-code"]) == (409, "ResourceAlreadyExists")
            assert raw("HEAD", mine).status_code == 200

    together(service, move)
    assert len(won) == 1
    assert Raw(service)("HEAD", won[0]).status_code == 404
    assert len(list(service.path("share", "").iterdir())) == CLIENTS * TIMES + 1
