"""How much the kernel keeps for a connection whose bodies pass by the transport, seen on real connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from tests.support.left_out import leave_out

from linarite.http import own
from linarite.http.own import RANGE, Own

CACHED = own._CACHED


def told(connection: Own, option: int) -> int:
    return connection.socket.getsockopt(socket.SOL_SOCKET, option)


def play(story: Callable[[Own], Awaitable[None]], client: str = "127.0.0.1") -> None:
    """Run a story with the server's end of a connection that comes from this address of the machine."""

    async def whole() -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def served(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await story(Own(writer.transport))
                ended.set_result(None)
            except Exception as error:  # noqa: BLE001 - it is raised where the connection is waited for
                ended.set_exception(error)
            writer.close()

        server = await asyncio.start_server(served, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(client, 0))
        await ended
        writer.close()
        server.close()

    asyncio.run(whole())


def test_a_range_that_comes_has_room_and_a_short_request_is_still_told_of() -> None:
    async def story(connection: Own) -> None:
        before = told(connection, socket.SO_RCVBUF)
        connection.widen()
        assert told(connection, socket.SO_RCVBUF) > max(before, RANGE // 2)
        assert told(connection, socket.SO_RCVLOWAT) == 1

    play(story)


def test_who_sends_alone_on_one_machine_sends_from_the_cache() -> None:
    """And no longer, once others want to send as well."""

    async def story(connection: Own) -> None:
        before = told(connection, socket.SO_SNDBUF)
        connection.shape(alone=True)
        assert told(connection, socket.SO_SNDBUF) == 2 * CACHED  # the kernel doubles it, for its own needs
        connection.shape(alone=False)
        assert told(connection, socket.SO_SNDBUF) == 2 * RANGE if own._has_room() else before

    play(story)


def test_a_client_elsewhere_is_never_sent_to_by_small_bits() -> None:
    """What is under way to it for milliseconds must fit."""

    async def story(connection: Own) -> None:
        before = told(connection, socket.SO_SNDBUF)
        connection.shape(alone=True)
        assert told(connection, socket.SO_SNDBUF) >= before

    play(story, client="127.0.0.2")


def test_a_kernel_that_gives_little_is_left_to_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that somebody set would hold for ever, and be less than what the kernel would come to by itself."""
    monkeypatch.setattr(own, "_has_room", lambda: False)

    async def story(connection: Own) -> None:
        if not own._turns_back():
            leave_out("this Linux is older than 5.15")
        connection.shape(alone=True)
        assert connection.socket.getsockopt(socket.SOL_SOCKET, own._BUF_LOCK) == 1
        connection.shape(alone=False)
        assert connection.socket.getsockopt(socket.SOL_SOCKET, own._BUF_LOCK) == 0

    play(story)
