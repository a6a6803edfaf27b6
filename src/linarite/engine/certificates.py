"""Certificates on nodes: which of its pool's a node has, and as which files a run is given them.

Source: CertificateReference of 2024-07-01.20.0 (a directory in the task's own, named by AZ_BATCH_CERTIFICATES_DIR). The
files' names are those that published programs look for: `sha1-<thumbprint>.pfx`, with its password in `.pfx.pw`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from linarite.engine.model import Node
    from linarite.engine.ports import Transaction

FOLDER = "certs"
"""Below the directory of a task."""


class CertificateUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate of a pool, by its thumbprint in lower case, and to whom its nodes give it."""

    thumbprint: str
    to_start_task: bool = True
    to_tasks: bool = True


class SmallFile(msgspec.Struct, frozen=True):
    """A file that a host writes before a command line starts: `path` is relative to the task's directory."""

    path: str
    data: bytes


def kind(account: str) -> str:
    """The family of documents that are an account's certificates, named by their thumbprints in lower case."""
    return f"certificate:{account}"


def files(tx: Transaction, node: Node, now: int, *, start: bool) -> tuple[SmallFile, ...]:
    """What a run on the node is given, a start task's or another's; one that is deleted is not there any more."""
    given: list[SmallFile] = []
    for use in node.certificates:
        kept = tx.documents.get(kind(node.account), use.thumbprint, now)
        if kept is not None and (use.to_start_task if start else use.to_tasks):
            path = f"{FOLDER}/sha1-{use.thumbprint}.{kept['form']}"
            given.append(SmallFile(path, base64.b64decode(kept["data"])))
            if kept["password"] is not None:
                given.append(SmallFile(f"{path}.pw", str(kept["password"]).encode()))
    return tuple(given)
