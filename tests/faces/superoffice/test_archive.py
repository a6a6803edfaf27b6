"""The archive BatchTasks: columns, filters, orders and pages, as OData and as the agent's lists (NOTES section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.faces.superoffice.site import Site

from linarite.engine.model import Account, Role, TaskSpec
from linarite.faces.superoffice.columns import COLUMNS

LIST = "/api/v1/BatchTask"
AGENT = "/api/v1/Agents/Archive"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, int]]]:
    """Tasks in all states: done, failed, cleaned, running (at 40), waiting; of dev, of eve, and of nobody."""
    site = Site(tmp_path_factory.mktemp("archive"))
    site.eve = site.user("eve", Role.WRITE)
    ids = {
        "done": site.start(description="O'Brien's 100% export", request="week=40"),
        "failed": site.start("slow", description="Alpha"),
        "cleaned": site.start(description="beta_gamma"),
        "running": site.start("held fast", DetailsTable=5, DetailsRecord=77),
    }
    site.finish(ids["done"])
    for _ in range(3):
        site.finish(ids["failed"], 3)
    site.until(ids["failed"], "Failed")
    site.finish(ids["cleaned"])
    site.until(ids["cleaned"], "Succeeded")
    site.call("PUT", f"{LIST}/{ids['cleaned']}", json={"State": "SucceededManualCleanup"})
    site.tell(ids["running"], '{"percent": 40, "description": "loading"}')
    later = {"not_before": 2**60}
    [ids["hers"]] = site.foreign("hers", TaskSpec(id="t", command="true", display_name="Hers"), owner="Eve", **later)
    [ids["nobody"]] = site.foreign("nobodys", TaskSpec(id="t", command="true"), display_name="Other", **later)
    yield site, ids
    site.close()


def listed(site: Site, **query: Any) -> Any:
    answer = site.call("GET", LIST, params={f"${name}": value for name, value in query.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(kept: tuple[Site, dict[str, int]], rows: list[dict[str, Any]]) -> list[str]:
    _, ids = kept
    by_id = {str(id): name for name, id in ids.items()}
    return [by_id[str(row["PrimaryKey"])] for row in rows]


ALL = {"done", "failed", "cleaned", "running", "hers", "nobody"}
FILTERS = {
    "State eq 3": {"running"},
    "state = 'Started'": {"running"},
    "State ge 4": {"done", "failed", "cleaned"},
    "State between (1, 3)": {"running", "hers", "nobody"},
    "State in (4, 6)": {"done", "cleaned"},
    "State notOneOf (4, 6, 1)": {"failed", "running"},
    "State ne 1 and State ne 3": {"done", "failed", "cleaned"},
    "DefinitionName eq 'SLOW'": {"failed"},
    "DefinitionName begins 'n'": {"done", "cleaned"},
    "definitionname contains 'HER'": {"hers", "nobody"},
    "DefinitionName notContains 'e'": {"failed"},
    "startswith(DefinitionName, 'held')": {"running"},
    "endswith(DefinitionName,'export')": {"done", "cleaned"},
    "substringof('fast', DefinitionName)": {"running"},
    "Description eq 'O''Brien''s 100% export'": {"done"},
    "Description contains 'O\\'Brien'": {"done"},
    "Description contains '100%'": {"done"},
    "Description contains '0_e'": set(),
    "Description contains 'a_g'": {"cleaned"},
    "Description isNot 'alpha' and Description set": {"done", "cleaned", "hers"},
    "Description notBegins 'O' and State ge 4": {"failed", "cleaned"},
    "DefinitionId gt 0": {"done", "failed", "cleaned", "running"},
    "DefinitionTimeOut eq 30": {"failed"},
    "DetailsTable eq 5 and DetailsRecord eq [I:77]": {"running"},
    "DbTag is 'devaccount'": ALL,
    "Request eq 'week=40'": {"done"},
    "StartCount gt 1": {"failed"},
    "StartCount set": {"done", "failed", "cleaned", "running"},
    "ProgressPercent eq 40": {"running"},
    "ProgressPercent lt 100": {"failed", "running", "hers", "nobody"},
    "ProgressDescription is 'loading'": {"running"},
    "LastStarted set": {"done", "failed", "cleaned", "running"},
    "LastStarted today": {"done", "failed", "cleaned", "running"},
    "registeredDate thisYear": ALL,
    "registeredDate thisWeek": ALL,
    "registeredDate thisMonth and registeredDate thisQuarter and registeredDate thisHalf": ALL,
    "registeredDate lastWeek or registeredDate nextMonth": set(),
    "registeredDate beforeToday or registeredDate afterToday": set(),
    "registeredDate after '2020-01-01' and registeredDate before '2999.1.1'": ALL,
    "registeredDate gt 2020-01-01T10:00:00Z": ALL,
    "registeredDate dateBetween ('2020.1.1', '2021.1.1')": set(),
    "updatedDate date '2020-01-01'": set(),
    "registeredBy currentAssociate": {"done", "failed", "cleaned", "running"},
    "registeredBy eq 0": {"nobody"},
    "registeredBy associateIsOneOf (0, 1)": {"done", "failed", "cleaned", "running", "nobody"},
    "registeredBy associateIsNotOneOf (0, 1)": {"hers"},
    "updatedBy currentAssociate": {"done", "failed", "cleaned", "running"},
    "getAllRows eq true": ALL,
    "getNoRows = true": set(),
    "getNoRows eq false and State eq 3": {"running"},
    "State eq 3 or State eq 4 and DefinitionName eq 'slow'": {"running"},
    "(State eq 3 OR State eq 5) AND (DefinitionName eq 'slow')": {"failed"},
    "": ALL,
}


@pytest.mark.parametrize("text", FILTERS)
def test_get_all_is_filtered_as_get_archive_list_by_columns2(kept: tuple[Site, dict[str, int]], text: str) -> None:
    """Every operator of every kind of column; the agent's restrictions in text mean the same."""
    site, _ = kept
    assert set(names(kept, listed(site, filter=text)["value"])) == FILTERS[text]
    body = {"providerName": "BatchTasks", "restrictions": text, "columns": "State"}
    answer = site.call("POST", f"{AGENT}/GetArchiveListByColumns2", json=body)
    assert set(names(kept, answer.json())) == FILTERS[text]


