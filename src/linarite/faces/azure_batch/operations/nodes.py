"""Nodes: get, list, take them out of scheduling and back."""

from __future__ import annotations

from linarite.engine import pools
from linarite.engine.filtering import Listed
from linarite.engine.finding import find_node, find_pool
from linarite.engine.model import Job, Node, NodeTask, Pool, Task
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch import filters
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.operations.lists import Where, ask_page
from linarite.faces.azure_batch.render.nodes import node_json
from linarite.faces.azure_batch.wire.pools import NodeDisable, deallocation
from linarite.http.messages import Response

RECENT = 10
Seen = tuple[Node, list[tuple[Job, Task]], NodeTask | None]


def _seen(tx: Transaction, node: Node, start: NodeTask | None) -> Seen:
    """A node with its last tasks and its start task."""
    tasks = tx.tasks.recent_on_node(node.key, RECENT)
    jobs = {key: tx.jobs.by_key(key) for key in {task.job_key for task in tasks}}
    return node, [(job, task) for task in tasks if (job := jobs[task.job_key]) is not None], start


async def get_node(call: Call) -> Response:
    """Nodes_GetNode."""

    def one(tx: Transaction) -> tuple[Pool, Seen]:
        pool, node = find_node(tx, call.account, call.parameters["poolId"], call.parameters["nodeId"])
        return pool, _seen(tx, node, tx.node_tasks.start_tasks([node.key]).get(node.key))

    pool, (node, recent, start) = await call.engine.ask(one)
    return call.one("nodes", node_json(node, pool, recent, start, call.base, call.version))


async def list_nodes(call: Call) -> Response:
    """Nodes_ListNodes."""

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[Pool, Listed[Seen]]:
        pool = find_pool(tx, call.account, call.parameters["poolId"])
        found = tx.nodes.listed(pool.key, where, start, limit)
        starts = tx.node_tasks.start_tasks([node.key for node in found.records])
        return pool, Listed([_seen(tx, node, starts.get(node.key)) for node in found.records], found.position)

    pool, found, link = await ask_page(call, filters.NODES, page)
    shown = [node_json(node, pool, recent, start, call.base, call.version) for node, recent, start in found]
    return call.many("nodes", shown, link)


async def disable_scheduling(call: Call) -> Response:
    """Nodes_DisableNodeScheduling."""
    body = await call.optional_body(NodeDisable)
    on_running = deallocation(body.node_disable_scheduling_option, "nodeDisableSchedulingOption")
    pool, node = call.parameters["poolId"], call.parameters["nodeId"]
    await call.do(pools.set_scheduling, pool, node, enabled=False, on_running=on_running)
    return call.done(200, None, "pools", pool, "nodes", node, "disablescheduling")


async def enable_scheduling(call: Call) -> Response:
    """Nodes_EnableNodeScheduling."""
    pool, node = call.parameters["poolId"], call.parameters["nodeId"]
    await call.do(pools.set_scheduling, pool, node, enabled=True)
    return call.done(200, None, "pools", pool, "nodes", node, "enablescheduling")
