"""Bodies of requests in pieces: whole and in order, waited for, and no more of them in memory than need be."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable

import pytest
from tests.http.served import Bare, serving

from linarite.http import filling
from linarite.http.messages import ClientGone, Request, Response
from linarite.http.pieces import MOST
from linarite.http.rooms import MOST as MOST_ROOMS
from linarite.http.rooms import ROOMS, SIZE

DEADLINE = 30.0
BODY = os.urandom(5_000_001)


class Face(Bare):
    """Answers with the digest of the body; `/late` reads it only when told to, `/unread` never, `/fails` in vain."""

    def __init__(self) -> None:
        self.go, self.gone = asyncio.Event(), asyncio.Event()

    async def respond(self, request: Request) -> Response:
        if request.path == "/unread":
            return Response(200, b"unread")
        if request.path == "/late":
            await self.go.wait()
        try:
            body = await request.body(10_000_000)
        except ClientGone:
            self.gone.set()
            raise
        if request.path == "/fails":
            raise ValueError
        return Response(200, hashlib.sha256(body).hexdigest().encode())

    def refuse(self, request: Request, error: Exception) -> Response:
        return Response(400, b"refused") if isinstance(error, ValueError) else super().refuse(request, error)


def play(story: Callable[[int, Face], Awaitable[None]]) -> None:
    async def go() -> None:
        face = Face()
        async with serving(face, DEADLINE) as port:
            await story(port, face)

    asyncio.run(go())


def head(path: str, length: int, *more: str) -> bytes:
    fields = "\r\n".join([f"PUT {path} HTTP/1.1", "Host: x", f"Content-Length: {length}", *more])
    return f"{fields}\r\n\r\n".encode()


async def answer(reader: asyncio.StreamReader) -> bytes:
    fields = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
    (length,) = [int(line.split()[1]) for line in fields if line.startswith(b"content-length")]
    return await reader.readexactly(length)


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def test_bodies_come_whole_one_after_another():
    """Large, empty, in drops, in chunks without a length, and several requests sent at once."""

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/", len(BODY)) + BODY + head("/", 0) + head("/", 3) + b"abc")
        for body in (BODY, b"", b"abc"):
            assert await answer(reader) == digest(body)
        writer.write(head("/", 20))
        for _ in range(20):
            writer.write(b"x")
            await writer.drain()
        assert await answer(reader) == digest(b"x" * 20)
        writer.write(b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert await answer(reader) == digest(b"abcde")
        writer.close()

    play(story)


def test_client_that_asks_first_is_told_to_go_on():
    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/", 3, "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"abc")
        assert await answer(reader) == digest(b"abc")
        writer.close()

    play(story)


def test_body_that_nobody_reads_yet_is_not_taken_in():
    """The client is held back; once the body is read it comes whole."""

    async def story(port: int, face: Face) -> None:
        body = BODY * 4
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.set_write_buffer_limits(0)
        face_got = head("/late", 10_000_000) + body[:10_000_000]
        writer.write(face_got)
        sending = asyncio.create_task(writer.drain())
        done, _ = await asyncio.wait([sending], timeout=0.5)
        assert not done, f"more than {MOST} bytes are taken"
        face.go.set()
        await sending
        assert await answer(reader) == digest(body[:10_000_000])
        writer.close()

    play(story)


def test_body_that_is_not_wanted_is_passed_over():
    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/unread", 3_000_000) + BODY[:3_000_000] + head("/", 3) + b"abc")
        assert await answer(reader) == b"unread"
        assert await answer(reader) == digest(b"abc")
        writer.close()

    play(story)


@pytest.mark.parametrize("at_once", [filling.LEAST // 3, filling.LEAST])
def test_long_bodies_come_past_the_parser_to_their_last_byte(monkeypatch, at_once):
    """One that comes in drops, one asked for first, two at once, and a short one: none takes a byte of another's."""
    monkeypatch.setattr(filling, "_AT_ONCE", at_once)
    first, second = BODY[: filling.LEAST], BODY[: SIZE - 1]

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/", len(first), "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        for at in range(0, len(first), 10_001):
            writer.write(first[at : at + 10_001])
            await writer.drain()
        assert await answer(reader) == digest(first)
        writer.write(head("/", len(second)) + second + head("/", len(first)) + first + head("/", 3) + b"abc")
        for body in (second, first, b"abc"):
            assert await answer(reader) == digest(body)
        writer.close()

    play(story)


def test_client_that_goes_within_a_long_body_is_missed():
    """Nothing is made of what came; other clients are served."""

    async def story(port: int, face: Face) -> None:
        for end in ("close", "abort"):
            face.gone.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head("/", SIZE) + BODY[: SIZE - 1])
            await writer.drain()
            writer.close() if end == "close" else writer.transport.abort()
            await face.gone.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("/", SIZE) + BODY[:SIZE])
        assert await answer(reader) == digest(BODY[:SIZE])
        writer.close()

    play(story)


def test_memory_of_a_body_is_used_again_unless_something_went_wrong(monkeypatch):
    monkeypatch.setattr(ROOMS, "_free", [])

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path, kept in (("/fails", 0), ("/", 1), ("/", 1), ("/fails", 0)):
            writer.write(head(path, SIZE) + BODY[:SIZE])
            assert await answer(reader) == (b"refused" if path == "/fails" else digest(BODY[:SIZE]))
            assert len(ROOMS._free) == kept
        for _ in range(MOST_ROOMS + 3):
            ROOMS.give(bytearray(SIZE))
        ROOMS.give(bytearray(SIZE + 1))
        assert [len(room) for room in ROOMS._free] == [SIZE] * MOST_ROOMS
        writer.close()

    play(story)
