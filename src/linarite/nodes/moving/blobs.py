"""Blob containers, reached with the azure-storage-blob package by URLs that carry their own right (a SAS) or need none.

A URL's query is a secret: it stands in no message. Nothing here opens a file of this installation later than at import:
by then the carrier may not be allowed to.
"""

from __future__ import annotations

import codecs
import importlib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, cast
from urllib.parse import parse_qsl

import requests
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import BlobProperties, ContainerClient, ContentSettings
from requests.adapters import HTTPAdapter

from linarite.engine.launching import Fetch
from linarite.engine.outputs import OutputFile
from linarite.nodes.moving.errors import CancelledMoveError, MovingError, Stop, TransientError, public_url
from linarite.nodes.moving.placing import place

API_VERSION = "2021-12-02"
"""Of the storage service. An old one will do for all that is asked of it, and the emulators of some years know it."""
PIECE = 4 * 1024 * 1024
"""Bytes of a blob that are held in memory at a time."""
MOST_PIECES = 50_000
"""Blocks of a blob, by the service's limit."""

# What azure-core imports late. A test says that there is nothing else.
for _module in ("azure.core.rest._requests_basic", "azure.core.rest._http_response_impl"):
    importlib.import_module(_module)
for _encoding in ("utf-8-sig", "iso-8859-1", "us-ascii"):
    codecs.lookup(_encoding)

_CONNECTIONS = 64
_TRANSIENT = {408, 429, 500, 502, 503, 504}


