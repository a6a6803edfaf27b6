"""Pools: add, get, list, change, delete, resize, remove nodes; counts of nodes and images."""

from __future__ import annotations

from linarite.engine import pools
from linarite.engine.filtering import Listed
from linarite.engine.finding import find_pool
from linarite.engine.model import Node, Pool
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch import certificates, filters
from linarite.faces.azure_batch.call import Call, tag_headers
from linarite.faces.azure_batch.operations.lists import Where, ask_page, next_link, number_of, page_size, position
from linarite.faces.azure_batch.operations.statistics import Gathered, Stats, stats_of_pools, up_to_now
from linarite.faces.azure_batch.render.images import IMAGES
from linarite.faces.azure_batch.render.pools import node_counts, pool_json
from linarite.faces.azure_batch.wire.certificates import checked_references
from linarite.faces.azure_batch.wire.nodes import option
from linarite.faces.azure_batch.wire.pools import (
    NodeRemove,
    PoolAdd,
    PoolChange,
    PoolReplace,
    PoolResize,
    checked_change,
    nodes_to_remove,
    patched,
    pool_of,
    replaced,
    resize_timeout,
    targets,
)  # fmt: skip
from linarite.faces.azure_batch.wire.tasks import FACE
from linarite.http.messages import Response

MOST_NODE_COUNTS = 10


async def add_pool(call: Call) -> Response:
    """Pools_CreatePool."""
    body = await call.body(PoolAdd)
    spec, facts = pool_of(body, body.id)
    references = facts.get(FACE, {}).get("certificateReferences", ())
    pool = await call.do(certificates.referring, references, pools.add, spec, facts)
    return call.done(201, pool, "pools", pool.spec.id, created=True)


async def _pool(call: Call, *, expands: bool = False) -> tuple[Pool, Stats]:
    def one(tx: Transaction) -> tuple[Pool, Gathered]:
        pool = find_pool(tx, call.account, call.parameters["poolId"])
        return pool, stats_of_pools(tx, call, [pool] if expands else [])

    pool, gathered = await call.engine.ask(one)
    call.check_read(pool)
    return pool, await up_to_now(call, gathered)


async def get_pool(call: Call) -> Response:
    """Pools_GetPool."""
    pool, stats = await _pool(call, expands=call.expands("pools"))
    return call.one("pools", {**pool_json(pool, call.base, call.version), **stats.get(pool.key, {})}, pool)


async def pool_exists(call: Call) -> Response:
    """Pools_PoolExists."""
    return Response(200, b"", tag_headers((await _pool(call))[0]))


async def list_pools(call: Call) -> Response:
    """Pools_ListPools."""
    expands = call.expands("pools")

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[Gathered, Listed[Pool]]:
        found = tx.pools.listed(call.account, where, start, limit)
        return stats_of_pools(tx, call, found.records if expands else []), found

    gathered, found, link = await ask_page(call, filters.POOLS, page)
    stats = await up_to_now(call, gathered)
    shown = [{**pool_json(pool, call.base, call.version), **stats.get(pool.key, {})} for pool in found]
    return call.many("pools", shown, link)


async def patch_pool(call: Call) -> Response:
    """Pools_UpdatePool."""
    change, name = await call.body(PoolChange), call.parameters["poolId"]

    def apply(pool: Pool) -> Pool:
        checked_change(pool, change)
        return patched(pool, change)

    given = checked_references(change.certificate_references or [])
    pool = await call.do(certificates.referring, given, pools.update, name, apply, check=call.check())
    return call.done(200, pool, "pools", name)


async def update_pool_properties(call: Call) -> Response:
    """Pools_ReplacePoolProperties."""
    body, name = await call.body(PoolReplace), call.parameters["poolId"]
    given = checked_references(body.certificate_references or [])
    pool = await call.do(
        certificates.referring, given, pools.update, name, lambda pool: replaced(pool, body), check=call.check()
    )
    return call.done(204, pool, "pools", name)


async def delete_pool(call: Call) -> Response:
    """Pools_DeletePool."""
    await call.do(pools.delete, call.parameters["poolId"], check=call.check())
    return Response(202)


async def resize_pool(call: Call) -> Response:
    """Pools_ResizePool."""
    body, name = await call.body(PoolResize), call.parameters["poolId"]
    dedicated, low_priority = targets(body)
    pool = await call.do(
        pools.resize, name, dedicated=dedicated, low_priority=low_priority, timeout=resize_timeout(body.resize_timeout),
        on_running=option(body.node_deallocation_option, "nodeDeallocationOption"), check=call.check(),
    )  # fmt: skip
    return call.done(202, pool, "pools", name, "resize")


async def stop_pool_resize(call: Call) -> Response:
    """Pools_StopPoolResize."""
    name = call.parameters["poolId"]
    pool = await call.do(pools.stop_resize, name, check=call.check())
    return call.done(202, pool, "pools", name, "stopresize")


async def remove_nodes(call: Call) -> Response:
    """Pools_RemoveNodes."""
    body, name = await call.body(NodeRemove), call.parameters["poolId"]
    pool = await call.do(
        pools.remove_nodes, name, nodes_to_remove(body), timeout=resize_timeout(body.resize_timeout),
        on_running=option(body.node_deallocation_option, "nodeDeallocationOption"), check=call.check(),
    )  # fmt: skip
    return call.done(202, pool, "pools", name, "removenodes")


async def list_node_counts(call: Call) -> Response:
    """Pools_ListPoolNodeCounts."""

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[None, Listed[tuple[Pool, list[Node]]]]:
        found = tx.pools.listed(call.account, where, start, limit)
        return None, Listed([(pool, tx.nodes.of_pool(pool.key)) for pool in found.records], found.position)

    _, found, link = await ask_page(call, filters.NODE_COUNTS, page, MOST_NODE_COUNTS)
    return call.many("poolnodecounts", [node_counts(pool, nodes) for pool, nodes in found], link)


async def list_supported_images(call: Call) -> Response:
    """Pools_ListSupportedImages."""
    matches = filters.compile_test(call.request.query.get("$filter"), filters.IMAGES)
    size, start = page_size(call), number_of(position(call))
    found = [image for image in IMAGES if matches(image)]
    link = next_link(call, str(start + size)) if len(found) > start + size else None
    return call.many("supportedimages", found[start : start + size], link)
