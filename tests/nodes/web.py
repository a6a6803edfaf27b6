"""A web server on loopback whose answers a test decides."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Web:
    """Answers what was put, in threads of its own."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web._answer(self)

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def put(
        self, path: str, body: bytes, status: int = 200, headers: dict[str, str] | None = None, failures: int = 0
    ) -> str:
        """Answer `path` so, after so many 503; gives the URL."""
        self._answers[path] = {"body": body, "status": status, "headers": headers or {}, "failures": failures}
        return self.url + path

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        self.asked.append(path)
        answer = self._answers.get(path, {"body": b"", "status": 404, "headers": {}, "failures": 0})
        if answer["failures"]:
            answer["failures"] -= 1
            request.send_error(503)
            return
        request.send_response(answer["status"])
        for name, value in ({"Content-Length": str(len(answer["body"]))} | answer["headers"]).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answer["body"])
