"""What the sockets take and give, whatever the face: heads without end, clients that leave."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.http.served import Bare, serving

from linarite.http.limits import USUAL, Limits
from linarite.http.messages import FileBody, Request, Response

DEADLINE = 20.0
TERABYTE = 1 << 40


class Face(Bare):
    """Answers with a file of a terabyte that is one hole; `descriptor` is the one that is being sent."""

    def __init__(self, folder: Path) -> None:
        self.descriptor = os.open(folder / "file", os.O_RDWR | os.O_CREAT)
        os.truncate(self.descriptor, TERABYTE)

    async def respond(self, request: Request) -> Response:
        if request.path == "/endless":
            return Response(200, self._endless())
        return Response(200, FileBody(self.descriptor, 0, TERABYTE) if request.path == "/file" else b"well")

    async def _endless(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1000)
        finally:
            os.close(self.descriptor)

    def refuse(self, request: Request, error: Exception) -> Response:
        return Response(500)


def play(folder: Path, story: Callable[[int, Face], Awaitable[None]], limits: Limits = USUAL) -> None:
    """Run a story with the port and the face of a server."""

    async def go() -> None:
        face = Face(folder)
        async with serving(face, DEADLINE, limits=limits) as port:
            try:
                await story(port, face)
            finally:
                with suppress(OSError):
                    os.close(face.descriptor)

    asyncio.run(go())


async def closed(face: Face) -> None:
    """Wait until the file that was sent is closed."""
    with suppress(OSError):
        while True:
            os.fstat(face.descriptor)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/file", "/endless"])
def test_get_by_a_client_that_leaves_is_not_read_to_its_end(tmp_path, path):
    """Nobody pays for a terabyte that nobody takes."""

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readexactly(100_000)
        writer.transport.abort()
        await closed(face)

    play(tmp_path, story)


@pytest.mark.parametrize("piece", [b"x-name: value\r\n", b"y" * 1000])
def test_head_without_end_is_refused(tmp_path, piece):
    """Header fields, or one field, that never end take no memory of ours."""

    async def story(port: int, _: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nx-first: ")
        with suppress(ConnectionError):
            for _ in range(10_000):
                writer.write(piece)
                await writer.drain()
        with suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 400")

    play(tmp_path, story)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\n\r\nGET / HT"])
def test_head_that_does_not_come_is_not_waited_for(tmp_path, sent):
    """A connection that says nothing, or stops in its first or a later head, is closed after a while."""

    async def story(port: int, _: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert (await reader.read()).count(b"well") == sent.count(b"\r\n\r\n")

    play(tmp_path, story, Limits(head_seconds=0.2))


def test_head_in_time_is_answered_whatever_its_body_takes(tmp_path):
    """The limit ends with the head: a connection that is kept, and a slow body, are others' concern."""

    async def story(port: int, _: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab")
            assert await reader.readuntil(b"well")
            await asyncio.sleep(0.3)  # longer than the limit
            writer.write(b"c")
        writer.close()

    play(tmp_path, story, Limits(head_seconds=0.2))


BASIC, COOKIE, SIGNED = "Authorization: Basic ZGV2Og==", "Cookie: SOSESSION=1", "Authorization: SharedKey a:b"


@pytest.mark.parametrize(
    ("method", "origin", "credential", "answer"),
    [
        ("POST", "http://elsewhere.example", BASIC, b"403"),
        ("PUT", "null", COOKIE, b"403"),
        ("POST", "http://elsewhere.example", SIGNED, b"200"),
        ("POST", "http://x:10020", BASIC, b"200"),
        ("GET", "http://elsewhere.example", BASIC, b"200"),
        ("OPTIONS", "http://elsewhere.example", COOKIE, b"200"),
    ],
)
def test_change_by_a_page_of_another_site_is_refused(tmp_path, method, origin, credential, answer):
    """A page of another site cannot use what a browser adds by itself; what is signed is the protocol's own affair."""

    async def story(port: int, _: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        fields = f"Host: x:10020\r\nOrigin: {origin}\r\n{credential}\r\nContent-Length: 0\r\nConnection: close"
        writer.write(f"{method} / HTTP/1.1\r\n{fields}\r\n\r\n".encode())
        assert (await reader.read()).split()[1] == answer

    play(tmp_path, story)
