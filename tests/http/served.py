"""A face on a free port of its own, for stories that need nothing but the funnel and the sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from linarite.http.funnel import Face, Funnel
from linarite.http.limits import USUAL, Limits
from linarite.http.messages import Request, Response
from linarite.http.serving import Certificate, Servers, bind


class Bare:
    """What a face says of itself when a story is about something else: an error is raised, not answered."""

    name = "test"

    def refuse(self, request: Request, error: Exception) -> Response:
        raise error

    def finish(self, request: Request, response: Response) -> None:
        return

    def host_account(self, host: str) -> str | None:
        return None


@asynccontextmanager
async def serving(
    face: Face, seconds: float, certificate: Certificate | None = None, limits: Limits = USUAL
) -> AsyncIterator[int]:
    """The port of a face that is served for as long as this lasts, at most so many seconds."""
    bound = bind("127.0.0.1", 0)
    servers = Servers([(Funnel(face), bound)], certificate, limits)
    await servers.start()
    try:
        async with asyncio.timeout(seconds):
            yield bound.getsockname()[1]
    finally:
        await servers.stop()
