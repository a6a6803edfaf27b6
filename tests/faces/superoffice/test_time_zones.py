"""GET TimeZone: every code that it tells is taken by SO-TimeZone."""

from __future__ import annotations

import pytest
from tests.faces.superoffice.site import Site

PATH = "/api/v1/TimeZone"


def test_get_time_zones_archive(site: Site) -> None:
    """Codes with countries and cities; what stands as PrimaryKey is taken by the header, number or code."""
    rows = site.call("GET", PATH.lower()).json()["value"]
    by_code = {row["TZLocationCode"]: row for row in rows}
    assert by_code["NO"] == {
        "PrimaryKey": "261", "EntityName": "timezone", "TZLocationCode": "NO", "Name": "Norway",
        "TZLocationCities": "Oslo",
    }  # fmt: skip
    assert by_code["US-AK"]["Name"] == "United States - AK"
    id = site.start()
    site.running(id)
    for key in ("261", "US-AK", by_code["JP"]["PrimaryKey"]):
        assert site.info(id, **{"SO-TimeZone": key})["LastStarted"] != "0001-01-01T00:00:00"


def test_get_time_zones_archive_in_parts(site: Site) -> None:
    """$select, $top and $skip, with a link to what follows."""
    first = site.call("GET", PATH, params={"$top": "2", "$select": "name"}).json()
    assert [set(row) for row in first["value"]] == [{"PrimaryKey", "EntityName", "Name"}] * 2
    second = site.call("GET", first["odata.nextLink"].removeprefix(site.url)).json()["value"]
    assert set(second[0]) == {"PrimaryKey", "EntityName", "Name"}
    every = site.call("GET", PATH).json()
    assert [row["PrimaryKey"] for row in (*first["value"], *second)] == [
        row["PrimaryKey"] for row in every["value"][:4]
    ]
    assert every["odata.nextLink"] is None


@pytest.mark.parametrize("query", [{"$filter": "name eq 'x'"}, {"$orderby": "name"}, {"$select": "x"}, {"$top": "x"}])
def test_get_time_zones_archive_refuses(site: Site, query: dict[str, str]) -> None:
    """What the list does not take is 400; without credentials there is none."""
    assert site.call("GET", PATH, params=query).status_code == 400
    assert site.call("GET", PATH, auth=None).status_code == 401
