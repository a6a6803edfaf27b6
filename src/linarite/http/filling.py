"""Long bodies of requests taken from the socket right into the memory where they are wanted.

Through the transport and the parser each byte would be copied twice more, and each piece be a turn of the loop. Here
the loop takes a range in a few calls, without Python's lock; a thread would have to be woken, which takes as long.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linarite.http.pieces import PieceProtocol

LEAST = 256 * 1024
"""Bytes of a body that is worth it."""
_AT_ONCE = 1024 * 1024
"""Bytes that are taken before it is others' turn in the loop: a fifth of a millisecond."""


async def fill(protocol: PieceProtocol, room: memoryview) -> bool:
    """Take the rest of a body, of which the parser has seen nothing else; false when the client breaks off before.

    Nothing may be read by the transport meanwhile.
    """
    own, at = protocol.own(), 0
    own.widen()
    while at < len(room) and not protocol.transport.is_closing():
        wanted = room[at : at + _AT_ONCE]
        try:
            got = own.socket.recv_into(wanted)
        except BlockingIOError:
            await protocol.ready(own.number, to_read=True)
            continue
        except ConnectionError:
            return False
        if not got:
            return False
        at += got
        if got == len(wanted):
            await asyncio.sleep(0)
    return at == len(room)
