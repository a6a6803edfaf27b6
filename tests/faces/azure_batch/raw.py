"""Requests as they stand on the wire, signed by SharedKey: what no client library would let through."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support import specification
from tests.support.server import DEVELOPMENT_KEY

VERSION = "2025-06-01"
SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


class Answer:
    """A status, headers by lower-case name, and the body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])

    @property
    def values(self) -> dict[str, str]:
        return {item["key"]: item["value"] for item in self.json.get("values", [])}


class RawBatch:
    """An account of a server, spoken to without a library. Signs by an implementation of its own."""

    def __init__(self, url: str, account: str, version: str = VERSION, ca: Path | None = None) -> None:
        """`ca` is the certificate to trust of an https address."""
        self.account, self.version = account, version
        self._address = urlsplit(url)
        self._trust = None if ca is None else ssl.create_default_context(cafile=ca)

    def text(self, method: str, target: str, headers: dict[str, str]) -> str:
        """The string to sign, put together from the documentation."""
        lower = {name.lower(): value for name, value in headers.items()}
        path, _, query = target.partition("?")
        lines = [method, *(lower.get(name, "") for name in SIGNED)]
        lines += [f"{name}:{value}" for name, value in sorted(lower.items()) if name.startswith("ocp-")]
        resource = f"/{self.account}{path}"
        pairs = sorted(
            (unquote(n).lower(), unquote(v)) for n, _, v in (p.partition("=") for p in query.split("&") if p)
        )
        return "\n".join([*lines, resource]) + "".join(f"\n{name}:{value}" for name, value in pairs if value)

    def call(
        self, method: str, target: str, body: Any = None, *, sign: bool = True, age: float = 0,
        key: str = DEVELOPMENT_KEY, length: bool = True, **named: str,
    ) -> Answer:  # fmt: skip
        """Send one request; `body` is JSON, or bytes as they are; `age` in seconds makes its date old.

        Without `length` no header tells how long the body is.
        """
        if "api-version" not in target:
            target += f"{'&' if '?' in target else '?'}api-version={self.version}"
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        if sign:
            headers.setdefault("ocp-date", formatdate(time.time() - age, usegmt=True))
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers.setdefault("content-type", "application/json; odata=minimalmetadata")
        if length and (data is not None or method not in {"GET", "HEAD"}):
            headers["content-length"] = str(len(data or b""))
        if sign:
            text = self.text(method, target, headers).encode()
            digest = hmac.new(base64.b64decode(key), text, hashlib.sha256).digest()
            headers["authorization"] = f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
        return self._send(method, target, data, headers)

    def _send(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> Answer:
        host, port = self._address.hostname or "", self._address.port
        connection = http.client.HTTPConnection(host, port, timeout=60)
        if self._trust is not None:
            connection = http.client.HTTPSConnection(host, port, timeout=60, context=self._trust)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True, skip_host="host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            if data:
                connection.send(data)
            answer = Answer(connection.getresponse())
            if answer.status != 421:  # not this protocol's: see http.host_names
                specification.check(specification.Exchange(method, target, answer.status, answer.headers, answer.body))
            return answer
        finally:
            connection.close()

    def by_token(self, token: str, method: str, target: str, body: Any = None, **named: str) -> Answer:
        """Send one request with a bearer token in place of a signature."""
        return self.call(method, target, body, sign=False, authorization=f"Bearer {token}", **named)

    def wait_task(self, job: str, task: str, state: str = "completed", seconds: float = 30) -> Any:
        """The task once it is in a state."""
        deadline = time.monotonic() + seconds
        while (found := self.call("GET", f"/jobs/{job}/tasks/{task}").json)["state"] != state:
            assert time.monotonic() < deadline, f"task {task} is {found}"
            time.sleep(0.02)
        return found

    def wait_stubborn(self, job: str, task: str, directory: str) -> Any:
        """The task once the STUBBORN command in `directory` (the task's own or the preparation's) heeds no SIGTERM."""
        deadline = time.monotonic() + 30
        while True:
            found = self.call("GET", f"/jobs/{job}/tasks/{task}").json
            if "nodeInfo" in found:
                node = f"/pools/{found['nodeInfo']['poolId']}/nodes/{found['nodeInfo']['nodeId']}"
                if self.call("GET", f"{node}/files/{directory}/stdout.txt").body == b"ready\n":
                    return found
            assert time.monotonic() < deadline, f"task {task} is {found}"
            time.sleep(0.02)

    def wait_node(self, target: str, state: str = "idle", seconds: float = 30) -> Any:
        """The node at an address once it is in a state."""
        deadline = time.monotonic() + seconds
        while (found := self.call("GET", target).json)["state"] != state:
            assert time.monotonic() < deadline, f"node is {found}"
            time.sleep(0.02)
        return found

    def make_pool(self, name: str, **properties: Any) -> None:
        """A pool that has come to rest."""
        pool = {"id": name, "vmSize": "standard_d2_v3", "virtualMachineConfiguration": MACHINE, **properties}
        assert self.call("POST", "/pools", pool).status == 201
        deadline = time.monotonic() + 30
        while self.call("GET", f"/pools/{name}").json["allocationState"] != "steady":
            assert time.monotonic() < deadline, "the pool does not come to rest"
            time.sleep(0.02)

    def make_job(self, name: str, pool: str = "nowhere", **properties: Any) -> None:
        """A job."""
        answer = self.call("POST", "/jobs", {"id": name, "poolInfo": {"poolId": pool}, **properties})
        assert answer.status == 201, answer.body


MACHINE = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu", "sku": "22_04-lts"},
    "nodeAgentSKUId": "batch.node.ubuntu 22.04",
}
STUBBORN = "/bin/sh -c 'trap : TERM; echo ready; while :; do sleep 0.05; done'"
"""Ends by nothing but SIGKILL, which follows some seconds after SIGTERM."""
