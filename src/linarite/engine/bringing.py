"""What a run brings and takes away, as the nodes are told it."""

from __future__ import annotations

from collections.abc import Iterable

from linarite.engine.launching import Fetch
from linarite.engine.ledger import Ledger
from linarite.engine.model import ResourceFile

AUTO_STORAGE = "auto-storage"
"""The kind of the document that tells, by an account's name, which storage is its own."""


def fetches(u: Ledger, account: str, files: Iterable[ResourceFile]) -> tuple[Fetch, ...]:
    """What the nodes are asked to bring."""
    return tuple(
        [
            Fetch(
                url=file.url if file.auto_storage is None else _container_url(u, account, file.auto_storage),
                path=file.path, mode=file.mode, container=file.container or file.auto_storage is not None,
                prefix=file.prefix, identity=file.identity,
            )
            for file in files
        ]
    )  # fmt: skip


def _container_url(u: Ledger, account: str, container: str) -> str:
    """The address of a container of the account's own storage; empty when it has none, which fails on the node."""
    linked = u.tx.documents.get(AUTO_STORAGE, account, u.now)
    try:
        return "" if linked is None else u.environment.container_url(linked, container, u.now)
    except ValueError:
        return ""
