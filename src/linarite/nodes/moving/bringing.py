"""Bringing a run's files, from web addresses and from blob containers: several at a time, each with patience."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import httpx

from linarite.engine.launching import Fetch
from linarite.nodes.moving.blobs import Storage, blobs_of, bring_blob
from linarite.nodes.moving.errors import MovingError, Stop, public_url
from linarite.nodes.moving.fetching import fetch_file, make_client
from linarite.nodes.moving.working import Patience, each


class Bringing:
    """Brings files into tasks' folders."""

    def __init__(self, context: ssl.SSLContext, storage: Storage, patience: Patience) -> None:
        """Trust what `context` trusts; have `patience` with servers that fail or do not answer."""
        self._context = context
        self._client = make_client(context)
        self._storage, self._patience = storage, patience

    def bring(self, fetches: Sequence[Fetch], wd: str, stop: Stop) -> None:
        """Bring all files into the folder `wd`. Raises MovingError, CancelledMoveError."""
        for fetch in fetches:
            _check_way(fetch)
        each([fetch for fetch in fetches if not fetch.container], partial(self._bring_file, wd), stop)
        for fetch in fetches:
            if fetch.container:
                self._patience.keep(stop, partial(self._bring_container, fetch, wd, stop))

    def _bring_file(self, wd: str, fetch: Fetch, stop: Stop) -> None:
        self._patience.keep(stop, lambda: fetch_file(self._client, fetch, wd, stop))

    def _bring_container(self, fetch: Fetch, wd: str, stop: Stop) -> None:
        names = (str(blob.name) for blob in blobs_of(self._storage, fetch))
        each(names, partial(self._bring_blob, fetch, wd), stop)

    def _bring_blob(self, fetch: Fetch, wd: str, name: str, stop: Stop) -> None:
        self._patience.keep(stop, lambda: bring_blob(self._storage, fetch, name, wd, stop))

    def warm_up(self) -> None:
        """Import all that is imported late, by requests that nobody answers: later nothing can be read."""
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            address = f"http://localhost:{unheard.getsockname()[1]}"
            with suppress(httpx.TransportError):
                self._client.get(address)
            with suppress(MovingError):
                list(blobs_of(Storage(self._context, 0), Fetch(url=f"{address}/container?sig=x", container=True)))


def _check_way(fetch: Fetch) -> None:
    """Refuse what only a managed identity could open, which no node here has, and containers of no known storage."""
    if fetch.container and not fetch.url:
        message = "The account has no storage of its own: link one with `linarite accounts auto-storage`."
        raise MovingError("container-not-found", message, {"FilePath": fetch.path or None})
    if fetch.identity is None:
        return
    kind, name = ("container", "StorageContainerUrl") if fetch.container else ("fetch", "HttpUrl")
    message = f"The nodes of this server have no managed identity, so they are not {fetch.identity!r}."
    raise MovingError(f"{kind}-refused", message, {"FilePath": fetch.path or None, name: public_url(fetch.url)})