class _Adapter(HTTPAdapter):
    """Connections that trust what `context` trusts; requests by itself reads its authorities from a file each time."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - the supertype's
        super().init_poolmanager(*arguments, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ANN401 - the supertype's
        """Leave it to the context."""


class Storage:
    """The way to all containers: connections and how often a request is tried again."""

    def __init__(self, context: ssl.SSLContext, tries: int) -> None:
        """`context` says which authorities are trusted; each request is tried again up to `tries` times."""
        session = requests.Session()
        session.trust_env = False
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(context))
        self._transport = RequestsTransport(
            session=session, session_owner=False, connection_timeout=10, read_timeout=60
        )  # fmt: skip
        self._tries = tries

    def container(self, url: str, *, piece: int = PIECE) -> ContainerClient:
        """The container at `url`, whose blobs are sent by so many bytes. Raises ValueError when it is none."""
        if not url.lower().startswith(("http://", "https://")):
            raise ValueError(url)
        return ContainerClient.from_container_url(
            url, transport=self._transport, api_version=API_VERSION, retry_total=self._tries, initial_backoff=1,
            increment_base=2, random_jitter_range=1,
            max_single_get_size=PIECE, max_chunk_get_size=PIECE, max_single_put_size=PIECE, max_block_size=piece,
        )  # fmt: skip


@contextmanager
def told(kind: str, details: Mapping[str, object]) -> Iterator[None]:
    """Tell of what the storage service answers, by codes of `kind`: fetch, container or upload."""
    try:
        yield
    except (MovingError, CancelledMoveError):
        raise
    except HttpResponseError as error:
        raise _refusal(kind, error, details) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        timeout = "timeout" in type(error).__name__.lower()
        code = f"{kind}-timeout" if timeout and kind == "fetch" else f"{kind}-failed"
        message = f"The storage service did not answer: {type(error.inner_exception or error).__name__}."
        raise TransientError(code, message, details) from error
    except Exception as error:  # the package fails in many ways at answers that are none of the service
        message = f"The address is none of a storage service: {type(error).__name__}."
        raise MovingError(f"{kind}-failed", message, details) from error


def _refusal(kind: str, error: HttpResponseError, details: Mapping[str, object]) -> MovingError:
    status = error.status_code or 0
    word = getattr(error, "error_code", None)
    facts = {**details, "StatusCode": status, "StorageErrorCode": getattr(word, "value", word)}
    if status == 404:
        return MovingError(f"{kind}-not-found", f"The storage service finds no such {_what(kind)}.", facts)
    if status in (401, 403):
        return MovingError(f"{kind}-refused", f"The storage service refused access to the {_what(kind)}.", facts)
    error_kind = TransientError if status in _TRANSIENT else MovingError
    return error_kind(f"{kind}-failed", f"The storage service answered {status}.", facts)


def _what(kind: str) -> str:
    return "blob" if kind == "fetch" else "container"


class _Reader:
    """A file that is read as long as nobody gives the sign to stop, and no further than it was long at first."""

    def __init__(self, file: IO[bytes], stop: Stop) -> None:
        self._file, self._stop = file, stop

    def read(self, size: int = -1) -> bytes:
        self._stop.check()
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def send_blob(
    storage: Storage, output: OutputFile, name: str, file: IO[bytes], size: int, details: Mapping[str, object],
    stop: Stop,
) -> None:  # fmt: skip
    """Make the first `size` bytes of a file the blob `name`. Raises MovingError, CancelledMoveError."""
    with told("upload", {**details, "BlobName": name}):
        blob = storage.container(output.url, piece=max(PIECE, -(-size // MOST_PIECES))).get_blob_client(name)
        content = cast("IO[bytes]", _Reader(file, stop))
        blob.upload_blob(content, length=size, overwrite=True, max_concurrency=1, **of_headers(dict(output.headers)))


_CONTENT = {
    "content-type": "content_type", "content-encoding": "content_encoding", "content-language": "content_language",
    "content-disposition": "content_disposition", "cache-control": "cache_control",
}  # fmt: skip
_META = "x-ms-meta-"


def of_headers(headers: Mapping[str, str | None]) -> dict[str, Any]:
    """Headers of Put Blob as options of the package, which sends a large blob by other requests, too.

    Source: Put Blob, request headers (all blob types), on learn.microsoft.com.
    """
    options: dict[str, Any] = {"metadata": {}, "headers": {}}
    content: dict[str, Any] = {}
    for given, value in headers.items():
        name, text = given.strip().lower(), value or ""
        if (about := _CONTENT.get(name.removeprefix("x-ms-blob-"))) is not None:
            content[about] = text
        elif name.startswith(_META):
            options["metadata"][given.strip()[len(_META) :]] = text
        elif name == "x-ms-access-tier":
            options["standard_blob_tier"] = text
        elif name == "x-ms-tags":
            options["tags"] = dict(parse_qsl(text, keep_blank_values=True))
        elif name != "x-ms-blob-type":  # what is sent is a block blob
            options["headers"][given.strip()] = text
    options["content_settings"] = ContentSettings(**content) if content else None
    return options


def blobs_of(storage: Storage, fetch: Fetch) -> Iterator[BlobProperties]:
    """The blobs of a container whose names begin with the fetch's prefix. Raises MovingError."""
    with told("container", {"StorageContainerUrl": public_url(fetch.url)}):
        container = storage.container(fetch.url)
        for blob in container.list_blobs(name_starts_with=fetch.prefix or None, include=["metadata"]):
            if not _is_folder(blob):
                yield blob


def _is_folder(blob: BlobProperties) -> bool:
    """Tell whether a blob stands for a folder of a hierarchical account, or is one that a tool made for it."""
    marks = {name.lower(): value for name, value in (blob.metadata or {}).items()}
    return marks.get("hdi_isfolder", "").lower() == "true" or str(blob.name).endswith("/")


def bring_blob(storage: Storage, fetch: Fetch, name: str, wd: str, stop: Stop) -> None:
    """Bring a container's blob to its whole name below the fetch's folder. Raises MovingError, CancelledMoveError."""
    path = f"{fetch.path}/{name.lstrip('/')}" if fetch.path else name.lstrip("/")
    place(wd, path, fetch.mode, _chunks(storage, fetch, name, path), stop)


def _chunks(storage: Storage, fetch: Fetch, name: str, path: str) -> Iterator[bytes]:
    with told("fetch", {"FilePath": path, "StorageContainerUrl": public_url(fetch.url), "BlobName": name}):
        yield from storage.container(fetch.url).get_blob_client(name).download_blob().chunks()
