"""Files that the kernel sends: their bytes, what is beside them on the connection, clients that stop or are slow."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.http.served import Bare, serving

from linarite.http import tls, window, zero_copy
from linarite.http.messages import FileBody, Request, Response
from linarite.http.own import Own
from linarite.http.serving import Certificate

DEADLINE = 30.0
CONTENT = os.urandom(3_000_001)
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


class Face(Bare):
    """Answers with a part of a file, `/first-length`; `cut` is done to the file once the answer is on its way."""

    def __init__(self, path: Path) -> None:
        self.path, self.cut, self.seconds = path, None, None
        path.write_bytes(CONTENT)

    async def respond(self, request: Request) -> Response:
        if request.path == "/well":
            return Response(200, b"well")
        first, _, length = request.path[1:].partition("-")
        descriptor = os.open(self.path, os.O_RDONLY)
        if self.cut is not None:
            os.truncate(self.path, self.cut)
        return Response(200, FileBody(descriptor, int(first), int(length), seconds=self.seconds))

    async def closed(self) -> None:
        """Wait until no file that was sent is open."""
        while self._is_open():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)

    def _is_open(self) -> bool:
        own = (each for each in Path("/proc/self/fd").iterdir() if each.exists())
        return any(each.samefile(self.path) for each in own)


def play(folder: Path, story: Callable[[int, Face], Awaitable[None]], **options) -> None:
    async def go() -> None:
        face = Face(folder / "file")
        async with serving(face, DEADLINE, options.get("certificate")) as port:
            await story(port, face)
            await face.closed()

    asyncio.run(go())


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


async def answer(reader: Reader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = [int(line.split()[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return await reader.readexactly(length)


def test_each_answer_has_its_bytes(tmp_path):
    """Whole, parts, nothing, and an ordinary answer between: one after another, and asked for all at once."""

    async def story(port: int, face: Face) -> None:
        wanted = {"/0-3000001": CONTENT, "/well": b"well", "/7-100000": CONTENT[7:100_007], "/5-0": b""}
        for together in (False, True):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if together:
                writer.write(b"".join(map(get, wanted)))
            for path, content in wanted.items():
                if not together:
                    writer.write(get(path))
                assert await answer(reader) == content
            writer.close()

    play(tmp_path, story)


def test_https_has_the_same_bytes(tmp_path):
    """The kernel cannot encrypt for us: the file goes through Python."""
    certificate = Certificate(*tls.server_certificate(tmp_path, ["localhost"]))

    async def story(port: int, face: Face) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(get("/1-3000000"))
        assert await answer(reader) == CONTENT[1:]
        writer.close()

    play(tmp_path, story, certificate=certificate)


@pytest.mark.parametrize("cut", [0, 1_000_000])
def test_file_that_is_cut_short_ends_in_zeros(tmp_path, cut):
    """Its length was promised: what is gone reads as a hole does."""

    async def story(port: int, face: Face) -> None:
        face.cut = cut
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/0-3000001"))
        assert await answer(reader) == CONTENT[:cut] + bytes(3_000_001 - cut)
        writer.write(get("/well"))
        assert await answer(reader) == b"well"
        writer.close()

    play(tmp_path, story)


def test_client_that_takes_nothing_is_not_waited_for_beyond_its_time(tmp_path):
    """Its connection is closed for an answer that is not whole; no thread waits for it meanwhile."""

    async def story(port: int, face: Face) -> None:
        os.truncate(face.path, 1 << 30)
        face.seconds = 0.5
        idle = [await asyncio.open_connection("127.0.0.1", port, limit=1) for _ in range(40)]
        for _, writer in idle:
            writer.write(get("/0-1073741824"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(20):
            writer.write(get("/0-100000"))
            assert len(await answer(reader)) == 100_000
        writer.close()
        await face.closed()
        for reader, writer in idle:
            with suppress(ConnectionError):
                while await reader.read(1 << 20):
                    continue
            writer.close()

    play(tmp_path, story)


def test_turn_of_one_answer_ends(tmp_path, monkeypatch):
    """However fast its client reads, others come between."""
    monkeypatch.setattr(zero_copy, "_TURN_SECONDS", 0.0)

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/0-3000001"))
        assert await answer(reader) == CONTENT
        writer.close()

    play(tmp_path, story)


def test_file_that_is_cut_short_under_the_kernels_hands_ends_there(tmp_path):
    """Its part was in memory already: what is gone then is no signal that ends the server, but the file's end."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    near, far = socket.socketpair()
    with near, far, path.open("r+b") as file:
        near.setblocking(False)
        part = zero_copy._Part(b"head", file.fileno(), 5, len(CONTENT) - 5)
        own = Own(SimpleNamespace(get_extra_info=lambda _: near))
        first = part.send(own)
        file.truncate(cut := 5 + first)
        got = bytearray()
        while done := part.left and _sent(part, own, far, got):
            first += done
        part.close()
        got += _waiting(far)
        assert not part.maps
        assert part.left == len(CONTENT) - 5 - first
        assert got[4:] == CONTENT[5:cut] + bytes(5 + first - cut)


