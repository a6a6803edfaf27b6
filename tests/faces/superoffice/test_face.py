"""What holds for every operation: form of the answer, languages, zones, refusals, discovery."""

from __future__ import annotations

import json
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest
from tests.faces.superoffice.site import Site

from linarite.engine import errors
from linarite.engine.access import Unauthenticated
from linarite.engine.errors import EngineError
from linarite.faces.superoffice.errors import TABLE


def family(kind: type[EngineError]) -> set[type[EngineError]]:
    return {kind}.union(*(family(child) for child in kind.__subclasses__()))


def test_error_table_is_total() -> None:
    """Every refusal of the engine has its status."""
    own = {kind for kind in family(EngineError) if kind.__module__ in {errors.__name__, Unauthenticated.__module__}}
    assert own - set(TABLE) == {EngineError}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/json", "text/json"),
        ("application/xml", "application/xml"),
        ("TEXT/XML", "text/xml"),
        ("application/json-patch+json", "application/json-patch+json"),
        ("application/merge-patch+json", "application/merge-patch+json"),
        ("application/json;q=0.5, text/xml;q=0.9", "text/xml"),
        ("text/xml;q=0, application/json", "application/json"),
    ],
)
def test_get_batch_task_info_in_the_form_that_accept_names(site: Site, accept: str | None, content_type: str) -> None:
    """Accept chooses among the six types; JSON when it names none of them."""
    id = site.start()
    answer = site.call("GET", f"/api/v1/BatchTask/{id}", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == f"{content_type}; charset=utf-8"
    if "xml" in content_type:
        assert ET.fromstring(answer.content).findtext("Id") == str(id)
    else:
        assert answer.json()["Id"] == id


def test_get_batch_task_info_as_xml_tells_the_same(site: Site) -> None:
    """XML holds the same tree without a namespace; a parameter is an Item with its Key."""
    id = site.start(Description='<a & "b">', ParameterObject={"format <>": "csv & more"})
    site.finish(id, stdout="red \x1b[31m")
    info = site.info(id)
    root = ET.fromstring(site.call("GET", f"/api/v1/BatchTask/{id}", headers={"Accept": "application/xml"}).content)
    assert root.tag == "BatchTaskInfo"
    assert [child.tag for child in root] == list(info)
    [item] = root.findall("ParameterObject/Item")
    assert (item.get("Key"), item.text) == ("format <>", "csv & more")
    assert (root.findtext("Description"), root.findtext("IsSystemTask")) == (info["Description"], "false")
    assert root.findtext("TableRight/Mask") == "FULL"
    assert root.findtext("Response") == "red \ufffd[31m"


def test_answers_that_are_no_object_as_xml(site: Site) -> None:
    """A number, a truth value, a list and a refusal have their elements."""
    xml = {"Accept": "text/xml"}
    started = site.call("POST", "/api/v1/BatchTask", json={"Name": "slow"}, headers=xml)
    id = ET.fromstring(started.content)
    assert id.tag == "int"
    stopped = ET.fromstring(site.call("POST", f"/api/v1/BatchTask/{id.text}/Stop", headers=xml).content)
    assert (stopped.tag, stopped.text) == ("boolean", "true")
    every = ET.fromstring(site.call("GET", "/api/v1/BatchTask/All", headers=xml).content)
    assert (every.tag, {child.tag for child in every}) == ("ArrayOfBatchTaskInfo", {"BatchTaskInfo"})
    missing = site.call("GET", "/api/v1/BatchTask/999999", headers=xml)
    assert missing.status_code == 404
    assert ET.fromstring(missing.content).findtext("ErrorType") == "SoNotFoundException"


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({}, 'NO:"Ukentlig";US:"Weekly";GE:"Woche"'),
        ({"Accept-Language": "en-us; en-gb"}, "Weekly"),
        ({"Accept-Language": "de, en;q=0.5"}, "Woche"),
        ({"Accept-Language": "en", "SO-Language": "nb-no"}, "Ukentlig"),
        ({"Accept-Language": "en", "SO-Language": "x"}, 'NO:"Ukentlig";US:"Weekly";GE:"Woche"'),
        ({"Accept-Language": "*"}, 'NO:"Ukentlig";US:"Weekly";GE:"Woche"'),
        ({"SO-Language": "fr", "SO-Culture": "sv", "SO-AppToken": "token"}, "Weekly"),
    ],
)
def test_get_batch_task_info_in_the_language_asked_for(site: Site, headers: dict[str, str], shown: str) -> None:
    """A text of several languages is given in the one asked for; SO-Language wins; without one it comes raw."""
    id = site.start(Description='NO:"Ukentlig";US:"Weekly";GE:"Woche"', Request='[SR_X] not "two": languages')
    info = site.info(id, **headers)
    assert info["Description"] == shown
    assert info["Request"] == '[SR_X] not "two": languages'


