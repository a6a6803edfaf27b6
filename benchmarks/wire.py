"""The smallest HTTP client that there is: a socket, a head, and bytes that are read and dropped.

It costs so little that what is measured is the server, whichever it is.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

PIECE = 512 * 1024


class Wire:
    """One connection to the host of a URL."""

    def __init__(self, url: str) -> None:
        """Connect."""
        parts = urlsplit(url)
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._room = memoryview(bytearray(PIECE))

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._socket.close()

    def call(self, method: str, target: str, headers: dict[str, str], body: bytes | memoryview = b"") -> int:
        """One request; returns how many bytes the answer's body had. SystemExit on a refusal."""
        fields = {"Host": self._host, **headers, **({} if method == "GET" else {"Content-Length": str(len(body))})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode())
        if body:
            self._socket.sendall(body)
        status, length, rest = self._head()
        text = bytearray(rest)
        left = length - len(rest)
        while left:
            got = self._socket.recv_into(self._room, min(left, PIECE))
            if not got:
                raise SystemExit(f"{method} {target}: the connection ends {left} bytes before the answer does")
            if status >= 400:
                text += self._room[:got]
            left -= got
        if status >= 400:
            raise SystemExit(f"{method} {target}: {status} {text.decode(errors='replace')}")
        return length

    def _head(self) -> tuple[int, int, bytes]:
        """Status, length of the body, and what came of the body with the head."""
        got = b""
        while b"\r\n\r\n" not in got:
            piece = self._socket.recv(16 * 1024)
            if not piece:
                raise SystemExit(f"The connection ends within a head: {got!r}")
            got += piece
        head, _, rest = got.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        if "transfer-encoding" in fields and fields.get("content-length") is None:
            return int(lines[0].split()[1]), self._chunked(rest), b""
        return int(lines[0].split()[1]), int(fields.get("content-length", 0)), rest

    def _chunked(self, rest: bytes) -> int:
        """Read a short answer in chunks (Azurite's empty ones) to its end."""
        while not rest.endswith(b"0\r\n\r\n"):
            piece = self._socket.recv(16 * 1024)
            if not piece:
                raise SystemExit("The connection ends within a body")
            rest += piece
        return 0


def side_by_side(works: Sequence[Callable[[], None]]) -> None:
    """Do several things at once, each on a thread; raises what the first of them failed with."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - it is raised again where it is waited for
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
