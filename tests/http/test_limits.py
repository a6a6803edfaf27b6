"""Clients that send or take nothing, and more of them than there is room for: each is let go, the others are served."""

from __future__ import annotations

import asyncio
import os
import resource
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.http.served import Bare, serving
from tests.support.server import FACES, running_server

from linarite.http import limits, tls
from linarite.http.limits import USUAL, Limits
from linarite.http.messages import FileBody, Request, Response
from linarite.http.serving import Certificate

DEADLINE = 30.0
MIB = 1024 * 1024
QUICK = Limits(stall_seconds=0.4)
WELL = b"GET /well HTTP/1.1\r\nHost: x\r\n\r\n"


class Face(Bare):
    """Takes bodies and gives endless answers; `/refused` looks at no body, `/slow` takes its own time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "file"
        with self.path.open("wb") as file:
            file.truncate(1 << 40)

    async def respond(self, request: Request) -> Response:
        if request.path == "/file":
            return Response(200, FileBody(os.open(self.path, os.O_RDONLY), 0, 1 << 40))
        if request.path == "/endless":
            return Response(200, self._endless())
        if request.path == "/slow":
            await asyncio.sleep(3 * QUICK.stall_seconds)
        if request.path == "/taken":
            assert len(await request.body(4 * MIB)) == request.content_length
        return Response(200, b"well")

    async def _endless(self) -> AsyncIterator[bytes]:
        with self.path.open():
            while True:
                yield bytes(100_000)


def files() -> list[str]:
    """What this process has open."""
    found = []
    for each in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{each}"))
    return found


def play(
    folder: Path, story: Callable[[int], Awaitable[None]], limits: Limits, certificate: Certificate | None = None
) -> None:
    async def go() -> None:
        async with serving(Face(folder), DEADLINE, certificate, limits) as port:
            await story(port)

    asyncio.run(go())


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(*tls.server_certificate(tmp_path, []))


def trust(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(tls.authority(folder)))


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the server ends the connection."""
    found = b""
    with suppress(ConnectionError):
        while piece := await reader.read(MIB):
            found += piece
    return found