@pytest.mark.parametrize(
    ("header", "hours", "suffix"),
    [
        ("NO", {1, 2}, ""),
        ("261", {1, 2}, ""),
        ("NO, includeTZOffset", {1, 2}, "+0"),
        ("US-NY,includetzoffset", {-5, -4}, "-0"),
        ("UTC,includeTZOffset", {0}, "+0000"),
        ("BD", {6}, ""),
        ("Europe/Oslo", {1, 2}, ""),
        ("", {0}, ""),
    ],
)
def test_get_batch_task_info_in_the_time_zone_asked_for(site: Site, header: str, hours: set[int], suffix: str) -> None:
    """LastStarted is in the zone of a code or a number, Created always in UTC; an offset is given when asked for."""
    id = site.start()
    site.running(id)
    plain = datetime.fromisoformat(site.info(id)["LastStarted"])
    info = site.info(id, **{"SO-TimeZone": header})
    shifted = datetime.fromisoformat(info["LastStarted"][:19])
    assert (shifted - plain).total_seconds() / 3600 in hours
    assert info["LastStarted"][19:].startswith(suffix)
    assert bool(info["LastStarted"][19:]) == bool(suffix)
    assert info["Created"][:19] == site.info(id)["Created"]
    assert info["Created"][19:] == ("+0000" if suffix else "")


@pytest.mark.parametrize("header", ["XX", "99999", "9" * 5000, "No/Where", "../../etc/passwd", "NO\u00e9"])
def test_an_unknown_time_zone_is_400(site: Site, header: str) -> None:
    """A zone that there is not is refused, not silently another."""
    id = site.start()
    answer = site.call("GET", f"/api/v1/BatchTask/{id}", headers={"SO-TimeZone": header.encode("latin-1")})
    assert (answer.status_code, answer.json()["Message"]) == (400, "The request is invalid.")


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"12", b'{"Name":', b"\xff\xfe", b'"text"', b"[" * 100_000, b'{"Name": NaN}']
)
def test_start_batch_job_with_malformed_json_is_400(site: Site, body: bytes) -> None:
    """What is no JSON object is no valid request, and starts nothing."""
    before = len(site.tasks())
    headers = {"Content-Type": "application/json"}
    for path in ("/api/v1/BatchTask", "/api/v1/Agents/Batch/StartBatchJob"):
        answer = site.call("POST", path, data=body, headers=headers)
        assert (answer.status_code, answer.json()["Message"]) == (400, "The request is invalid."), answer.text
    assert len(site.tasks()) == before


@pytest.mark.parametrize(
    "body",
    [
        "<BatchTaskInfo>",
        "<BatchTaskInfo/>",
        "<int>1</int>",
        '<!DOCTYPE x [<!ENTITY a "b">]><BatchTaskInfo><Name>&a;</Name></BatchTaskInfo>',
        "<a>" * 20_000 + "</a>" * 20_000,
    ],
)
def test_start_batch_job_with_malformed_xml_is_400(site: Site, body: str) -> None:
    """XML that is not whole, has a DTD or names nothing starts nothing."""
    before = len(site.tasks())
    answer = site.call("POST", "/api/v1/BatchTask", data=body, headers={"Content-Type": "application/xml"})
    assert answer.status_code == 400, answer.text
    assert len(site.tasks()) == before


