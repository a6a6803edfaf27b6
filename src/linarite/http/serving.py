"""ASGI applications on sockets: one uvicorn server a port, all in one loop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Generator, Sequence
from pathlib import Path

import uvicorn

from linarite.http.funnel import Funnel
from linarite.http.limits import USUAL, Count, Crowd, Limits, watch
from linarite.http.zero_copy import ZeroCopyProtocol
from linarite.refusal import Refused

GRACE = 20
"""Seconds left to requests in flight when the server is asked to stop."""
BACKLOG = 2048
KEEP_ALIVE = 75
"""Seconds for which an idle connection is kept."""


class Certificate:
    """The PEM files of a server's certificate chain and of its key."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Check that both can be read and belong together. Raises Refused."""
        self.chain, self.key = chain, key
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(chain, key)
        except OSError as error:
            why = error.strerror
            if isinstance(error, ssl.SSLError):
                alien = error.reason == "KEY_VALUES_MISMATCH"
                why = "the key is another certificate's" if alien else "they are no certificate and its key in PEM"
            raise Refused(f"The certificate {chain} with the key {key} cannot be used: {why}.") from error


def bind(host: str, port: int, option: str = "") -> socket.socket:
    """Take a port, 0 any free one. Raises Refused, which names the `option` that another is chosen with."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        bound = socket.socket(family, kind)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)  # until then another program, or another of our own faces, could still take it
    except OSError as error:
        where = f"Port {port} of {host}" if port else f"The address {host}"
        advice = f" Choose another with {option}; 0 takes any free one." if port and option else ""
        raise Refused(f"{where} cannot be served: {error.strerror or error}.{advice}") from error
    bound.setblocking(False)  # noqa: FBT003 - the standard library's own
    return bound


def address(bound: socket.socket, scheme: str) -> str:
    """The address at which a program of this machine reaches a socket."""
    host, port = bound.getsockname()[:2]
    ip = ipaddress.ip_address(host)
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return f"{scheme}://[{ip}]:{port}" if ip.version == 6 else f"{scheme}://{ip}:{port}"


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to others and tells when it listens."""

    def __init__(self, config: uvicorn.Config, crowd: Crowd) -> None:
        super().__init__(config)
        self.server_state = self.crowd = crowd
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Servers:
    """Several applications, each on its socket."""

    def __init__(
        self, apps: Sequence[tuple[Funnel, socket.socket]], certificate: Certificate | None, limits: Limits = USUAL
    ) -> None:
        """Each application with the socket that it is served on. `limits` are those of all together."""
        count = Count()
        self._servers = [(_Server(_config(app, certificate), Crowd(limits, count)), bound) for app, bound in apps]
        self._running: list[asyncio.Task[None]] = []
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve; when this returns, every socket takes connections. Raises what a server failed with."""
        self._running = [asyncio.create_task(server.serve([bound])) for server, bound in self._servers]
        crowds = [server.crowd for server, _ in self._servers]
        self._watching = asyncio.create_task(watch(crowds))
        for (server, _), running in zip(self._servers, self._running, strict=True):
            listening = asyncio.create_task(server.listening.wait())
            await asyncio.wait([listening, running], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                listening.cancel()
                running.result()

    async def stop(self) -> None:
        """Take no new connection, let requests in flight end, for GRACE seconds at most."""
        for server, _ in self._servers:
            server.should_exit = True
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)


def _config(app: Funnel, certificate: Certificate | None) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=ZeroCopyProtocol, ws="none", lifespan="off", interface="asgi3", log_config=None, access_log=False,
        server_header=False, date_header=False, proxy_headers=False, backlog=BACKLOG, timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=KEEP_ALIVE, ssl_certfile=certificate.chain if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
    )  # fmt: skip