def put(path: str, length: int, sent: int, *fields: str) -> bytes:
    head = "\r\n".join([f"PUT {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *fields, "", ""])
    return head.encode() + bytes(sent)


@pytest.mark.parametrize(
    "sent",
    [
        put("/taken", 5, 0),
        put("/taken", 100_000, 3000),
        put("/taken", 2 * MIB, 0),
        put("/taken", 2 * MIB, MIB),
        put("/taken", 5, 0, "Expect: 100-continue"),
        put("/refused", 100_000, 3000),
        put("/taken", 5, 5) + put("/taken", 5, 1),
    ],
)
@pytest.mark.parametrize("secure", [False, True])
def test_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, certificate: Certificate, sent: bytes, secure: bool
) -> None:
    """Short or long, by http or https, in the first request or a later one, also when nobody wants it any more."""

    async def story(port: int) -> None:
        reader, writer = await asyncio.open_connection(
            "localhost" if secure else "127.0.0.1", port, ssl=trust(tmp_path) if secure else None
        )
        writer.write(sent)
        await ended(reader)
        writer.transport.abort()

    play(tmp_path, story, QUICK, certificate if secure else None)


@pytest.mark.parametrize("length", [100_000, 2 * MIB])
@pytest.mark.parametrize("path", ["/taken", "/refused"])
def test_body_that_drips_is_not_waited_for(tmp_path: Path, path: str, length: int) -> None:
    """A byte now and then keeps no place for long."""

    async def story(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(put(path, length, 1))
        gone = asyncio.create_task(ended(reader))
        while not gone.done():
            writer.write(b"x")
            await asyncio.wait([gone], timeout=0.05)
        writer.transport.abort()

    play(tmp_path, story, QUICK)


@pytest.mark.parametrize("length", [20_000, 300_000])
def test_body_that_comes_slowly_is_taken(tmp_path: Path, length: int) -> None:
    """It takes several times as long as nothing may move."""

    async def story(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(put("/taken", length, 0))
        for _ in range(20):
            writer.write(bytes(length // 20))
            await asyncio.sleep(QUICK.stall_seconds / 5)
        assert await reader.readuntil(b"well")
        writer.close()

    play(tmp_path, story, QUICK)


@pytest.mark.parametrize("path", ["/file", "/endless"])
@pytest.mark.parametrize("secure", [False, True])
def test_answer_that_is_not_taken_ends(tmp_path: Path, certificate: Certificate, path: str, secure: bool) -> None:
    """The client reads some of it and stops; the file is closed."""

    async def story(port: int) -> None:
        reader, writer = await asyncio.open_connection(
            "localhost" if secure else "127.0.0.1", port, ssl=trust(tmp_path) if secure else None, limit=1000
        )
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readexactly(1000)
        assert str(tmp_path / "file") in files()
        while str(tmp_path / "file") in files():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)  # and the client takes nothing
        await ended(reader)
        writer.transport.abort()

    play(tmp_path, story, QUICK, certificate if secure else None)


def test_server_that_was_stopped_blames_nobody(tmp_path: Path) -> None:
    """It did nothing for much longer than a client may; then the body comes."""

    async def story(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(put("/taken", 5, 1))
        await asyncio.sleep(QUICK.stall_seconds / 2)  # seen once or twice
        time.sleep(3 * QUICK.stall_seconds)  # noqa: ASYNC251 - the whole loop
        writer.write(bytes(4))
        assert await reader.readuntil(b"well")
        writer.close()

    play(tmp_path, story, QUICK)


def test_client_that_waits_for_us_may_wait(tmp_path: Path) -> None:
    """An answer that takes its time, and an idle connection, are no fault of the client's."""

    async def story(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(put("/slow", 5, 5))
        assert await reader.readuntil(b"well")
        await asyncio.sleep(3 * QUICK.stall_seconds)
        writer.write(WELL)
        assert await reader.readuntil(b"well")
        writer.close()

    play(tmp_path, story, QUICK)


@pytest.mark.parametrize("secure", [False, True])
def test_one_connection_too_many_is_told_so(tmp_path: Path, certificate: Certificate, secure: bool) -> None:
    """With a status that clients retry on; those that are at work notice nothing, and a place that is free is given."""

    async def story(port: int) -> None:
        async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            host, context = ("localhost", trust(tmp_path)) if secure else ("127.0.0.1", None)
            return await asyncio.open_connection(host, port, ssl=context)

        served = [await connect() for _ in range(3)]
        for _, writer in served:
            writer.write(put("/taken", 5, 1))
        for _ in range(5):
            reader, writer = await connect()
            writer.write(WELL)
            told = await ended(reader)
            assert told.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 5\r\n" in told
            writer.transport.abort()
        served[0][1].close()
        served[1][1].write(bytes(4))
        assert await served[1][0].readuntil(b"well")
        served[1][1].write(put("/taken", 5, 1))
        while True:
            reader, writer = await connect()
            writer.write(WELL)
            if b" 200 " in await reader.readuntil(b"\r\n"):
                break
            writer.transport.abort()
        for _, each in [*served[1:], (reader, writer)]:
            each.close()

    play(tmp_path, story, Limits(connections=3), certificate if secure else None)


def test_idle_connections_make_room(tmp_path: Path) -> None:
    """Those that clients keep for later are no reason to turn anyone away: the one of the longest rest is closed."""

    async def story(port: int) -> None:
        kept = []
        for number in range(6):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(WELL)
            assert await reader.readuntil(b"well")
            kept.append((reader, writer))
            if number >= 3:
                assert await ended(kept[number - 3][0]) == b""
        for reader, writer in kept[3:]:
            writer.write(WELL)
            assert await reader.readuntil(b"well")
        for _, writer in kept:
            writer.close()

    play(tmp_path, story, Limits(connections=3))


def test_crowd_that_is_turned_away_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that stay although nobody serves them hold no descriptor of ours."""
    monkeypatch.setattr(limits, "MOST_AWAY", 10)
    monkeypatch.setattr(limits, "FAREWELL", DEADLINE)

    async def story(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
        told = [await ended(each) for each, _ in crowd]
        assert [bool(each) for each in told] == [True] * 10 + [False] * 40
        writer.write(WELL)
        assert await reader.readuntil(b"well")
        mine = len(files())
        for _, each in crowd:
            each.transport.abort()
        while len(files()) > mine - 60:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        writer.close()

    play(tmp_path, story, Limits(connections=1))


def test_one_who_is_turned_away_and_stays_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has heard why, and keeps its end of the connection open: ours is closed after a while."""
    monkeypatch.setattr(limits, "FAREWELL", 0.2)

    async def story(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        before = len(files())
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        assert all([await ended(reader) for reader, _ in crowd])
        while len(files()) > before + 20:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
        for _, each in [(None, writer), *crowd]:
            each.transport.abort()

    play(tmp_path, story, Limits(connections=1))


@pytest.mark.parametrize(
    ("files", "expected"), [(1024, 266), (100, 16), (10**6, 10_000), (resource.RLIM_INFINITY, 10_000)]
)
def test_there_are_as_many_as_the_process_can_open_files_for(
    monkeypatch: pytest.MonkeyPatch, files: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert limits.affordable() == expected
    assert limits.affordable(20) == min(expected, 20)
    assert USUAL.connections == 10_000


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may open as many files as it ever may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_thousand_connections_by_the_limit_that_a_shell_gives() -> None:
    """All are at work at once on a server that was started with 1,024 files: it raises its own limit.

    One more is told so, and each of them has its answer.
    """

    async def story(port: int) -> None:
        crowd = []
        for _ in range(1000):
            crowd.append(await asyncio.open_connection("127.0.0.1", port))
            crowd[-1][1].write(b"GET /healthz HTTP/1.1\r\n")
        one_more, writer = await asyncio.open_connection("127.0.0.1", port)
        told = await ended(one_more)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5\r\n" in told
        writer.close()
        for reader, writer in crowd:
            writer.write(b"Host: localhost\r\n\r\n")
            assert b" 200 " in await reader.readline()
            writer.close()

    shell = ("/bin/sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh")
    with running_server(prefix=shell, max_connections=1000) as server:
        asyncio.run(asyncio.wait_for(story(int(server.files.rpartition(":")[2])), 3 * DEADLINE))
        assert "is more than" not in server.log


def test_limits_are_those_of_the_settings_on_every_port() -> None:
    """And of all ports together: each is full of what the others have."""

    async def story(urls: dict[str, str]) -> None:
        ports = [int(urls[face].rpartition(":")[2]) for face in FACES]
        reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])
        writer.write(put("/", 5, 1, "Authorization: SharedKey a:b"))
        await ended(reader)
        writer.close()
        held = [await asyncio.open_connection("127.0.0.1", port) for port in ports]
        for port in ports:
            reader, _ = await asyncio.open_connection("127.0.0.1", port)
            assert b" 503 " in await ended(reader)
        for _, each in held:
            each.close()

    async def silence(urls: dict[str, str]) -> None:
        for face in FACES:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(urls[face].rpartition(":")[2]))
            assert await ended(reader) == b""
            writer.close()

    with running_server(max_connections=len(FACES), stall_seconds=1, head_seconds=600) as server:
        asyncio.run(asyncio.wait_for(story(server.urls), 3 * DEADLINE))
        assert "max_connections=5" in server.log
        server.terminate()
        server.start(head_seconds=1)
        asyncio.run(asyncio.wait_for(silence(server.urls), 3 * DEADLINE))
