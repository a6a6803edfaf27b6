"""A proxy between any client and the Batch face, in any language: every answer is held against the specification.

    with checking(server.batch) as proxy:
        ...            # a client of proxy.url
        proxy.check()  # fails with every fault that was seen

Requests pass as they are, with the Host that the client sent: signatures hold, and links lead back through the proxy.
"""

from __future__ import annotations

import http.client
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import specification

POLL = 0.02
"""Seconds between two looks whether the proxy is to end."""
HOP = {"connection", "keep-alive", "transfer-encoding", "proxy-connection"}


class CheckingProxy:
    """A running proxy; `seen` counts the answers, `versions` are those asked by, `faults` what was wrong."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self.seen, self.versions, self.faults = 0, set[str](), list[str]()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def check(self) -> None:
        """Fail with every fault that was seen."""
        assert not self.faults, "\n".join(self.faults)

    def forward(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Any:
        """The server's answer to a request, whole."""
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=120)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        shown = {name.lower(): value for name, value in answer.getheaders()}
        self.seen += 1
        self.versions |= set(parse_qs(urlsplit(target).query).get("api-version", ()))
        self.faults += specification.faults(specification.Exchange(method, target, answer.status, shown, data))
        return answer, data


def _handler(proxy: CheckingProxy) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = [(name, value) for name, value in self.headers.items() if name.lower() not in HOP]
            answer, data = proxy.forward(self.command, self.path, headers, body)
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - the library's own names

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def checking(target: str) -> Iterator[CheckingProxy]:
    """A proxy before the server at `target`, for as long as the block lasts."""
    proxy = CheckingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