def test_start_batch_job_with_a_body_over_the_limit_is_413(site: Site) -> None:
    """A body of more than a mebibyte is not read."""
    answer = site.call("POST", "/api/v1/BatchTask", data=b" " * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["Message"]) == (413, "The request is invalid.")


def test_start_batch_job_with_another_media_type_is_415(site: Site) -> None:
    """A body of another type is refused."""
    answer = site.call("POST", "/api/v1/BatchTask", data=b"Name", headers={"Content-Type": "image/png"})
    assert answer.status_code == 415


def test_start_batch_job_with_a_form(site: Site) -> None:
    """A form may stand in place of JSON."""
    answer = site.call("POST", "/api/v1/BatchTask", data={"name": "slow", "request": "r"})
    assert site.info(answer.json())["Request"] == "r"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/api/v1/BatchTask/1", {"GET", "PUT", "DELETE"}),
        ("POST", "/api/v1/BatchTask/1", {"GET", "PUT", "DELETE"}),
        ("DELETE", "/api/v1/BatchTask", {"GET", "POST"}),
        ("GET", "/api/v1/BatchTask/1/Stop", {"POST"}),
        ("PUT", "/api/v1/Agents/Batch/StopBatchJob", {"GET", "POST"}),
    ],
)
def test_the_wrong_verb_is_405_with_allow(site: Site, method: str, path: str, allow: set[str]) -> None:
    """An address answers a verb that it has not with those that it has."""
    answer = site.call(method, path)
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, allow)
    assert "Message" in answer.json()


@pytest.mark.parametrize("path", ["/api/v1/Contact/1", "/api/v2/BatchTask/1", "/", "/api/v1/BatchTask/1/Simple"])
def test_an_address_that_leads_nowhere_is_404(site: Site, path: str) -> None:
    """What is not there answers in the protocol's shape."""
    answer = site.call("GET", path)
    assert (answer.status_code, set(answer.json())) == (404, {"Message", "MessageDetail"})


def test_discovery_tells_of_version_and_operations_without_credentials(site: Site) -> None:
    """GET /api gives the version, GET /api/v1 every operation."""
    service = site.call("GET", "/API", auth=None).json()
    assert {"Version", "NetServerVersion", "Services"} <= set(service)
    assert service["Services"]["BatchTask"] == f"{site.url}/api/v1/BatchTask"
    operations = site.call("GET", "/api/v1", auth=None).json()
    assert operations[f"{site.url}/api/v1/BatchTask/{{id}}"]["GET"] == "v1Batch_GetBatchTaskInfo"


def test_a_prefix_and_a_public_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A tenant's name comes before every path, and links bear the public address."""
    site = Site(tmp_path_factory.mktemp("so"), prefix="Cust12345", public_url="https://so.example/")
    try:
        assert site.call("GET", "/cust12345/api/v1/BatchTask/1").status_code == 404
        assert "ErrorType" in site.call("GET", "/cust12345/api/v1/BatchTask/1").json()
        assert "Message" in site.call("GET", "/api/v1/BatchTask/1").json()
        services = site.call("GET", "/Cust12345/api").json()["Services"]
        assert services["BatchTask"] == "https://so.example/Cust12345/api/v1/BatchTask"
    finally:
        site.close()


def test_an_error_of_the_server_tells_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure inside is the protocol's own error, without a trace of the code."""
    monkeypatch.setattr("linarite.faces.superoffice.call.carrier", lambda *_: 1 / 0)
    answer = site.call("GET", f"/api/v1/BatchTask/{site.start()}")
    assert answer.status_code == 500
    assert set(json.loads(answer.text)) == {"Error", "ErrorType", "ErrorMessage", "ErrorSource"}
    assert "division" not in answer.text
