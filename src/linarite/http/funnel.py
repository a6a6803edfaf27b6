"""The one way of a request: id, health, the face's answer, errors to bytes, common headers, sending, access log."""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import structlog

from linarite.http.messages import ZERO_COPY, ClientGone, FileBody, Receive, Request, Response

log = structlog.get_logger("linarite.access")
PIECE = 256 * 1024
_HARMLESS = {"GET", "HEAD", "OPTIONS"}


class Face(Protocol):
    """What a protocol brings to the funnel."""

    name: str

    async def respond(self, request: Request) -> Response:
        """Know the caller, find the operation, do it. Refusals are raised."""
        ...

    def refuse(self, request: Request, error: Exception) -> Response:
        """The refusal in the protocol's own shape. Total: an unknown error is the protocol's internal error."""
        ...

    def finish(self, request: Request, response: Response) -> None:
        """Add the headers that every answer of this protocol carries."""
        ...

    def host_account(self, host: str) -> str | None:
        """The account that a Host header names, None when it names none."""
        ...


Send = Any
Aside = Callable[[Request], Response | None]
"""Answers what is no request of the face's protocol; None leaves it to the face."""


def now_microseconds() -> int:
    """The wall clock: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


class Funnel:
    """One ASGI application around one face."""

    def __init__(
        self, face: Face, ready: asyncio.Event | None = None, aside: Aside | None = None,
        names: Callable[[str], bool] | None = None,
    ) -> None:  # fmt: skip
        """`ready` is set once the server serves; until then /readyz answers 503. `aside` is asked before the face.

        `names` tells by which Host the server may be called; None: by any.
        """
        self.face = face
        self._names = names or (lambda _: True)
        self._ready = ready
        self._aside: Aside = aside or (lambda _: None)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        request = Request(scope, receive, id=_new_id(), now=now_microseconds())
        began = time.perf_counter()
        try:
            beside = self._misdirected(request) or self._health(request) or _foreign(request) or self._aside(request)
            response = beside or await self._answer(request)
        except ClientGone:
            return
        try:
            sent = await _send(request, response, send)
        except TimeoutError:
            log.warning("read too slowly", face=self.face.name, path=request.path, id=request.id)
            return  # the connection is closed for an answer that is not whole
        log.info(
            "request", face=self.face.name, method=request.method, path=request.path, status=response.status,
            bytes=sent, ms=round((time.perf_counter() - began) * 1000, 1), id=request.id,
            **({"client_id": request.facts["client_id"]} if "client_id" in request.facts else {}),
        )  # fmt: skip

    async def _answer(self, request: Request) -> Response:
        try:
            response = await self.face.respond(request)
            request.release()  # not of one that failed: a thread may still be about its body
        except ClientGone:
            raise
        except Exception as error:
            response = self.face.refuse(request, error)
            if response.status == 500:
                log.exception("internal error", face=self.face.name, path=request.path, id=request.id)
            elif response.status > 500:
                log.warning("refused", face=self.face.name, path=request.path, why=str(error), id=request.id)
        self.face.finish(request, response)
        return response

    def _misdirected(self, request: Request) -> Response | None:
        """Refuse a name that somebody may have led here (see `http.host_names`)."""
        if self._names(request.host):
            return None
        log.warning("called by an unknown name", face=self.face.name, host=request.host, id=request.id)
        text = b"In development mode this server answers to its own names alone: see --host-names.\n"
        return Response(421, text, {"Content-Type": "text/plain"})

    def _health(self, request: Request) -> Response | None:
        """Answer /healthz and /readyz, to an unsigned request without a query whose Host names no account."""
        if request.raw_path not in {"/healthz", "/readyz"} or request.method not in {"GET", "HEAD"}:
            return None
        if request.query.raw or "authorization" in request.headers or self.face.host_account(request.host):
            return None
        well = request.raw_path == "/healthz" or self._ready is None or self._ready.is_set()
        return Response(200 if well else 503, b"ok\n" if well else b"starting\n", {"Content-Type": "text/plain"})


def _foreign(request: Request) -> Response | None:
    """Refuse a change that a page of another site has a browser ask for: it may know or have kept a password of ours.

    Browsers name the page's site in Origin, which no script can forge; programs that are no browsers send none. What
    is signed or bears a token is nothing that a browser adds by itself: such requests follow the protocol's own rules.
    """
    origin = request.headers.get("origin")
    if origin is None or request.method in _HARMLESS or origin.partition("://")[2] == request.host:
        return None
    scheme = (request.headers.get("authorization") or "").partition(" ")[0].lower()
    if scheme != "basic" and "cookie" not in request.headers:
        return None
    return Response(403, b"A page of another site may change nothing here.\n", {"Content-Type": "text/plain"})


def _new_id() -> str:
    """A name for a request. No secret: it needs no randomness of the system's, which each time costs a call."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _length(request: Request, response: Response) -> int | None:
    if response.length is not None:
        return response.length
    if isinstance(response.body, bytes):
        return len(response.body)
    return response.body.length if isinstance(response.body, FileBody) else None


async def _send(request: Request, response: Response, send: Send) -> int:
    """Send the answer; returns the bytes of the body. A FileBody's descriptor is closed whatever happens."""
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers.items()]
    length = _length(request, response)
    if length is not None and response.status not in {204, 304}:
        headers.append((b"Content-Length", str(length).encode()))
    body = response.body
    try:
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if request.method == "HEAD" or isinstance(body, bytes):
            data = b"" if request.method == "HEAD" else body
            await send({"type": "http.response.body", "body": data})
            return len(data) if isinstance(data, bytes) else 0
        if isinstance(body, FileBody):
            async with asyncio.timeout(body.seconds):
                if request.sends_files and body.framed is None:
                    return await _send_file(request, body, send)
                pieces = _pieces(body)
                return await _send_pieces(request, body.framed(pieces, body.length) if body.framed else pieces, send)
        return await _send_pieces(request, body, send)
    finally:
        if isinstance(body, FileBody):
            os.close(body.descriptor)


async def _send_pieces(request: Request, pieces: AsyncIterator[bytes], send: Send) -> int:
    """Send a long body, for as long as somebody takes it: what is sent to a client that has gone is lost silently."""
    total, gone = 0, asyncio.create_task(request.gone())
    try:
        async for piece in pieces:
            if gone.done():
                return total
            total += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return total
    finally:
        gone.cancel()


async def _send_file(request: Request, body: FileBody, send: Send) -> int:
    """Have the kernel send it, watching the client meanwhile: it may go away without a word."""
    gone = asyncio.create_task(request.gone())
    try:
        await send({"type": ZERO_COPY, "file": body.descriptor, "offset": body.start, "count": body.length})
        return body.length
    finally:
        gone.cancel()


async def _pieces(body: FileBody) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    position, end = body.start, body.start + body.length
    while position < end:
        size = min(PIECE, end - position)
        piece = await loop.run_in_executor(None, os.pread, body.descriptor, size, position)
        # A file cut short while it is sent: the length is promised, so the rest is zeros as in a hole.
        piece = piece or bytes(size)
        position += len(piece)
        yield piece


__all__ = ["Face", "Funnel", "now_microseconds"]
