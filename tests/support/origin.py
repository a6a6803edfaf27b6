"""A web server on loopback for copies to read from: ranges, tags and conditions, and everything that can go wrong."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Origin:
    """One file at every path. What a test sets here is how it answers from then on.

    `breaks`: bytes after which the connection is cut, for the next GETs; `gate`: what a GET waits for after a MiB.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.content, self.tag = b"", '"one"'
        self.status, self.headers = 200, dict[str, str]()
        self.breaks, self.gate = list[int](), threading.Event()
        self.tells_length, self.has_ranges = True, True
        self.asked = list[tuple[str, str, dict[str, str]]]()
        self.gate.set()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin._answer(self)

            do_HEAD = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.place = f"127.0.0.1:{self._server.server_port}"
        self.port = self._server.server_port
        self.url = f"{'http' if context is None else 'https'}://{self.place}/f"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.command, handler.path, dict(handler.headers)))
        status, start, end = self.status, 0, len(self.content)
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range", ""))
        if status == 200 and handler.headers.get("If-Match", self.tag) != self.tag:
            status = 412
        elif status == 200 and span and self.has_ranges:
            start, end = int(span[1]), min(int(span[2] or end) + 1, end)
            status = 206 if start < end else 416
        data = self.content[start:end] if status < 300 else b""
        handler.send_response(status)
        for name, value in {"ETag": self.tag, **self.headers}.items():
            handler.send_header(name, value)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(self.content)}")
        if self.tells_length:
            handler.send_header("Content-Length", str(len(data)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        if handler.command == "GET":
            self._send(handler, data)

    def _send(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        data = data[: self.breaks.pop(0)] if self.breaks else data
        try:
            handler.wfile.write(data[: 1 << 20])
            self.gate.wait(30)
            handler.wfile.write(data[1 << 20 :])
        except OSError:  # nobody reads on
            handler.close_connection = True


@contextmanager
def running_origin(context: ssl.SSLContext | None = None) -> Iterator[Origin]:
    """A server for as long as this lasts; https with a context."""
    origin = Origin(context)
    try:
        yield origin
    finally:
        origin.close()
