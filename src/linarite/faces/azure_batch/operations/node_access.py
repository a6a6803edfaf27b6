"""Getting at nodes: their users, where to log in, the extensions of their machine."""

from __future__ import annotations

from linarite.engine import node_life
from linarite.engine.effects import node_ref
from linarite.engine.errors import WrongState
from linarite.engine.finding import find_node
from linarite.engine.model import Event, Node, NodeState, Pool
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.operations.lists import next_link, number_of, page_size, position
from linarite.faces.azure_batch.render.node_access import extensions, history, remote_login
from linarite.faces.azure_batch.wire.nodes import (
    LogsUpload,
    UserAdd,
    UserChange,
    logs_span,
    with_changed_user,
    with_user,
    without_user,
)
from linarite.http.messages import Response

AWAY = {NodeState.CREATING, NodeState.DEALLOCATING, NodeState.DEALLOCATED}
MOST_EVENTS = 10_000


def _names(call: Call) -> tuple[str, str]:
    return call.parameters["poolId"], call.parameters["nodeId"]


async def _found(call: Call) -> tuple[Pool, Node]:
    return await call.engine.ask(lambda tx: find_node(tx, call.account, *_names(call)))


async def add_user(call: Call) -> Response:
    """Nodes_CreateNodeUser."""
    body, (pool, node) = await call.body(UserAdd), _names(call)
    await call.do(node_life.update, pool, node, lambda found, now: with_user(found, body, now))
    return call.done(201, None, "pools", pool, "nodes", node, "users", str(body.name), created=True)


async def update_user(call: Call) -> Response:
    """Nodes_ReplaceNodeUser."""
    body, name, (pool, node) = await call.body(UserChange), call.parameters["userName"], _names(call)
    await call.do(node_life.update, pool, node, lambda found, now: with_changed_user(found, name, body, now))
    return call.done(200, None, "pools", pool, "nodes", node, "users", name)


async def delete_user(call: Call) -> Response:
    """Nodes_DeleteNodeUser."""
    name = call.parameters["userName"]
    await call.do(node_life.update, *_names(call), lambda found, _: without_user(found, name))
    return Response(200)


async def get_remote_login_settings(call: Call) -> Response:
    """Nodes_GetNodeRemoteLoginSettings."""
    return call.one("remoteloginsettings", remote_login(*await _found(call), call.version))


async def upload_logs(call: Call) -> Response:
    """Nodes_UploadNodeLogs: what is sent is known at once, how that goes stands in the server's log."""
    url, since, until = logs_span(await call.body(LogsUpload))

    def ask(tx: Transaction) -> tuple[Node, list[Event]]:
        _, node = find_node(tx, call.account, *_names(call))
        own = [
            event
            for task in tx.node_tasks.of_node(node.key)
            for event in tx.events.of(f"{task.kind.value} task", task.key)
        ]
        return node, [*tx.events.of("node", node.key, MOST_EVENTS), *own]

    node, events = await call.engine.ask(ask)
    if node.state in AWAY:
        raise WrongState("node", node.state.value, "upload logs")
    logs = history(event for event in events if since <= event.at and (until is None or event.at <= until))
    folder = f"{node.pool}/{node.id}/{call.request.id}"
    number = await call.engine.nodes.send_logs(node_ref(node), url, folder, logs, since)
    return call.one("uploadbatchservicelogs", {"virtualDirectoryName": folder, "numberOfFilesUploaded": number})


async def list_extensions(call: Call) -> Response:
    """Nodes_ListNodeExtensions."""
    found = extensions(*await _found(call))
    size, start = page_size(call), number_of(position(call))
    link = next_link(call, str(start + size)) if len(found) > start + size else None
    return call.many("extensions", found[start : start + size], link)


async def get_extension(call: Call) -> Response:
    """Nodes_GetNodeExtension."""
    wanted = call.parameters["name"].lower()
    for extension in extensions(*await _found(call)):
        if extension["vmExtension"]["name"].lower() == wanted:
            return call.one("extensions", extension)
    raise Refusal("ResourceNotFound")
