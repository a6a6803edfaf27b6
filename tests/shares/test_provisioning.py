"""When what is provisioned of a share was last raised, over a real store and a real tree."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from linarite.engine.errors import WrongState
from linarite.engine.sharing import Place, Share, Shares
from linarite.engine.sharing.leases import Claim
from linarite.shares import DirectoryTree
from linarite.store import open_store

NOW = 1_700_000_000_000_000
DAY = 86_400_000_000
PLACE = Place("account", "share")
FIGURES = {"iops": "1000", "mibps": "100"}


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
            found = await shares.change(PLACE, changes, Claim(now=NOW + after * DAY))
            assert {name: (at - NOW) / DAY for name, at in found.raised.items()} == wanted
        taken = await shares.snapshot(PLACE, {}, NOW + 5 * DAY)
        await store.close()
        store = open_store(tmp_path / "store.db")
        shares = Shares(store, DirectoryTree(str(tmp_path / "shares")))
        for place in (PLACE, Place("account", "share", taken.snapshot)):
            assert (await shares.get(place)).raised == found.raised
        await store.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("raised", "lowered", "figure"),
    [
        ({"quota_gib": 200}, {"quota_gib": 199}, "quota"),
        ({"options": {"iops": "2000"}}, {"options": {"iops": "1999"}}, "iops"),
        ({"options": {"mibps": "200"}}, {"options": {"mibps": "199"}}, "mibps"),
    ],
)
@pytest.mark.parametrize(
    ("tier", "options", "refuses"),
    [("Hot", FIGURES, True), ("Premium", {}, True), ("Hot", {}, False)],
    ids=["provisioned", "premium", "by use"],
)
def test_a_figure_is_lowered_a_day_after_it_was_raised_and_no_sooner(
    tmp_path: Path, tier: str, options: dict[str, str], raised: dict[str, Any], lowered: dict[str, Any], figure: str,
    refuses: bool,
) -> None:  # fmt: skip
    """Of a share that pays for its size. What is refused changes nothing; what was never raised is lowered at once."""

    async def story() -> None:
        store = open_store(tmp_path / "store.db")
        shares = Shares(store, DirectoryTree(str(tmp_path / "shares")))
        await shares.create(
            Share(
                account="account", name="share", created_at=NOW, modified_at=NOW, tier_changed_at=NOW, quota_gib=100,
                options=options, tier=tier,
            )
        )  # fmt: skip
        await shares.change(PLACE, {"quota_gib": 99}, Claim(now=NOW))
        before = await shares.change(PLACE, raised, Claim(now=NOW + 1))
        pays_by_size = refuses or "options" in raised
        assert before.lowerable_at(figure) == NOW + 1 + DAY
        if pays_by_size:
            with pytest.raises(WrongState, match=f"{figure} raised lately"):
                await shares.change(PLACE, {**lowered, "metadata": {"a": "b"}}, Claim(now=NOW + DAY))
            assert await shares.get(PLACE) == before
        await shares.change(PLACE, lowered, Claim(now=NOW + DAY + 1 if pays_by_size else NOW + 2))
        await store.close()

    asyncio.run(story())
