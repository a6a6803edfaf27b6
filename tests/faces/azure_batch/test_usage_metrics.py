"""Pool usage metrics, of times that a test wrote into the store before its server began."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer, data_home

from linarite.data import DataFolder
from linarite.engine.usage import NodeSpan
from linarite.store import open_store

MINUTE = 60_000_000
HALF = 30 * MINUTE
LAST = (time.time_ns() // 1000 - 2 * 60 * MINUTE) // HALF * HALF
"""The end of the last interval that is told of."""


def text(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


SPANS = [  # pool, its number, size, cores, begin and end in minutes before LAST
    ("Alpha", 1, "standard_d2_v3", 2, 75, 15),
    ("Alpha", 1, "standard_d2_v3", 2, 20, None),
    ("beta", 2, "standard_a1", 1, 90, 89),
    ("beta", 3, "standard_a2", 4, 50, 40),
    ("old", 4, "small", 1, 60 * 24 * 3, 60 * 24 * 3 - 30),
]


async def fill(path: Path, account: str) -> None:
    """Write the spans, and one of somebody else."""
    store = open_store(path)

    def write(tx: Any) -> None:
        for number, (pool, pool_key, size, cores, begun, ended) in enumerate([*SPANS, ("theirs", 9, "s", 1, 80, None)]):
            tx.usage.open(
                NodeSpan(
                    node_key=number, account="other" if pool == "theirs" else account, pool_key=pool_key, pool=pool,
                    size=size, dedicated=True, cores=cores, started_at=LAST - begun * MINUTE,
                    ended_at=None if ended is None else LAST - ended * MINUTE,
                )
            )  # fmt: skip

    await store.write(write)
    await store.close()


@pytest.fixture(scope="module")
def used() -> Iterator[RawBatch]:
    with data_home() as home:
        folder = DataFolder(home / "data")
        folder.make()
        asyncio.run(fill(folder.database, "used"))
        server = RunningServer(home, {})
        yield RawBatch(server.batch, "used")
        server.terminate()


def entries(batch: RawBatch, **query: str) -> list[tuple[str, int, str, float]]:
    """Pool, begin in minutes before LAST, size and core hours of all entries, links followed."""
    found: list[Any] = []
    target = "/poolusagemetrics?" + "&".join(
        f"{name.replace('_', '$')}={quote(value)}" for name, value in query.items()
    )
    while target:
        page = batch.call("GET", target.rstrip("?"))
        assert page.status == 200, page.body
        found += page.json["value"]
        link = page.json.get("odata.nextLink", "")
        target = f"{urlsplit(link).path}?{urlsplit(link).query}" if link else ""
    for one in found:
        assert set(one) == {"poolId", "startTime", "endTime", "vmSize", "totalCoreHours"}
        assert datetime.fromisoformat(one["endTime"]) - datetime.fromisoformat(one["startTime"]) == HALF_AN_HOUR
    return [
        (one["poolId"], round((LAST / 1_000_000 - datetime.fromisoformat(one["startTime"]).timestamp()) / 60),
         one["vmSize"], round(one["totalCoreHours"], 3))
        for one in found
    ]  # fmt: skip


HALF_AN_HOUR = datetime.fromtimestamp(1800, UTC) - datetime.fromtimestamp(0, UTC)
LATEST = [("Alpha", 30, "standard_d2_v3", round(2 * (15 + 20) / 60, 3))]
NEXT = [("Alpha", 0, "standard_d2_v3", 1.0)]
"""What is told once another half hour has passed since the test began: one node was there all the time."""
EARLIER = [
    ("Alpha", 90, "standard_d2_v3", 0.5),
    ("beta", 90, "standard_a1", round(1 / 60, 3)),
    ("Alpha", 60, "standard_d2_v3", 1.0),
    ("beta", 60, "standard_a2", round(4 * 10 / 60, 3)),
]


def test_usage_metrics_without_times_are_those_of_the_last_interval(used: RawBatch):
    """An interval is told of once it is two hours old, with what all nodes of a pool were there for."""
    assert entries(used) in (LATEST, NEXT)


def test_list_pool_usage_metrics_between_two_times(used: RawBatch):
    """Each interval that lies between them; two pools of one name, of which one is gone, are told apart."""
    since, until = text(LAST - 90 * MINUTE), text(LAST)
    assert entries(used, startTime=since, endtime=until) == [*EARLIER, *LATEST]
    assert entries(used, startTime=since, endtime=until, maxresults="1") == [*EARLIER, *LATEST]
    assert entries(used, startTime=since, endtime=until, maxresults="2") == [*EARLIER, *LATEST]
    assert entries(used, startTime=since, endtime=text(LAST - 60 * MINUTE)) == EARLIER[:2]
    assert entries(used, startTime=text(LAST - 89 * MINUTE), endtime=text(LAST - 40 * MINUTE)) == EARLIER[:2]


def test_usage_metrics_are_filtered_by_pool(used: RawBatch):
    since, until = text(LAST - 90 * MINUTE), text(LAST)
    only = [one for one in EARLIER if one[0] == "beta"]
    assert entries(used, startTime=since, endtime=until, _filter="poolId eq 'BETA'") == only
    assert entries(used, startTime=since, endtime=until, _filter="startswith(poolId,'be')", maxresults="1") == only
    assert entries(used, startTime=since, endtime=until, _filter="poolId eq 'none'") == []


def test_usage_metrics_of_long_ago_are_found_without_looking_at_each_half_hour(used: RawBatch):
    """Times without nodes are passed over."""
    found = entries(used, startTime="2000-01-01T00:00:00Z", endtime=text(LAST))
    assert found[-5:] == [*EARLIER, *LATEST]
    assert {one[0] for one in found[:-5]} == {"old"}
    assert sum(one[3] for one in found[:-5]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("startTime", "now"), ("endtime", "2020"), ("startTime", text(LAST + 5 * 60 * MINUTE)),
        ("endtime", text(LAST + 5 * 60 * MINUTE)), ("startTime", text(LAST + HALF)), ("maxresults", "1001"),
        ("endtime", "2001-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_usage_metrics_of_times_that_cannot_be_are_refused(used: RawBatch, name: str, value: str):
    """No dates, dates within the last two hours, an end before the begin."""
    answer = used.call("GET", f"/poolusagemetrics?{name}={quote(value)}")
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")
    assert answer.values["QueryParameterName"] == name


def test_usage_metrics_filter_by_another_property_is_refused(used: RawBatch):
    answer = used.call("GET", "/poolusagemetrics?$filter=vmSize%20eq%20'small'")
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")


def test_link_of_usage_metrics_is_bound_to_its_times(used: RawBatch):
    """A token of one span of time does not go on in another."""
    query = f"startTime={text(LAST - 90 * MINUTE)}&endtime={text(LAST)}"
    link = urlsplit(used.call("GET", f"/poolusagemetrics?{query}&maxresults=1").json["odata.nextLink"])
    token = next(part for part in link.query.split("&") if part.startswith("$skiptoken="))
    answer = used.call("GET", f"/poolusagemetrics?{token}&startTime={text(LAST - 60 * MINUTE)}&endtime={text(LAST)}")
    assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")


def test_usage_metrics_of_old_versions_have_data_too(used: RawBatch):
    old = RawBatch(used._address.geturl(), used.account, "2018-08-01.7.0")
    query = f"startTime={text(LAST - 90 * MINUTE)}&endtime={text(LAST)}"
    for one in old.call("GET", f"/poolusagemetrics?{query}").json["value"]:
        assert (one["dataIngressGiB"], one["dataEgressGiB"]) == (0, 0)