BAD = [
    "Nothing eq 1", "State eq", "State eq 'many'", "State begins 'x'", "State like 3", "State eq 3 and", "(State eq 3",
    "State eq 3)", "Description lt 'a'", "Description between ('a','b')", "registeredDate eq 'yesterday'",
    "registeredDate thisAge",
    "registeredDate eq '2020-13-01'", "registeredDate after '9999-12-31'", "registeredDate dateBetween ('2020-01-01')",
    "length(Description, 'x')", "State between (1)", "State eq 99999999999999999999", "'x' eq State",
    "State eq 3; drop table tasks",
    "(" * 60 + "State eq 3" + ")" * 60, "or ".join(["State eq 3 "] * 600), "getAllRows gt 3",
    "\x00", "Description eq 'a\x00b'",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD)
def test_a_filter_that_cannot_be_is_400(kept: tuple[Site, dict[str, int]], text: str) -> None:
    """Unknown columns and operators, and what is no filter, in the protocol's own words."""
    site, _ = kept
    answer = site.call("GET", LIST, params={"$filter": text})
    assert (answer.status_code, answer.json()["Message"]) == (400, "The request is invalid."), answer.text
    assert answer.json()["MessageDetail"]


ORDERS = {
    "State": ["hers", "nobody", "running", "done", "failed", "cleaned"],
    "state desc,Description": ["cleaned", "failed", "done", "running", "nobody", "hers"],
    "registeredBy desc": ["hers", "done", "failed", "cleaned", "running", "nobody"],
    "DefinitionName asc": ["running", "hers", "done", "cleaned", "nobody", "failed"],
    "ProgressPercent desc": ["done", "cleaned", "running", "failed", "hers", "nobody"],
    "registeredDate desc": ["nobody", "hers", "running", "cleaned", "failed", "done"],
    "": ["done", "failed", "cleaned", "running", "hers", "nobody"],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("spelling", ["orderby", "orderBy"])
def test_get_all_is_ordered_and_paged(kept: tuple[Site, dict[str, int]], order: str, spelling: str) -> None:
    """By one or several columns, texts without regard to case; the links lead through all of it, two at a time."""
    site, _ = kept
    found, path = list[str](), f"{LIST}?$top=2&${spelling}={order}"
    while path:
        answer = site.call("GET", path).json()
        assert len(answer["value"]) <= 2
        found += names(kept, answer["value"])
        path = (answer["odata.nextLink"] or "").removeprefix(site.url)
    assert found == ORDERS[order]


@pytest.mark.parametrize(
    "query",
    [
        {"orderby": "Request"}, {"orderby": "Nothing"}, {"orderby": "State up"}, {"orderby": "State asc desc"},
        {"select": "Nothing"}, {"select": "Count(State):Footer"}, {"top": "-1"}, {"skip": "x"}, {"mode": "Some"},
        {"output": "x"}, {"format": "pdf"},
    ],
)  # fmt: skip
def test_options_that_cannot_be_are_400(kept: tuple[Site, dict[str, int]], query: dict[str, str]) -> None:
    """Each option that the list has not."""
    site, _ = kept
    assert site.call("GET", LIST, params={f"${name}": value for name, value in query.items()}).status_code == 400


def test_rows_show_what_is_selected(kept: tuple[Site, dict[str, int]]) -> None:
    """Slim by default, with the archive's own names; display values; full with both; without a selection all."""
    site, ids = kept
    query = {"select": "definitionname, STATE,ProgressPercent,RegisteredBy", "filter": "State eq 3"}
    assert listed(site, **query) == {
        "odata.metadata": f"{site.url}/api/v1/BatchTask/$metadata",
        "odata.nextLink": None,
        "value": [
            {
                "PrimaryKey": str(ids["running"]), "EntityName": "batchtask", "DefinitionName": "held fast", "State": 3,
                "ProgressPercent": 40, "registeredBy": 1,
            }
        ],
    }  # fmt: skip
    [row] = listed(site, **query, output="Display")["value"]
    assert (row["State"], row["ProgressPercent"]) == ("Started", "40")
    [row] = listed(site, **query, mode="Full")["value"]
    assert row["Column"]["State"] == {"RawValue": 3, "DisplayValue": "Started", "LinkHint": "", "TooltipHint": ""}
    assert set(row) == {"PrimaryKey", "EntityName", "StyleHint", "LinkHint", "TableRight", "Column"}
    [row] = listed(site, filter="State eq 3")["value"]
    assert set(row) == {
        "PrimaryKey",
        "EntityName",
        *(column.name for column in COLUMNS.values() if column.kind != "bool"),
    }
    assert listed(site, entities="contact")["value"] == []
    assert len(listed(site, entities="Contact, BatchTask")["value"]) == 6
    assert listed(site, top="0") | {"odata.metadata": ""} == {"odata.metadata": "", "odata.nextLink": None, "value": []}
    assert "odata_nextLink" in listed(site, jsonSafe="true")


def test_rows_have_dates_of_zone_and_culture(kept: tuple[Site, dict[str, int]]) -> None:
    """Logical dates in the zone asked for, displayed ones as the culture writes them."""
    site, ids = kept
    info = site.info(ids["running"], **{"SO-TimeZone": "NO"})
    query = {"$filter": "State eq 3", "$select": "LastStarted,registeredDate"}
    headers = {"SO-TimeZone": "NO", "SO-Language": "en", "SO-Culture": "nb-NO"}
    [row] = site.call("GET", LIST, params=query, headers=headers).json()["value"]
    assert row["LastStarted"] == info["LastStarted"]
    [row] = site.call("GET", LIST, params=query | {"$output": "Display"}, headers=headers).json()["value"]
    year, month, day = info["LastStarted"][:10].split("-")
    assert row["LastStarted"] == f"{day}.{month}.{year} {info['LastStarted'][11:16]}"


def test_post_archive_gives_what_get_archive_does(kept: tuple[Site, dict[str, int]]) -> None:
    """The same list at Archive/BatchTasks, in any case of the path, asked by a query or a body."""
    site, _ = kept
    got = site.call("GET", "/api/v1/archive/batchtasks", params={"$filter": "State eq 3", "$select": "State"}).json()
    body = {"filter": "State eq 3", "$select": "State"}
    assert names(kept, got["value"]) == ["running"]
    for answer in (post_archive(site, body), site.call("POST", "/api/v1/Archive/BatchTasks", data=body)):
        assert (answer.status_code, answer.json()["value"]) == (200, got["value"])


def post_archive(site: Site, body: dict[str, str]) -> Any:
    return site.call("POST", "/api/v1/Archive/BatchTasks", json=body)


@pytest.mark.parametrize("path", ["/api/v1/Archive/BatchTasks/$metadata", "/api/v1/BatchTask/$metadata"])
def test_get_metadata_tells_the_columns(kept: tuple[Site, dict[str, int]], path: str) -> None:
    """Names and what a list may be ordered by, in JSON and XML."""
    site, _ = kept
    columns = site.call("GET", path).json()
    assert len(columns) == 21
    assert {column["Name"]: column["CanOrderBy"] for column in columns}["Request"] is False
    text = site.call("GET", path, headers={"Accept": "application/xml"}).text
    assert "<ArchiveColumn><Name>DefinitionId</Name>" in text, text


def test_get_all_in_the_format_asked_for(kept: tuple[Site, dict[str, int]]) -> None:
    """$format beats Accept, either way."""
    site, ids = kept
    query = {"$filter": "State eq 3", "$select": "State"}
    text = site.call("GET", LIST, params=query | {"$format": "xml"}).text
    assert f"<PrimaryKey>{ids['running']}</PrimaryKey>" in text
    answer = site.call("GET", LIST, params=query | {"$format": "JSON"}, headers={"Accept": "text/xml"})
    assert answer.json()["value"][0]["State"] == 3


def test_get_archive_list_by_columns_takes_objects(kept: tuple[Site, dict[str, int]]) -> None:
    """Restrictions joined by And and Or, inactive ones left out, orders, pages; display values are texts."""
    site, ids = kept

    def ask(**arguments: Any) -> Any:
        body = {
            "ProviderName": "batchtasks",
            "Columns": ["State", "Description"],
            "Page": 0,
            "PageSize": 10,
            **arguments,
        }
        answer = site.call("POST", f"{AGENT}/GetArchiveListByColumns", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def test(name: str, operator: str, *values: str, **more: Any) -> dict[str, Any]:
        return {"Name": name, "Operator": operator, "Values": list(values), "IsActive": True, **more}

    restrictions = [
        test("State", "equals", "[I:3]", InterOperator="Or"),
        test("State", "=", "4", InterOperator="And"),
        test("DefinitionName", "begins", "nightly"),
        test("Nonsense", "=", "1", IsActive=False),
    ]
    order = [{"Name": "State", "Direction": "DESC"}]
    rows = ask(Restriction=restrictions, SortOrder=order, Entities=["batchtask"])
    assert names(kept, rows) == ["done", "running"]
    assert rows[1]["PrimaryKey"] == ids["running"]
    assert rows[1]["ColumnData"]["State"] == {"DisplayValue": "[I:3]", "TooltipHint": "", "LinkHint": ""}
    assert names(kept, ask(SortOrder=order, Page=1, PageSize=4)) == ["hers", "nobody"]
    assert ask(Entities=["contact"]) == []


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"ProviderName": "Contacts"}, 404),
        ({}, 404),
        ({"ProviderName": "BatchTasks", "Restriction": "State = 3"}, 400),
        ({"ProviderName": "BatchTasks", "Restriction": [7]}, 400),
        ({"ProviderName": "BatchTasks", "Restriction": [{"Name": "State", "Operator": "?"}]}, 400),
        ({"ProviderName": "BatchTasks", "Restriction": [{"Name": "State", "InterParenthesis": 1}]}, 400),
        ({"ProviderName": "BatchTasks", "Columns": ["Nothing"]}, 400),
        ({"ProviderName": "BatchTasks", "SortOrder": [{"Name": "Request"}]}, 400),
        ({"ProviderName": "BatchTasks", "PageSize": -1}, 400),
    ],
)
def test_get_archive_list_by_columns_refuses(
    kept: tuple[Site, dict[str, int]], arguments: dict[str, Any], status: int
) -> None:
    """Archives, columns and restrictions that there are not."""
    site, _ = kept
    assert site.call("POST", f"{AGENT}/GetArchiveListByColumns", json=arguments).status_code == status


def test_each_account_lists_its_own(kept: tuple[Site, dict[str, int]]) -> None:
    """Nothing of another account is found, whatever is asked; without credentials nothing at all."""
    site, _ = kept
    account = Account(key=0, name="other", key1="", key2="", created_at=1)
    site.run(site.store.write(lambda tx: tx.accounts.insert(account)))
    other = site.user("oscar", Role.ADMIN, account="other")
    assert site.call("GET", LIST, auth=other).json()["value"] == []
    assert site.call("GET", LIST, auth=None).status_code == 401
