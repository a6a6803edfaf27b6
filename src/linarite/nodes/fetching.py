"""Bringing the files that a run needs before it starts: http and https, streamed, never outside its working directory.

Runs in threads of the host, with the privileges of the account's user. A URL's query and user part are secrets (a SAS,
a password): they stand in no message.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx

from linarite.engine.launching import Fetch
from linarite.nodes.environment import stays_below

THREADS = 4
CHUNK = 256 * 1024
MODE = 0o770
"""Azure Batch's default mode of a resource file on Linux."""

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_FIRST_PAUSE = 0.25
_transient_statuses = {408, 425, 429, 500, 502, 503, 504}
_serial = itertools.count()


class FetchError(Exception):
    """A file did not come: `code`, `user` and `details` are those of `RunFailed`."""

    def __init__(self, code: str, message: str, fetch: Fetch, status: int | None = None, *, user: bool = True) -> None:
        """Keep the facts of the report; `status` is the HTTP status, if one came."""
        super().__init__(message)
        self.code, self.message, self.user = code, message, user
        self.details = {"FilePath": fetch.path, "HttpUrl": public_url(fetch.url)}
        if status is not None:
            self.details["StatusCode"] = str(status)


class _TransientError(FetchError):
    """Worth another try: the other side may be starting again."""


class CancelledFetchError(Exception):
    """The run was asked to end."""


def public_url(url: str) -> str:
    """Give the URL without its query, fragment and user part, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}{parts.path}"


def make_client(ca_file: str | None) -> httpx.Client:
    """Make the client of all fetches; `ca_file` names further certificate authorities. Raises OSError, SSLError.

    It trusts the system's and certifi's authorities, and takes neither proxies nor passwords from the environment.
    """
    context = httpx.create_ssl_context()
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return httpx.Client(
        verify=context,
        trust_env=False,
        timeout=_TIMEOUT,
        follow_redirects=True,
        max_redirects=5,
        headers={"Accept-Encoding": "identity", "User-Agent": "linarite"},
    )


class Fetcher:
    """Fetches files on a few threads, one run's files one after the other."""

    def __init__(self, client: httpx.Client, patience: float) -> None:
        """Use `client`; try again for `patience` seconds when a server fails or does not answer."""
        self._client = client
        self._patience = patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fetch")

    def submit(
        self,
        fetches: Sequence[Fetch],
        wd: str,
        cancelled: threading.Event,
        done: Callable[[FetchError | None], None],
    ) -> None:
        """Fetch into `wd`; then `done` is called, in a thread of ours, with the failure if there is one.

        Nothing is called when `cancelled` was set in between.
        """

        def work() -> None:
            try:
                for fetch in fetches:
                    self._persist(fetch, wd, cancelled)
            except CancelledFetchError:
                return
            except FetchError as error:
                done(error)
            except Exception as error:  # noqa: BLE001 - a run must hear of whatever went wrong
                done(FetchError("fetch-failed", f"The file could not be fetched: {type(error).__name__}.", fetch))
            else:
                done(None)

        self._threads.submit(work)

    def _persist(self, fetch: Fetch, wd: str, cancelled: threading.Event) -> None:
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        while True:
            try:
                return fetch_file(self._client, fetch, wd, cancelled)
            except _TransientError:
                if time.monotonic() + pause > deadline:
                    raise
            if cancelled.wait(pause):
                raise CancelledFetchError
            pause *= 2


def fetch_file(client: httpx.Client, fetch: Fetch, wd: str, cancelled: threading.Event) -> None:
    """Fetch one file into `wd`, whole or not at all. Raises FetchError, CancelledFetchError."""
    _check_url(fetch)
    if not stays_below(fetch.path):
        raise FetchError("fetch-path", f"The file path {fetch.path!r} leaves the working directory.", fetch)
    with _disk_errors(fetch):
        folder, name = _open_parent(wd, fetch.path)
    temporary = f".fetch-{os.getpid()}-{next(_serial)}"
    try:
        with _disk_errors(fetch):
            _download(client, fetch, folder, temporary, cancelled)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        os.close(folder)


def _check_url(fetch: Fetch) -> None:
    try:
        url = httpx.URL(fetch.url)
    except (httpx.InvalidURL, ValueError):
        raise FetchError("fetch-failed", "The URL of the file is malformed.", fetch) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise FetchError("fetch-failed", "The URL of the file is neither http nor https.", fetch)


def _open_parent(wd: str, path: str) -> tuple[int, str]:
    """Open the folder of `path` below `wd`, making it where it lacks and following no link."""
    *parents, name = [part for part in path.split("/") if part not in ("", ".")]
    folder = os.open(wd, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    for parent in parents:
        try:
            with suppress(FileExistsError):
                os.mkdir(parent, 0o770, dir_fd=folder)
            below = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder, name


def _download(client: httpx.Client, fetch: Fetch, folder: int, name: str, cancelled: threading.Event) -> None:
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        for chunk in _body(client, fetch):
            if cancelled.is_set():
                raise CancelledFetchError
            view = memoryview(chunk)
            while view:
                view = view[os.write(file, view) :]
        os.fchmod(file, MODE if fetch.mode is None else fetch.mode & 0o777)
    finally:
        os.close(file)


def _body(client: httpx.Client, fetch: Fetch) -> Iterator[bytes]:
    try:
        with client.stream("GET", fetch.url) as answer:
            _check_status(answer.status_code, fetch)
            # Raw: the file is the bytes that the server keeps, whatever encoding it says they have.
            yield from answer.iter_raw(CHUNK)
    except httpx.TooManyRedirects:
        raise FetchError("fetch-failed", "The URL of the file redirects too often.", fetch) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        raise FetchError("fetch-failed", "The URL of the file redirects to neither http nor https.", fetch) from None
    except httpx.TimeoutException:
        raise _TransientError("fetch-failed", "The server of the file did not answer in time.", fetch) from None
    except httpx.TransportError as error:
        raise _TransientError("fetch-failed", f"The file did not come: {type(error).__name__}.", fetch) from None


def _check_status(status: int, fetch: Fetch) -> None:
    if 200 <= status < 300:
        return
    if status in (404, 410):
        raise FetchError("fetch-not-found", "The file does not exist at its URL.", fetch, status)
    if status in (401, 403):
        raise FetchError("fetch-refused", "The server of the file refused access to it.", fetch, status)
    kind = _TransientError if status in _transient_statuses else FetchError
    raise kind("fetch-failed", f"The server of the file answered {status}.", fetch, status)


@contextmanager
def _disk_errors(fetch: Fetch) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FetchError("disk-full", "The node's disk is full.", fetch, user=False) from error
        message = f"The file path {fetch.path!r} cannot be written: {error.strerror}."
        raise FetchError("fetch-path", message, fetch) from error


def warm_up(client: httpx.Client) -> None:
    """Make the client import all that it imports late, by a request that nobody answers: later nothing can be read."""
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with suppress(httpx.TransportError):
            client.get(f"http://localhost:{unheard.getsockname()[1]}/")
