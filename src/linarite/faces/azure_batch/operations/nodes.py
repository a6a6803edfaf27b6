"""Nodes: get, list, begin them anew, take them out of scheduling and back."""

from __future__ import annotations

from linarite.engine import node_life, pools
from linarite.engine.filtering import Listed
from linarite.engine.finding import find_node, find_pool
from linarite.engine.model import Node, NodeState, NodeTask, OnRunning, Pool, Task
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch import filters, versions
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.operations.lists import Where, ask_page
from linarite.faces.azure_batch.render.nodes import Recent, node_json
from linarite.faces.azure_batch.render.tasks import FACE
from linarite.faces.azure_batch.wire.nodes import (
    SCHEDULING_OPTIONS,
    NodeDeallocate,
    NodeDisable,
    NodeReboot,
    NodeReimage,
    option,
)
from linarite.http.messages import Response

RECENT = 10
Seen = tuple[Node, list[Recent], NodeTask | None]


def _seen(tx: Transaction, node: Node, start: NodeTask | None) -> Seen:
    """A node with its last tasks and subtasks, and its start task."""
    tasks: list[tuple[Task, NodeTask | None]] = [(task, None) for task in tx.tasks.recent_on_node(node.key, RECENT)]
    begun = [own for own in tx.node_tasks.recent_subtasks(node.key, RECENT) if own.started_at is not None]
    homes = {task.key: task for task in tx.tasks.by_keys([own.task_key for own in begun if own.task_key is not None])}
    tasks += [(homes[own.task_key], own) for own in begun if own.task_key in homes]
    tasks.sort(key=lambda one: (one[1] or one[0]).started_at or 0, reverse=True)
    jobs = {key: tx.jobs.by_key(key) for key in {task.job_key for task, _ in tasks}}
    recent = [(job, task, own) for task, own in tasks[:RECENT] if (job := jobs[task.job_key]) is not None]
    return node, recent, start


async def get_node(call: Call) -> Response:
    """Nodes_GetNode."""

    def one(tx: Transaction) -> tuple[Pool, Seen]:
        pool, node = find_node(tx, call.account, call.parameters["poolId"], call.parameters["nodeId"])
        return pool, _seen(tx, node, tx.node_tasks.start_tasks([node.key]).get(node.key))

    pool, (node, recent, start) = await call.engine.ask(one)
    return call.one("nodes", node_json(node, pool, recent, start, call.base))


async def list_nodes(call: Call) -> Response:
    """Nodes_ListNodes."""

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[Pool, Listed[Seen]]:
        pool = find_pool(tx, call.account, call.parameters["poolId"])
        found = tx.nodes.listed(pool.key, where, start, limit)
        starts = tx.node_tasks.start_tasks([node.key for node in found.records])
        return pool, Listed([_seen(tx, node, starts.get(node.key)) for node in found.records], found.position)

    pool, found, link = await ask_page(call, filters.NODES, page)
    shown = [node_json(node, pool, recent, start, call.base) for node, recent, start in found]
    return call.many("nodes", shown, link)


def _names(call: Call) -> tuple[str, str]:
    return call.parameters["poolId"], call.parameters["nodeId"]


def _done(call: Call, status: int, action: str) -> Response:
    pool, node = _names(call)
    return call.done(status, None, "pools", pool, "nodes", node, action)


async def _begin(call: Call, state: NodeState, on_running: OnRunning, action: str) -> Response:
    await call.do(node_life.begin, *_names(call), state=state, on_running=on_running)
    return _done(call, 202, action)


async def reboot_node(call: Call) -> Response:
    """Nodes_RebootNode."""
    body = await call.optional_body(NodeReboot)
    return await _begin(call, NodeState.REBOOTING, option(body.node_reboot_option, "nodeRebootOption"), "reboot")


async def reimage_node(call: Call) -> Response:
    """Nodes_ReimageNode; before 2024-07-01.20.0 for pools of cloud services alone."""
    body = await call.optional_body(NodeReimage)
    on_running = option(body.node_reimage_option, "nodeReimageOption")
    if call.version < versions.LONG_AS_TEXT:
        pool = await call.engine.ask(lambda tx: find_pool(tx, call.account, call.parameters["poolId"]))
        if "cloudServiceConfiguration" not in pool.facts.get(FACE, {}):
            raise Refusal("OperationNotValidOnNode")
    return await _begin(call, NodeState.REIMAGING, on_running, "reimage")


async def deallocate_node(call: Call) -> Response:
    """Nodes_DeallocateNode."""
    body = await call.optional_body(NodeDeallocate)
    on_running = option(body.node_deallocate_option, "nodeDeallocateOption")
    return await _begin(call, NodeState.DEALLOCATING, on_running, "deallocate")


async def start_node(call: Call) -> Response:
    """Nodes_StartNode."""
    await call.do(node_life.start, *_names(call))
    return _done(call, 202, "start")


async def disable_scheduling(call: Call) -> Response:
    """Nodes_DisableNodeScheduling."""
    body = await call.optional_body(NodeDisable)
    on_running = option(body.node_disable_scheduling_option, "nodeDisableSchedulingOption", SCHEDULING_OPTIONS)
    await call.do(pools.set_scheduling, *_names(call), enabled=False, on_running=on_running)
    return _done(call, 200, "disablescheduling")


async def enable_scheduling(call: Call) -> Response:
    """Nodes_EnableNodeScheduling."""
    await call.do(pools.set_scheduling, *_names(call), enabled=True)
    return _done(call, 200, "enablescheduling")
