"""Long bodies of requests taken from the socket right into the memory where they are wanted, on a thread.

Through the event loop and the parser each byte would be copied twice more, and each piece be a turn of the loop.
"""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

from linarite.http.own import Own
from linarite.http.threads import Few

if TYPE_CHECKING:
    from linarite.http.pieces import PieceProtocol

LEAST = 256 * 1024
"""Bytes of a body that is worth it."""
_TURN_SECONDS = 0.02
"""For which one body keeps a thread at most; then it is another's turn."""
_MOMENT_MS = 2
_RECEIVERS = Few("receiver")


async def fill(protocol: PieceProtocol, room: memoryview) -> bool:
    """Take the rest of a body, of which the parser has seen nothing else; false when the client breaks off before.

    Nothing may be read by the transport meanwhile.
    """
    at = 0
    own = protocol.own()
    while at < len(room) and not protocol.transport.is_closing():
        try:
            got = await _RECEIVERS.do(_pull, own, room[at:])
        except ConnectionError:
            return False
        if got is None:
            await protocol.ready(own.number, to_read=True)
        elif got:
            at += got
        else:
            return False
    return at == len(room)


def _pull(own: Own, room: memoryview) -> int | None:
    """Take what has come, waiting moments for more unless others wait; None when nothing came, 0 when all has."""
    waiting, taken, end = None, 0, time.monotonic() + _TURN_SECONDS
    while True:
        try:
            got = own.socket.recv_into(room[taken:])
        except BlockingIOError:
            if _RECEIVERS.are_wanted:
                return taken or None
            if waiting is None:
                waiting = select.poll()
                waiting.register(own.number, select.POLLIN)
            if not waiting.poll(_MOMENT_MS):
                return taken or None
            continue
        taken += got
        if not got or taken == len(room) or time.monotonic() > end:
            return taken
