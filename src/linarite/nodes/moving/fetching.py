"""Bringing one file from an http or https address. Its query and user part are secrets: they stand in no message."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx

from linarite.engine.launching import Fetch
from linarite.nodes.moving.errors import MovingError, Stop, TransientError, public_url
from linarite.nodes.moving.placing import place

CHUNK = 256 * 1024

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_transient_statuses = {408, 425, 429, 500, 502, 503, 504}


def make_context(ca_file: str | None) -> ssl.SSLContext:
    """Trust the system's and certifi's authorities, and those of `ca_file`. Raises OSError, SSLError."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def make_client(context: ssl.SSLContext) -> httpx.Client:
    """Make the client of all fetches; it takes neither proxies nor passwords from the environment."""
    return httpx.Client(
        verify=context,
        trust_env=False,
        timeout=_TIMEOUT,
        follow_redirects=True,
        max_redirects=5,
        headers={"Accept-Encoding": "identity", "User-Agent": "linarite"},
    )


def fetch_file(client: httpx.Client, fetch: Fetch, wd: str, stop: Stop) -> None:
    """Fetch one file into `wd`, whole or not at all. Raises MovingError, CancelledMoveError."""
    _check_url(fetch)
    place(wd, fetch.path, fetch.mode, _body(client, fetch), stop)


def _failed(kind: type[MovingError], code: str, message: str, fetch: Fetch, status: int | None = None) -> MovingError:
    return kind(code, message, {"FilePath": fetch.path, "HttpUrl": public_url(fetch.url), "StatusCode": status})


def _check_url(fetch: Fetch) -> None:
    try:
        url = httpx.URL(fetch.url)
    except (httpx.InvalidURL, ValueError):
        raise _failed(MovingError, "fetch-failed", "The URL of the file is malformed.", fetch) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise _failed(MovingError, "fetch-failed", "The URL of the file is neither http nor https.", fetch)


def _body(client: httpx.Client, fetch: Fetch) -> Iterator[bytes]:
    try:
        with client.stream("GET", fetch.url) as answer:
            _check_status(answer.status_code, fetch)
            # Raw: the file is the bytes that the server keeps, whatever encoding it says they have.
            yield from answer.iter_raw(CHUNK)
    except httpx.TooManyRedirects:
        raise _failed(MovingError, "fetch-failed", "The URL of the file redirects too often.", fetch) from None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL):
        message = "The URL of the file redirects to neither http nor https."
        raise _failed(MovingError, "fetch-failed", message, fetch) from None
    except httpx.TimeoutException:
        message = "The server of the file did not answer in time."
        raise _failed(TransientError, "fetch-timeout", message, fetch) from None
    except httpx.TransportError as error:
        message = f"The file did not come: {type(error).__name__}."
        raise _failed(TransientError, "fetch-failed", message, fetch) from None


def _check_status(status: int, fetch: Fetch) -> None:
    if 200 <= status < 300:
        return
    if status in (404, 410):
        raise _failed(MovingError, "fetch-not-found", "The file does not exist at its URL.", fetch, status)
    if status in (401, 403):
        raise _failed(MovingError, "fetch-refused", "The server of the file refused access to it.", fetch, status)
    kind = TransientError if status in _transient_statuses else MovingError
    raise _failed(kind, "fetch-failed", f"The server of the file answered {status}.", fetch, status)
