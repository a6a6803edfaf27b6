"""What older versions alone have: node agent SKUs, the guest OS of cloud services, remote desktop files.

Source: Account_ListNodeAgentSkus, Pool_UpgradeOS and ComputeNode_GetRemoteDesktop of the versions that have them.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from linarite.engine import pools
from linarite.engine.finding import find_node
from linarite.engine.model import Pool
from linarite.faces.azure_batch import filters
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.operations.lists import next_link, number_of, page_size, position
from linarite.faces.azure_batch.render.images import AGENTS
from linarite.faces.azure_batch.wire.pools import PoolUpgrade
from linarite.faces.azure_batch.wire.tasks import FACE
from linarite.faces.azure_batch.wire.values import required
from linarite.http.messages import Response

NEWEST_RELEASE = "*"
_RELEASE = re.compile(r"WA-GUEST-OS-(\d)\.\d+_\d{6}-\d{2}")


async def list_node_agent_skus(call: Call) -> Response:
    """Account_ListNodeAgentSkus: the images by their agents."""
    matches = filters.compile_test(call.request.query.get("$filter"), filters.AGENTS)
    size, start = page_size(call), number_of(position(call))
    found = [agent for agent in AGENTS if matches(agent)]
    link = next_link(call, str(start + size)) if len(found) > start + size else None
    return call.many("nodeagentskus", found[start : start + size], link)


async def get_remote_desktop(call: Call) -> Response:
    """ComputeNode_GetRemoteDesktop: of Windows nodes of cloud services, which no node here is."""
    names = call.parameters
    await call.engine.ask(lambda tx: find_node(tx, call.account, names["poolId"], names["nodeId"]))
    raise Refusal("OperationNotValidOnNode")


async def upgrade_os(call: Call) -> Response:
    """Pool_UpgradeOS: of pools of cloud services. A node here has no guest OS: nothing but the version changes."""
    wanted, name = (
        required((await call.body(PoolUpgrade)).target_os_version, "targetOSVersion"),
        call.parameters["poolId"],
    )

    def apply(pool: Pool) -> Pool:
        facts = pool.facts.get(FACE, {})
        if "cloudServiceConfiguration" not in facts:
            raise Refusal("PoolNotEligibleForOSVersionUpgrade")
        changed = _upgraded(facts["cloudServiceConfiguration"], wanted)
        return replace(pool, facts={**pool.facts, FACE: {**facts, "cloudServiceConfiguration": changed}})

    pool = await call.do(pools.update, name, apply, check=call.check())
    return call.done(202, pool, "pools", name, "upgradeos")


def _upgraded(configuration: dict[str, Any], wanted: str) -> dict[str, Any]:
    """The configuration with another release of its OS family: `*` is the newest."""
    if wanted == configuration.get("osVersion", NEWEST_RELEASE):
        raise Refusal("PoolVersionEqualsUpgradeVersion")
    release = _RELEASE.fullmatch(wanted)
    if wanted != NEWEST_RELEASE and (release is None or release[1] != configuration.get("osFamily")):
        raise Refusal("OSVersionNotFound")
    return {**configuration, "osVersion": wanted}
