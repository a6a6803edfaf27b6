"""When what is provisioned of a share was last raised, over a real store and a real tree."""

from __future__ import annotations

import asyncio
from pathlib import Path

from linarite.engine.sharing import Place, Share, Shares
from linarite.engine.sharing.leases import Claim
from linarite.shares import DirectoryTree
from linarite.store import open_store

NOW = 1_700_000_000_000_000
PLACE = Place("account", "share")


def test_each_figure_remembers_when_it_was_last_raised(tmp_path: Path) -> None:
    """Lowered, kept or not named it remembers what it did; a snapshot and a restart keep it."""

    async def story() -> None:
        store = open_store(tmp_path / "store.db")
        shares = Shares(store, DirectoryTree(str(tmp_path / "shares")))
        await shares.create(
            Share(
                account="account", name="share", created_at=NOW, modified_at=NOW, tier_changed_at=NOW, quota_gib=100,
                options={"iops": "1000", "mibps": "100"},
            )
        )  # fmt: skip
        for after, changes, wanted in (
            (1, {"options": {"iops": "2000", "mibps": "90"}}, {"iops": 1}),
            (2, {"quota_gib": 200, "options": {"iops": "2000"}}, {"iops": 1, "quota": 2}),
            (3, {"quota_gib": 10, "options": {"mibps": "120"}}, {"iops": 1, "quota": 2, "mibps": 3}),
            (4, {"metadata": {"a": "b"}}, {"iops": 1, "quota": 2, "mibps": 3}),
        ):
            found = await shares.change(PLACE, changes, Claim(now=NOW + after))
            assert {name: at - NOW for name, at in found.raised.items()} == wanted
        taken = await shares.snapshot(PLACE, {}, NOW + 5)
        await store.close()
        store = open_store(tmp_path / "store.db")
        shares = Shares(store, DirectoryTree(str(tmp_path / "shares")))
        for place in (PLACE, Place("account", "share", taken.snapshot)):
            assert (await shares.get(place)).raised == found.raised
        await store.close()

    asyncio.run(story())
