"""A file service of one's own: the face over a real store and a real tree, on a free port, for as long as a test runs.

python tests/support/azure_files.py [PORT]     serves until it is interrupted
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from pathlib import Path

import httpx
import jwt
import uvloop

from linarite.app import WallClock
from linarite.engine.access import Principal, Unauthenticated
from linarite.engine.errors import NotAllowed
from linarite.engine.model import Role
from linarite.engine.sharing import Sharing
from linarite.faces.azure_files import AzureFiles
from linarite.http import storage_auth
from linarite.http.funnel import Funnel
from linarite.http.messages import Headers
from linarite.http.serving import Servers, bind
from linarite.remote import Fetcher
from linarite.shares import DirectoryTree
from linarite.store import open_store

KEY = "bGluYXJpdGUtZGV2ZWxvcG1lbnQta2V5LW5vdC1hLXNlY3JldA=="
ABSENT = "(absent)"
WEEK = 7 * 24 * 3600 * 1_000_000
SECOND_KEY = base64.b64encode(b"another key of the same account").decode()


class DevelopmentAccess:
    """`engine.access.Access` as in development mode: every account has the one key, "twokeys" has another besides."""

    default_account = "devaccount"
    development = True
    tenant = "common"

    async def admit(self, account: str) -> None:
        pass

    async def account_keys(self, account: str) -> tuple[bytes, ...]:
        keys = [KEY, SECOND_KEY] if account == "twokeys" else [KEY]
        return () if account == "nobody" else tuple(base64.b64decode(key) for key in keys)

    async def bearer(self, token: str, audiences: tuple[str, ...], now: int, addressed: str | None) -> Principal:
        try:
            claims = jwt.decode(token, base64.b64decode(KEY), algorithms=["HS256"], audience=list(audiences))
        except jwt.PyJWTError as error:
            raise Unauthenticated(str(error)) from error
        account = addressed or self.default_account
        if claims.get("account", account) != account:
            raise NotAllowed("The token is another account's.")
        facts = {name: claims[name] for name in ("oid", "tid") if name in claims}
        return Principal(account=account, name="token", role=Role(claims.get("roles", ["admin"])[0]), facts=facts)

    async def password(self, name: str, password: str) -> None:
        return None

    async def user(self, name: str) -> None:
        return None


class FileService:
    """A running service: `url` without account, `folder` with the shares' files."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def path(self, share: str, path: str, account: str = "devaccount") -> Path:
        """Where a file of a share is on this machine's disk."""
        return self.folder / account / share / path


@contextlib.contextmanager
def file_service(
    folder: Path, port: int = 0, *, retention: float = WEEK, copy_sources: Sequence[str] = ()
) -> Iterator[FileService]:
    """Serve from `folder` on a thread. `retention`: microseconds for which deleted shares are kept."""
    bound = bind("127.0.0.1", port)
    started, over = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        store = open_store(folder / "store.db")
        sharing = Sharing(
            store, DirectoryTree(str(folder / "shares")), WallClock(), retention=int(retention),
            elsewhere=Fetcher(copy_sources),
        )  # fmt: skip
        await sharing.start()
        servers = Servers([(Funnel(AzureFiles(sharing, DevelopmentAccess(), premium=("premium",))), bound)], None)
        await servers.start()
        loops.append(asyncio.get_running_loop())
        started.set()
        await over.wait()
        await servers.stop()
        await sharing.stop()
        await store.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield FileService(f"http://127.0.0.1:{bound.getsockname()[1]}", folder / "shares")
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(30)
        bound.close()


class Raw:
    """Signed requests without a client in between: for what no client would send."""

    def __init__(self, service: FileService, account: str = "devaccount", key: str = KEY) -> None:
        self.service, self.account, self.key = service, account, key
        self.http = httpx.Client(base_url=service.url, trust_env=False)

    def __call__(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", *,
        scheme: str = "SharedKey", host: str | None = None, sign: bool = True, date: str | None = None,
    ) -> httpx.Response:  # fmt: skip
        """Send `/<account>/<path>` (or `/<path>` when `host` names the account), signed unless told otherwise."""
        url = f"/{path}" if host else f"/{self.account}/{path}"
        fields = {
            "x-ms-version": "2025-01-05", "x-ms-date": date or formatdate(usegmt=True),
            **({"Content-Length": str(len(body))} if body or method == "PUT" else {}), **(headers or {}),
        }  # fmt: skip
        fields = {name: value for name, value in fields.items() if value != ABSENT}
        if host:
            fields["Host"] = host
        if sign:
            fields["Authorization"] = f"{scheme} {self.account}:{self.signature(method, url, fields, scheme)}"
        return self.http.request(method, url, headers=fields, content=body or None)

    def signature(self, method: str, url: str, fields: dict[str, str], scheme: str) -> str:
        path, _, query = url.partition("?")
        named = Headers((name.encode(), value.encode()) for name, value in fields.items())
        texts = storage_auth.shared_key_texts if scheme == "SharedKey" else storage_auth.shared_key_lite_texts
        text = list(texts(method, path, query, named, self.account))[1]
        return base64.b64encode(storage_auth.sign(base64.b64decode(self.key), text)).decode()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        tempfile.TemporaryDirectory() as folder,
        file_service(Path(folder), int(sys.argv[1]) if sys.argv[1:] else 0) as service,
    ):
        print(service.url, service.folder, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
