"""Two servers on one PostgreSQL and one folder of shares: what one promises is true of the other's clients too."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from tests.support import postgres
from tests.support.azure_files import FileService, Raw
from tests.support.left_out import leave_out
from tests.support.server import RunningServer, another_server, running_server

CLIENTS, TIMES = 6, 15
BYTES = {"x-ms-write": "update", "x-ms-range": "bytes=0-7"}
NEW = {"x-ms-type": "file", "x-ms-content-length": "8"}
BIG = 4 * 1024 * 1024
BUSY = 30.0
"""Seconds in which a server has to tell that it cannot do something."""
Pair = tuple[RunningServer, RunningServer]


@contextmanager
def two_servers() -> Iterator[Pair]:
    if (reason := postgres.missing()) is not None:
        leave_out(reason)
    with (
        postgres.running_postgres() as database,
        running_server(store_url=database.url(database.new_database())) as first,
        another_server(first) as second,
    ):
        yield first, second


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with two_servers() as servers:
        yield servers


def client(server: RunningServer, account: str) -> Raw:
    raw = Raw(FileService(server.files, server.data / "shares"), account)
    raw.http.timeout = httpx.Timeout(BUSY)
    return raw


class Site:
    """An account with a share, and clients of both servers by turns."""

    def __init__(self, pair: Pair) -> None:
        self.account = f"a{uuid.uuid4().hex[:20]}"
        self.clients = [client(pair[number % 2], self.account) for number in range(CLIENTS)]
        self.done("PUT", "share?restype=share")

    def done(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> httpx.Response:
        answer = self.clients[0](method, path, headers, body)
        assert answer.status_code < 300, answer.text
        return answer

    def together(self, work: Callable[[Raw, int], None]) -> None:
        """All clients at once, TIMES each; `work` is told which time it is."""
        ready = threading.Barrier(CLIENTS)

        def go(raw: Raw) -> None:
            for number in range(TIMES):
                ready.wait(60)
                work(raw, number)

        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(go, self.clients))


@pytest.fixture
def site(pair: Pair) -> Site:
    return Site(pair)


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers.get("x-ms-error-code")) == (status, code), answer.text


@pytest.mark.operation("Put Range")
def test_bytes_held_by_their_tag_count_everyone(site: Site) -> None:
    """Read, add, write if it is still the same: of the clients of both servers none is lost."""
    site.done("PUT", "share/f", NEW)
    site.done("PUT", "share/f?comp=range", BYTES, b"%08d" % 0)

    def add(raw: Raw, _: int) -> None:
        while True:
            read = raw("GET", "share/f")
            more = b"%08d" % (int(read.content) + 1)
            told = raw("PUT", "share/f?comp=range", {**BYTES, "If-Match": read.headers["ETag"]}, more)
            if told.status_code == 201:
                return
            refused(told, 412, "ConditionNotMet")

    site.together(add)
    assert int(site.done("GET", "share/f").content) == CLIENTS * TIMES


@pytest.mark.operation("Set File Metadata", "Get File Properties")
def test_metadata_held_by_its_tag_counts_everyone(site: Site) -> None:
    """The tag is the file's, the metadata the database's: nobody is told the one with an older one of the other."""
    site.done("PUT", "share/f", {**NEW, "x-ms-meta-n": "0"})

    def add(raw: Raw, _: int) -> None:
        while True:
            read = raw("HEAD", "share/f")
            more = {"x-ms-meta-n": str(int(read.headers["x-ms-meta-n"]) + 1), "If-Match": read.headers["ETag"]}
            told = raw("PUT", "share/f?comp=metadata", more)
            if told.status_code == 200:
                return
            refused(told, 412, "ConditionNotMet")

    site.together(add)
    assert site.done("HEAD", "share/f").headers["x-ms-meta-n"] == str(CLIENTS * TIMES)


@pytest.mark.operation("Lease File", "Put Range")
def test_bytes_held_by_a_lease_count_everyone(site: Site) -> None:
    """Who has the lease is alone among the clients of both; a write with another is refused."""
    site.done("PUT", "share/f", NEW)
    site.done("PUT", "share/f?comp=range", BYTES, b"%08d" % 0)

    def add(raw: Raw, _: int) -> None:
        lease = str(uuid.uuid4())
        acquire = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": lease}
        while (told := raw("PUT", "share/f?comp=lease", acquire)).status_code != 201:
            refused(told, 409, "LeaseAlreadyPresent")
            assert raw("PUT", "share/f?comp=range", {**BYTES, "x-ms-lease-id": lease}, b"intruder").status_code == 412
        more = b"%08d" % (int(raw("GET", "share/f").content) + 1)
        assert raw("PUT", "share/f?comp=range", {**BYTES, "x-ms-lease-id": lease}, more).status_code == 201
        release = {"x-ms-lease-action": "release", "x-ms-lease-id": lease}
        assert raw("PUT", "share/f?comp=lease", release).status_code == 200

    site.together(add)
    assert int(site.done("GET", "share/f").content) == CLIENTS * TIMES


@pytest.mark.operation("Create File")
def test_a_name_that_must_be_free_is_one_clients(site: Site) -> None:
    """Of those who make a file where none may be one does, in whatever case; metadata and bytes are its own."""
    made: list[tuple[int, str]] = []

    def make(raw: Raw, number: int) -> None:
        mine = uuid.uuid4().hex[:8]
        name = f"share/New-{number}" if int(mine, 16) % 2 else f"share/NEW-{number}"
        body = {"x-ms-version": "2026-06-06"}
        told = raw("PUT", name, {**NEW, **body, "x-ms-meta-by": mine, "If-None-Match": "*"}, mine.encode())
        if told.status_code == 201:
            made.append((number, mine))
        else:
            refused(told, 412, "ConditionNotMet")

    site.together(make)
    assert sorted(number for number, _ in made) == list(range(TIMES))
    for number, mine in made:
        found = site.done("GET", f"share/new-{number}")
        assert (found.content, found.headers["x-ms-meta-by"]) == (mine.encode(), mine)


@pytest.mark.operation("Create Directory", "Create Share")
def test_what_exists_already_is_made_once(site: Site) -> None:
    """Directories and shares."""
    made: list[str] = []

    def make(raw: Raw, number: int) -> None:
        for name, kind, code in ((f"share/d{number}", "directory", "Resource"), (f"share{number}", "share", "Share")):
            told = raw("PUT", f"{name}?restype={kind}")
            if told.status_code == 201:
                made.append(name)
            else:
                refused(told, 409, f"{code}AlreadyExists")

    site.together(make)
    assert sorted(made) == sorted(f"share{each}{number}" for each in ("/d", "") for number in range(TIMES))


@pytest.mark.operation("Rename File")
def test_a_name_that_all_rename_to_is_one_files(site: Site) -> None:
    """Of files renamed onto one free name one is there, with its metadata; every other one stays where it was."""
    won: dict[int, list[str]] = {number: [] for number in range(TIMES)}

    def move(raw: Raw, number: int) -> None:
        mine = uuid.uuid4().hex
        assert raw("PUT", f"share/{mine}", {**NEW, "x-ms-meta-of": mine}).status_code == 201
        source = {"x-ms-file-rename-source": f"{raw.service.url}/{raw.account}/share/{mine}"}
        told = raw("PUT", f"share/wanted-{number}?comp=rename", source)
        if told.status_code == 200:
            won[number].append(mine)
        else:
            refused(told, 409, "ResourceAlreadyExists")
            assert raw("HEAD", f"share/{mine}").headers["x-ms-meta-of"] == mine

    site.together(move)
    for number, names in won.items():
        assert [site.done("HEAD", f"share/wanted-{number}").headers["x-ms-meta-of"]] == names


@pytest.mark.operation("Rename Directory", "Set File Metadata")
def test_a_directory_moves_with_what_is_acknowledged_below_it(site: Site) -> None:
    """One client moves it on and on, the others set metadata of files wherever they are: each last answer holds."""
    site.done("PUT", "share/d0?restype=directory")
    for number in range(1, CLIENTS):
        site.done("PUT", f"share/d0/f{number}", NEW)
    at = [0]

    def work(raw: Raw, number: int) -> None:
        mine = site.clients.index(raw)
        if mine == 0:
            source = {"x-ms-file-rename-source": f"{raw.service.url}/{raw.account}/share/d{at[0]}"}
            assert raw("PUT", f"share/d{at[0] + 1}?restype=directory&comp=rename", source).status_code == 200
            at[0] += 1
            return
        while True:
            told = raw("PUT", f"share/d{at[0]}/f{mine}?comp=metadata", {"x-ms-meta-n": str(number)})
            if told.status_code == 200:
                return
            assert told.status_code == 404, told.text

    site.together(work)
    for mine in range(1, CLIENTS):
        assert site.done("HEAD", f"share/d{at[0]}/f{mine}").headers["x-ms-meta-n"] == str(TIMES - 1)


class Writers:
    """Clients of one server who write a file all the time, each time if it is still as it was."""

    def __init__(self, server: RunningServer, account: str) -> None:
        self.acknowledged, self._over = 0, threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(client(server, account),)) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def _run(self, raw: Raw) -> None:
        wanted = {"x-ms-write": "update", "x-ms-range": f"bytes=0-{BIG - 1}"}
        while not self._over.is_set():
            try:
                read = raw("GET", "share/f", {"x-ms-range": "bytes=0-7"})
                if read.status_code == 503:  # it waited while the server was frozen
                    continue
                more = (int.from_bytes(read.content) + 1).to_bytes(8) * (BIG // 8)
                told = raw("PUT", "share/f?comp=range", {**wanted, "If-Match": read.headers["ETag"]}, more)
            except httpx.HTTPError:
                return
            with self._lock:
                self.acknowledged += told.status_code == 201

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)


def locked_alone(server: RunningServer) -> bool:
    """Whether anything is locked alone in the folder of shares, as the kernel lists it."""
    inode = (server.data / "shares" / ".locks").stat().st_ino
    lines = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return any(words[1] == "OFDLCK" and "WRITE" in words and words[5].endswith(f":{inode}") for words in lines)


def freeze_inside(server: RunningServer) -> None:
    """Stop a server at a moment at which it holds a file for itself alone."""
    deadline = time.monotonic() + 60
    while True:
        os.kill(server.pid, signal.SIGSTOP)
        while Path(f"/proc/{server.pid}/stat").read_text().rpartition(") ")[2][0] != "T":
            assert time.monotonic() < deadline
        if locked_alone(server):
            return
        assert time.monotonic() < deadline, "it is never at it"
        os.kill(server.pid, signal.SIGCONT)
        time.sleep(0.01)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGCONT])
def test_a_server_that_is_frozen_while_it_writes_keeps_one_file_and_a_killed_one_none(end: signal.Signals) -> None:
    """The other refuses what is not safe to do, in time, and does all the rest. No acknowledged write is lost."""
    with two_servers() as (first, second):
        account = "frozen"
        other = client(second, account)
        for path, headers in (("share?restype=share", {}), ("share/f", {**NEW, "x-ms-content-length": str(BIG)})):
            assert other("PUT", path, headers).status_code == 201
        writers = Writers(first, account)
        try:
            while writers.acknowledged < 20:
                time.sleep(0.01)
            freeze_inside(first)
            begun = time.monotonic()
            refused(other("PUT", "share/f?comp=range", BYTES, b"intruder"), 503, "ServerBusy")
            assert other("PUT", "share/g", NEW).status_code == 201
            assert other("GET", "share?restype=directory&comp=list").status_code == 200
            assert time.monotonic() - begun < BUSY
            os.kill(first.pid, end)
            if end == signal.SIGKILL:
                first.process.wait()
            read = other("GET", "share/f")
            assert read.status_code == 200
        finally:
            os.kill(first.pid, signal.SIGCONT) if first.process.poll() is None else None
            writers.end()
        content = other("GET", "share/f").content
        pieces = {content[at : at + 8] for at in range(0, BIG, 8)}
        assert len(pieces) == 1 or end == signal.SIGKILL
        number = int.from_bytes(content[:8])
        assert writers.acknowledged <= number <= writers.acknowledged + 3
