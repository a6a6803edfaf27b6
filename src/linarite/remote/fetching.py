"""Reads copy sources on servers elsewhere: those that the settings name, at addresses that were checked, by no detour.

A name is looked up once a request and the connection goes to the address that was checked, so that a second answer of
the name's server cannot lead elsewhere. No redirect is followed, no proxy is asked, no connection is used twice (one
that was made for another name at the same address would carry a token to it). No message has signatures or tokens.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import httpx
import structlog

from linarite.engine.sharing.elsewhere import Found, Origin, Unverified
from linarite.engine.sharing.ports import SourceFailed
from linarite.remote.allowed import Allowed, host_of

PIECE = 2 * 1024 * 1024
"""Bytes that a copy reads before it writes them: few, since several copies hold as many at once."""
LOOK_SECONDS, PIECE_SECONDS = 20.0, 60.0
"""For what a source is; for each piece or range of it. One that is slower is let go."""
TRIES = 4
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_ABSENT = "The copy source is not on a server that this one reads from."
_SLOW = "Could not verify the copy source within the specified time."
_CODE = re.compile(r"[A-Za-z0-9]{1,64}")
_CODES = {
    401: "NoAuthenticationInformation", 403: "AuthorizationFailure", 404: "ResourceNotFound", 409: "Conflict",
    412: "ConditionNotMet", 416: "InvalidRange",
}  # fmt: skip
CHANGED = '412 ConditionNotMet "The source was changed while it was being copied."'
BROKEN = '503 ServerBusy "Copy failed when reading the source."'
log = structlog.get_logger("linarite.remote")


class Fetcher:
    """Implements `engine.sharing.elsewhere.Elsewhere`."""

    def __init__(self, sources: Iterable[str], context: ssl.SSLContext | None = None) -> None:
        """`sources` are the entries of the setting; `context` says whom https trusts. Raises ValueError."""
        self._allowed = Allowed(sources)
        self._context = context
        self._client: httpx.AsyncClient | None = None

    def allows(self, url: str) -> bool:
        """Whether an entry names the server of an address."""
        return bool(self._allowed.entries(_parsed(url)))

    async def look(self, origin: Origin) -> Found:
        """Ask by HEAD what a source is."""
        async with _in_time(LOOK_SECONDS), self.ask("HEAD", origin, {}) as answer:
            _check(answer, 200)
            length = answer.headers.get("Content-Length", "")
            if not length.isdigit():
                raise Unverified(411, "MissingContentLengthHeader", "The copy source does not tell its length.")
            return Found(headers=_spelled(answer), source=FetchedSource(self, origin, int(length), _tags(answer)))

    async def read(self, origin: Origin, first: int, length: int) -> bytes:
        """Some bytes by one ranged GET."""
        span = {"Range": f"bytes={first}-{first + length - 1}"}
        async with _in_time(PIECE_SECONDS), self.ask("GET", origin, span) as answer:
            _check(answer, 206)
            if _range_start(answer) != first:
                raise Unverified(416, "InvalidRange", "The copy source answers with another range.")
            data = bytearray()
            async for piece in answer.aiter_raw():
                data += piece
                if len(data) > length:
                    break
        if len(data) != length:
            raise Unverified(416, "InvalidRange", "The range of the copy source is not within the file.")
        return bytes(data)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._client is not None:
            await self._client.aclose()

    @asynccontextmanager
    async def ask(self, method: str, origin: Origin, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """One request and the head of its answer. Raises Unverified when there is none."""
        url = _parsed(origin.url)
        try:
            answer = await self._send(method, url, {**origin.headers, **headers})
        except httpx.HTTPError as error:
            log.warning("a copy source cannot be reached", host=host_of(url), why=type(error).__name__)
            raise Unverified(500, "CannotVerifyCopySource", "The copy source cannot be reached.") from None
        try:
            yield answer
        except httpx.HTTPError as error:
            log.warning("a copy source ended early", host=host_of(url), why=type(error).__name__)
            raise Unverified(500, "CannotVerifyCopySource", "The copy source ended early.") from None
        finally:
            await answer.aclose()

    async def _send(self, method: str, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        client = self._client = self._client or self._make_client()
        addresses = await self._addresses(url)
        for address in addresses:
            request = client.build_request(
                method, url.copy_with(host=address), headers={"Host": url.netloc.decode("ascii"), **headers},
                extensions={"sni_hostname": host_of(url)},
            )  # fmt: skip
            try:
                return await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if address == addresses[-1]:
                    raise
        raise AssertionError("there is an address")

    async def _addresses(self, url: httpx.URL) -> list[str]:
        """Where the server may be reached. Raises Unverified."""
        if not self._allowed.entries(url):
            raise Unverified(404, "ResourceNotFound", _ABSENT)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host_of(url), None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unverified(404, "ResourceNotFound", "The copy source's server has no address.") from None
        texts = dict.fromkeys(str(each[4][0]) for each in found)
        good = [text for text in texts if self._allowed.may_connect(url, ipaddress.ip_address(text.partition("%")[0]))]
        if not good:
            log.warning("a copy source's server has an address that is never read from", host=host_of(url))
            raise Unverified(404, "ResourceNotFound", _ABSENT)
        return good

    def _make_client(self) -> httpx.AsyncClient:
        if self._context is None:
            self._context = httpx.create_ssl_context(trust_env=False)
            self._context.load_default_certs()
        return httpx.AsyncClient(
            verify=self._context, trust_env=False, timeout=_TIMEOUT, follow_redirects=False,
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=0),
            headers={"Accept-Encoding": "identity", "User-Agent": "linarite"},
        )  # fmt: skip


class FetchedSource:
    """Implements `engine.sharing.ports.Source`: one GET from front to back, taken up again where it broke off."""

    def __init__(self, fetcher: Fetcher, origin: Origin, size: int, tags: dict[str, str]) -> None:
        self._fetcher, self._origin, self.size, self._tags = fetcher, origin, size, tags
        self._pieces: AsyncIterator[bytes] | None = None
        self._at, self._rest = 0, b""

    async def read(self, start: int) -> tuple[int, bytes]:
        """The next piece."""
        if start >= self.size:
            return start, b""
        if start != self._at:
            await self.close()
        for left in reversed(range(TRIES)):
            try:
                async with _in_time(PIECE_SECONDS):
                    return start, await self._next(start)
            except Unverified as error:
                await self.close()
                if error.status < 500 or not left:
                    raise SourceFailed(_told(error)) from error
        raise AssertionError("the last try raises")

    async def close(self) -> None:
        """The connection is given up, whatever is still to come."""
        pieces, self._pieces, self._rest = self._pieces, None, b""
        if pieces is not None:
            await pieces.aclose()  # type: ignore[attr-defined] # a generator

    async def _next(self, start: int) -> bytes:
        if self._pieces is None:
            self._pieces, self._at = self._stream(start), start
        wanted, data = min(PIECE, self.size - start), bytearray(self._rest)
        while len(data) < wanted:
            piece = await anext(self._pieces, b"")
            if not piece:
                raise Unverified(500, "CannotVerifyCopySource", "The copy source ended early.")
            data += piece
        if len(data) > self.size - start:
            raise Unverified(412, "ConditionNotMet", "")
        self._rest = bytes(data[wanted:])
        self._at = start + wanted
        return bytes(data[:wanted])

    async def _stream(self, start: int) -> AsyncIterator[bytes]:
        """Its bytes from `start` on, as long as it is what it was."""
        async with self._fetcher.ask("GET", self._origin, self._conditions(start)) as answer:
            _check(answer, 206 if start else 200)
            begins = _range_start(answer) if start else 0
            length = int(answer.headers.get("Content-Length", self.size - start))
            if _tags(answer) != self._tags or begins != start or length != self.size - start:
                raise Unverified(412, "ConditionNotMet", "")
            async for piece in answer.aiter_raw():
                yield piece

    def _conditions(self, start: int) -> dict[str, str]:
        tag, since = self._tags["etag"], self._tags["last-modified"]
        found = {"Range": f"bytes={start}-"} if start else {}
        if tag and not tag.startswith("W/"):
            return {**found, "If-Match": tag}
        return {**found, "If-Unmodified-Since": since} if since else found


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise Unverified(500, "CannotVerifyCopySource", _SLOW) from None


def _parsed(url: str) -> httpx.URL:
    """An address; one that cannot be read is that of no server."""
    try:
        found = httpx.URL(url)
        found.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return httpx.URL()
    return found


def _check(answer: httpx.Response, wanted: int) -> None:
    """Whether the server gave what was asked for. Raises Unverified with its own status and code."""
    status = answer.status_code
    if status == wanted:
        return
    if status < 300:
        raise Unverified(409, "UnsupportedCopySource", "The copy source's server does not give parts of it.")
    if status < 400:
        raise Unverified(409, "UnsupportedCopySource", "The copy source leads to another address.")
    given = answer.headers.get("x-ms-error-code", "")
    code = given if _CODE.fullmatch(given) else _CODES.get(status, "CannotVerifyCopySource")
    raise Unverified(min(status, 500), code, f"The copy source's server answered {status}.")


def _told(error: Unverified) -> str:
    """How a copy ended, in the service's shape."""
    if error.status == 412:
        return CHANGED
    return BROKEN if error.status >= 500 else f'{error.status} {error.code} "Copy failed when reading the source."'


def _tags(answer: httpx.Response) -> dict[str, str]:
    """What tells that a source was changed."""
    return {name: answer.headers.get(name, "") for name in ("etag", "last-modified")}


def _spelled(answer: httpx.Response) -> dict[str, str]:
    """The headers of an answer with the case of their names, which is that of metadata; ASCII alone may be a header."""
    return {name.decode("ascii"): value.decode("ascii") for name, value in answer.headers.raw if value.isascii()}


def _range_start(answer: httpx.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else None
