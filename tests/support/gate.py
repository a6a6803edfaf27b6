"""A way to another server that is closed until a test opens it: what is sent waits, nothing is lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Gate:
    """`url` leads to the same paths as the server's; `knocked` is set once somebody waits."""

    def __init__(self, behind: str) -> None:
        parts = urlsplit(behind)
        assert parts.hostname is not None
        self._behind = (parts.hostname, parts.port or 80)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._sockets: list[socket.socket] = []
        self.knocked = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}{parts.path}"
        threading.Thread(target=self._serve, daemon=True).start()

    def through(self, url: str, before: str) -> str:
        """The same address as `url`, which begins with `before`, by way of the gate."""
        return url.replace(before, self.url, 1)

    def open(self) -> None:
        """Let through who waits and who comes."""
        self._open.set()

    def close(self) -> None:
        self._open.set()
        for each in (self._server, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._sockets.append(client)
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        self.knocked.set()
        self._open.wait()
        with suppress(OSError):
            server = socket.create_connection(self._behind)
            self._sockets.append(server)
            threading.Thread(target=_pour, args=(server, client), daemon=True).start()
            _pour(client, server)


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def gate(behind: str) -> Iterator[Gate]:
    """A gate for as long as this lasts."""
    made = Gate(behind)
    try:
        yield made
    finally:
        made.close()
