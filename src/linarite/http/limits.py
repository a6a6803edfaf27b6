"""How much of the server clients may take: connections, heads of requests without end, bodies that do not come.

An unknown caller has cost us little before its request begins. While requests go on nothing is counted and no timer
set: `watch` looks through the connections now and then, and asks the kernel what has moved on those that owe us.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from linarite.http.spelling import SpellingProtocol

HEAD = 64 * 1024
"""Bytes that the first line and the header fields of a request may have together."""
LEAST = 1024
"""Bytes that are no standstill, when as many move in the time that a client has."""
FAREWELL = 1.0
"""Seconds left to a client to take the end of its connection: one of https has to answer, and many do not look."""
MOST_AWAY = 256
"""Connections at once that are told why they are not served; more are closed without a word."""
LOOKS = 4
"""How often connections are looked at in the time that a client has."""
_BUSY = b"The server has as many connections as it takes. Please retry your request.\n"
_TURNED_AWAY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nRetry-After: 5\r\n"
    b"Connection: close\r\n\r\n%b" % (len(_BUSY), _BUSY)
)
_MOVED = struct.Struct("=120x2Q")
"""In the kernel's tcp_info: bytes that the client has acknowledged, and those that it has sent. Source: linux/tcp.h."""
_OWN_FILES = 224
"""Descriptors that are left to the store, the nodes and the ports."""

log = structlog.get_logger("linarite.access")


class Limits(NamedTuple):
    """Seconds for the head of a request, and those in which something of a body or an answer has to move."""

    head_seconds: float = 75.0
    stall_seconds: float = 120.0
    connections: int = 10_000


USUAL = Limits()


def affordable(wanted: int | None = None) -> int:
    """As many connections as the process has descriptors for: each may need three (socket, its second, a file).

    At most as many as are `wanted`, which without a word are USUAL.
    """
    wanted = wanted or USUAL.connections
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(16, min(wanted, (files - _OWN_FILES) // 3))


class Crowd(ServerState):
    """What uvicorn keeps of one port, with what all ports have together: `limits` and the `count` of connections."""

    def __init__(self, limits: Limits, count: Count) -> None:
        super().__init__()
        self.limits, self.count = limits, count
        count.crowds.append(self)


class Count:
    """Connections of all `crowds` that are served, and those that are being turned away."""

    __slots__ = ("away", "crowds", "served", "told")

    def __init__(self) -> None:
        """There is none yet."""
        self.crowds: list[Crowd] = []
        self.served, self.away, self.told = 0, 0, False

    def let_one_go(self) -> bool:
        """Close the connection that has been idle longest, if one is: its client makes another when it needs one."""
        idle = {
            since: each
            for crowd in self.crowds
            for each in crowd.connections
            if isinstance(each, LimitedProtocol) and (since := each.idle_since()) is not None
        }
        if idle:
            idle[min(idle)].let_go()
        return bool(idle)


class LimitedProtocol(SpellingProtocol):
    """Closes a connection that is one too many, or whose next request has a head that is too long or too slow."""

    _received = 0
    _due: asyncio.TimerHandle | None = None
    _is_served = False
    _moved: tuple[int, int] | None = None
    """At which look something was last seen to have moved, and how much it was until then."""

    @property
    def crowd(self) -> Crowd:
        """The connections of its port and of all."""
        assert isinstance(self.server_state, Crowd)
        return self.server_state

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head, if there is a place."""
        super().connection_made(transport)
        count, most = self.crowd.count, self.crowd.limits.connections
        self._is_served = count.served < most or count.let_one_go()
        if self._is_served:
            count.served += 1
            self._await_head()
        else:
            self._turn_away(count, most)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        count = self.crowd.count
        if self._is_served:
            count.served -= 1
            count.told = count.told and count.served > self.crowd.limits.connections * 9 // 10
        else:
            count.away -= 1
        self._end_of_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless a head has no end."""
        if not self._is_served:
            return
        super().data_received(data)
        if self._due is not None:
            self._received += len(data)
            if self._received > HEAD:
                self._end_of_head()
                self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self._due is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The end of a head."""
        self._end_of_head()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Let a request in flight end, an idle connection now."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(FAREWELL, self.transport.abort)

    def idle_since(self) -> float | None:
        """A moment that is the earlier the longer nothing has been asked since an answer; None: something is."""
        waiting = self.timeout_keep_alive_task
        return None if waiting is None or self.transport.is_closing() else waiting.when()

    def let_go(self) -> None:
        """Close an idle connection."""
        self.timeout_keep_alive_handler()
        self.loop.call_later(FAREWELL, self.transport.abort)

    def owes(self) -> bool:
        """Whether it is the client's turn: to send more of a body, or to take what is being sent."""
        if self.transport.get_write_buffer_size():
            return True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or not cycle.more_body or self.flow.read_paused:
            return False
        return cycle.response_complete or not cycle.waiting_for_100_continue

    def has_stalled(self, look: int) -> bool:
        """Whether the client has owed us something for LOOKS looks, while less than LEAST bytes moved."""
        moved = _moved(self.transport) if self.owes() else None
        if moved is None:
            self._moved = None
        elif self._moved is None or moved - self._moved[1] >= LEAST:
            self._moved = look, moved
        else:
            return look - self._moved[0] >= LOOKS
        return False

    def _turn_away(self, count: Count, most: int) -> None:
        """Say why, unless too many are told so just now; what the client sends meanwhile is not looked at."""
        count.away += 1
        if not count.told:
            count.told = True
            log.warning("as many connections as there may be: others are turned away", max_connections=most)
        if count.away > MOST_AWAY:
            self.transport.abort()
            return
        self.transport.write(_TURNED_AWAY)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()
        self.loop.call_later(FAREWELL, self.transport.abort)

    def _await_head(self) -> None:
        self._received = 0
        self._due = self.loop.call_later(self.crowd.limits.head_seconds, self._too_slow)

    def _too_slow(self) -> None:
        if self.flow.read_paused:
            self._await_head()  # we are the ones who do not read: earlier requests are answered first
        else:
            self.timeout_keep_alive_handler()

    def _end_of_head(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None


async def watch(crowds: Sequence[Crowd]) -> None:
    """Close connections on which nothing moves though it is the client's turn; until cancelled.

    Looks are counted, not seconds: a server that was stopped for a while blames no client for it.
    """
    for look in itertools.count():
        await asyncio.sleep(min(each.limits.stall_seconds for each in crowds) / LOOKS)
        for each in [one for crowd in crowds for one in crowd.connections]:
            if isinstance(each, LimitedProtocol) and each.has_stalled(look):
                log.warning("a client sends or takes nothing", client=each.client and each.client[0])
                each.transport.abort()


def _moved(transport: asyncio.Transport) -> int | None:
    """Bytes that have gone to the client and come from it; None where the kernel does not tell."""
    there = transport.get_extra_info("socket")
    try:
        told = there.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _MOVED.size)
        taken, sent = _MOVED.unpack(told)
    except (OSError, struct.error):
        return None
    return taken + sent if sent else None  # a head has come: without a byte it is no kernel that counts them