def _sent(part: zero_copy._Part, own: Own, far: socket.socket, got: bytearray) -> int:
    """How many bytes went after room was made for them."""
    got += _waiting(far)
    return part.send(own) or 0


def _waiting(far: socket.socket) -> bytes:
    """What has come and was not read yet."""
    found = b""
    with suppress(BlockingIOError):
        while piece := far.recv(1 << 20, socket.MSG_DONTWAIT):
            found += piece
    return found


def test_file_that_cannot_be_had_as_memory_is_sent_all_the_same(tmp_path, monkeypatch):
    def none(*_: object) -> None:
        raise OSError(errno.ENODEV, "no maps here")

    monkeypatch.setattr(zero_copy, "Window", none)

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path, content in {"/0-3000001": CONTENT, "/7-100000": CONTENT[7:100_007]}.items():
            writer.write(get(path))
            assert await answer(reader) == content
        writer.close()

    play(tmp_path, story)


def test_client_that_is_gone_before_the_answer_gets_none(tmp_path, monkeypatch, caplog):
    """Which is nothing to be logged as an error of ours."""
    looked_at, gone = asyncio.Event(), asyncio.Event()
    respond, lost = Face.respond, zero_copy.ZeroCopyProtocol.connection_lost

    async def late(self: Face, request: Request) -> Response:
        looked_at.set()
        await gone.wait()
        return await respond(self, request)

    def seen(self: zero_copy.ZeroCopyProtocol, exc: Exception | None) -> None:
        lost(self, exc)
        gone.set()

    monkeypatch.setattr(Face, "respond", late)
    monkeypatch.setattr(zero_copy.ZeroCopyProtocol, "connection_lost", seen)

    async def story(port: int, face: Face) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/0-3000001"))
        await looked_at.wait()
        writer.transport.abort()
        await gone.wait()
        await asyncio.sleep(0)

    play(tmp_path, story)
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


def test_file_is_sent_where_the_c_library_has_no_such_question(tmp_path, monkeypatch):
    """musl before 1.2.5 knows neither the call nor its flag."""
    monkeypatch.delattr(os, "RWF_NOWAIT")

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/7-100000"))
        assert await answer(reader) == CONTENT[7:100_007]
        writer.close()

    play(tmp_path, story)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EOPNOTSUPP])
def test_file_that_a_disk_must_bring_is_left_to_many_threads(tmp_path, monkeypatch, code):
    """Those few that send from memory wait for no disk."""
    asked = []

    def not_there(*_: object) -> None:
        asked.append(threading.current_thread().name)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "preadv", not_there)
    sent = []
    send = zero_copy._Part.send
    monkeypatch.setattr(
        zero_copy._Part, "send", lambda *given: [sent.append(threading.current_thread().name), send(*given)][1]
    )

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/0-3000001"))
        assert await answer(reader) == CONTENT
        writer.close()

    play(tmp_path, story)
    assert all(name.startswith("sender") for name in asked)
    assert asked
    assert not any(name.startswith("sender") for name in sent)


def test_full_socket_holds_no_thread_that_others_want(tmp_path, monkeypatch):
    monkeypatch.setattr(zero_copy, "_MOMENT_MS", 60_000)  # who waits for this client waits for long
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    near, far = socket.socketpair()
    with near, far, path.open("rb") as file:
        near.setblocking(False)
        part = zero_copy._Part(b"head", file.fileno(), 0, len(CONTENT))
        own, wanted = Own(SimpleNamespace(get_extra_info=lambda _: near)), SimpleNamespace(are_wanted=True)
        own.shape(alone=False)
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(CONTENT) // 8)
        assert zero_copy._push(own, part, wanted) is True
        assert 0 < part.left < len(CONTENT)
        assert zero_copy._push(own, part, wanted) is None


def test_parts_longer_than_a_window_are_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(window, "MOST", 70_001)

    async def story(port: int, face: Face) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/5-2999996"))
        assert await answer(reader) == CONTENT[5:]
        writer.close()

    play(tmp_path, story)
