"""An account has a number of nodes that it may have: what is asked for beyond is told as an error of the resize."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.world import ACCOUNT, World, play

from linarite.engine import pools
from linarite.faces.azure_batch.render.pools import pool_json


def errors(pool: object) -> list[str]:
    return [error["code"] for error in pool_json(pool, "http://x", "2025-06-01").get("resizeErrors", [])]


def test_pool_gets_no_more_nodes_than_its_account_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "MOST_NODES", 3)

    async def story(world: World) -> None:
        await world.pool("first", nodes=2)
        await world.pool("second", nodes=2_000_000_000)
        assert (len(await world.nodes("first")), len(await world.nodes("second"))) == (2, 1)
        pool = await world.the_pool("second")
        assert (pool.allocation.value, pool.current_dedicated, pool.spec.target_dedicated) == ("steady", 1, 2 * 10**9)
        assert errors(pool) == ["AccountCoreQuotaReached"]
        await world.do(pools.resize, ACCOUNT, "second", dedicated=1, low_priority=5)
        assert errors(await world.the_pool("second")) == ["AccountLowPriorityCoreQuotaReached"]
        await world.do(pools.resize, ACCOUNT, "first", dedicated=0, low_priority=None)
        await world.do(pools.resize, ACCOUNT, "second", dedicated=3, low_priority=0)
        pool = await world.the_pool("second")
        assert (len(await world.nodes("second")), errors(pool)) == (3, [])

    play(tmp_path, story)
