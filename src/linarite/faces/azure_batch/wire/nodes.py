"""What is done to nodes, as clients send it. Source: BatchNodeRebootOptions and its like of 2025-06-01.

A node's users are records: a node of this server is a folder, and who may log in to its machine is not ours to say.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from linarite.engine.errors import AlreadyExists, NotFound
from linarite.engine.model import DAY, Node, OnRunning
from linarite.faces.azure_batch.errors import invalid_property
from linarite.faces.azure_batch.wire.decoding import Body
from linarite.faces.azure_batch.wire.elements import IdentityReference
from linarite.faces.azure_batch.wire.tasks import FACE
from linarite.faces.azure_batch.wire.values import moment, required, word_of

OPTIONS = {
    "requeue": OnRunning.REQUEUE, "terminate": OnRunning.TERMINATE, "taskcompletion": OnRunning.WAIT,
    "retaineddata": OnRunning.RETAIN,
}  # fmt: skip
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")
SCHEDULING_OPTIONS = {name: OPTIONS[name] for name in ("requeue", "terminate", "taskcompletion")}


class NodeReboot(Body):
    """The body of Reboot Node."""

    node_reboot_option: str | None = None


class NodeReimage(Body):
    """The body of Reimage Node."""

    node_reimage_option: str | None = None


class NodeDeallocate(Body):
    """The body of Deallocate Node."""

    node_deallocate_option: str | None = None


class NodeDisable(Body):
    """The body of Disable Node Scheduling."""

    node_disable_scheduling_option: str | None = None


def option(value: str | None, name: str, options: dict[str, OnRunning] = OPTIONS) -> OnRunning:
    """What becomes of the tasks of a node; `requeue` unless it is said."""
    return options[word_of(tuple(options), value, name) or "requeue"]


class LogsUpload(Body):
    """The body of Upload Batch Service Logs."""

    container_url: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    identity_reference: IdentityReference | None = None


def logs_span(body: LogsUpload) -> tuple[str, int, int | None]:
    """The container, and the time that the logs are asked of; None is without end."""
    url = required(body.container_url, "containerUrl")
    if not url.lower().startswith(("https://", "http://")):
        raise invalid_property("containerUrl", url, "It is the URL of a blob container.")
    if body.identity_reference is not None:
        reason = "The nodes of this server have no managed identity."
        raise invalid_property("identityReference", body.identity_reference.resource_id or "", reason)
    since, until = moment(required(body.start_time, "startTime"), "startTime"), moment(body.end_time, "endTime")
    if until is not None and until < (since or 0):
        raise invalid_property("endTime", body.end_time, "It is before startTime.")
    return url, since or 0, until


class UserChange(Body):
    """The body of Update Node User."""

    password: str | None = None
    expiry_time: str | None = None
    ssh_public_key: str | None = None


class UserAdd(UserChange):
    """The body of Add Node User."""

    name: str | None = None
    is_admin: bool | None = None


def with_user(node: Node, body: UserAdd, now: int) -> Node:
    """The node with a new user. AlreadyExists."""
    name = required(body.name, "name")
    if _USER.fullmatch(name) is None:
        reason = "It has up to 32 letters, digits, underscores, periods and hyphens, and begins with one of the first."
        raise invalid_property("name", name, reason)
    if name in users_of(node):
        raise AlreadyExists("node user", name)
    return _with(node, name, {"isAdmin": body.is_admin is True, **_until(body, now)})


def with_changed_user(node: Node, name: str, body: UserChange, now: int) -> Node:
    """The node with a user's properties set anew. NotFound."""
    return _with(node, name, {**_present(node, name), **_until(body, now)})


def without_user(node: Node, name: str) -> Node:
    """The node without a user. NotFound."""
    _present(node, name)
    return _keeping(node, {other: facts for other, facts in users_of(node).items() if other != name})


def users_of(node: Node) -> dict[str, dict[str, Any]]:
    """The users of a node by name: of what they log in with nothing is kept."""
    users: dict[str, dict[str, Any]] = node.facts.get(FACE, {}).get("users", {})
    return users


def _present(node: Node, name: str) -> dict[str, Any]:
    users = users_of(node)
    if name not in users:
        raise NotFound("node user", name)
    return users[name]


def _until(body: UserChange, now: int) -> dict[str, Any]:
    expiry = moment(body.expiry_time, "expiryTime")
    if expiry is not None and expiry <= now:
        raise invalid_property("expiryTime", body.expiry_time, "It is in the past.")
    return {"expiryTime": now + DAY if expiry is None else expiry}


def _with(node: Node, name: str, facts: dict[str, Any]) -> Node:
    return _keeping(node, {**users_of(node), name: facts})


def _keeping(node: Node, users: dict[str, dict[str, Any]]) -> Node:
    return replace(node, facts={**node.facts, FACE: {**node.facts.get(FACE, {}), "users": users}})
