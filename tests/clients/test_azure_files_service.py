"""Properties of the file service, and what they do: the real client, then pages of other sites, then refusals."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from azure.storage.fileshare import (
    CorsRule,
    Metrics,
    RetentionPolicy,
    ShareProtocolSettings,
    ShareServiceClient,
    ShareSmbSettings,
    SmbEncryptionInTransit,
    SmbMultichannel,
)  # fmt: skip
from tests.support.azure_files import KEY, FileService, Raw, file_service

SERVICE = "?restype=service&comp=properties"
PAGE = {"Origin": "https://page.example"}
METRICS = "<Version>1.0</Version><Enabled>false</Enabled><RetentionPolicy><Enabled>false</Enabled></RetentionPolicy>"
RULE = (
    "<CorsRule><AllowedOrigins>{}</AllowedOrigins><AllowedMethods>{}</AllowedMethods><AllowedHeaders>{}</AllowedHeaders>"
    "<ExposedHeaders>etag,x-ms-meta-*</ExposedHeaders><MaxAgeInSeconds>{}</MaxAgeInSeconds></CorsRule>"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


def account(request: pytest.FixtureRequest) -> str:
    return f"a{abs(hash(request.node.name)):x}"


@pytest.fixture
def client(service: FileService, request: pytest.FixtureRequest) -> ShareServiceClient:
    return ShareServiceClient(f"{service.url}/{account(request)}", credential=KEY, retry_total=0)


@pytest.fixture
def raw(service: FileService, request: pytest.FixtureRequest) -> Raw:
    return Raw(service, account(request))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


def document(inner: str) -> bytes:
    return f"<StorageServiceProperties>{inner}</StorageServiceProperties>".encode()


def allow(raw: Raw, *rules: str) -> None:
    raw("PUT", SERVICE, body=document(f"<Cors>{''.join(rules)}</Cors>")).raise_for_status()


def preflight(raw: Raw, method: str | None, headers: str | None = None, **more: str) -> httpx.Response:
    """As a browser asks: unsigned."""
    fields = {**PAGE, **more}
    if method:
        fields["Access-Control-Request-Method"] = method
    if headers is not None:
        fields["Access-Control-Request-Headers"] = headers
    return raw.http.request("OPTIONS", f"/{raw.account}/share/file", headers=fields)


@pytest.mark.operation("Get File Service Properties")
def test_a_new_account_collects_nothing_and_allows_no_page(client: ShareServiceClient) -> None:
    found = client.get_service_properties()
    assert (found["hour_metrics"].enabled, found["minute_metrics"].enabled, found["cors"]) == (False, False, [])
    assert found["protocol"].smb.multichannel.enabled is False


@pytest.mark.operation("Set File Service Properties", "Get File Service Properties")
def test_what_is_not_sent_stays(client: ShareServiceClient) -> None:
    """Each part by itself."""
    metrics = Metrics(enabled=True, include_apis=True, retention_policy=RetentionPolicy(enabled=True, days=5))
    rule = CorsRule(
        ["https://a.example", "*"], ["GET", "PUT"], max_age_in_seconds=500,
        exposed_headers=["x-ms-meta-*", "etag"], allowed_headers=["x-ms-*"],
    )  # fmt: skip
    client.set_service_properties(hour_metrics=metrics, cors=[rule])
    smb = ShareSmbSettings(
        multichannel=SmbMultichannel(enabled=True), encryption_in_transit=SmbEncryptionInTransit(required=True)
    )
    client.set_service_properties(protocol=ShareProtocolSettings(smb=smb))
    found = client.get_service_properties()
    hour, (kept,) = found["hour_metrics"], found["cors"]
    assert (hour.enabled, hour.include_apis, hour.retention_policy.days) == (True, True, 5)
    assert found["minute_metrics"].enabled is False
    assert (kept.allowed_origins, kept.allowed_methods) == ("https://a.example,*", "GET,PUT")
    assert (kept.allowed_headers, kept.exposed_headers) == ("x-ms-*", "x-ms-meta-*,etag")
    assert kept.max_age_in_seconds == 500
    assert found["protocol"].smb.multichannel.enabled is True
    assert found["protocol"].smb.encryption_in_transit.required is True
    client.set_service_properties(cors=[])
    assert client.get_service_properties()["cors"] == []


@pytest.mark.operation("Set File Service Properties")
@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"<StorageServiceProperties>", "InvalidXmlDocument"),
        (b"<Other />", "InvalidXmlDocument"),
        (document("<Logging />"), "InvalidXmlDocument"),
        (document("<HourMetrics><Enabled>false</Enabled></HourMetrics>"), "MissingRequiredXmlNode"),
        (document(f"<HourMetrics>{METRICS.replace('1.0', '2.0')}</HourMetrics>"), "InvalidXmlNodeValue"),
        (document(f"<HourMetrics>{METRICS.replace('false', 'true', 1)}</HourMetrics>"), "MissingRequiredXmlNode"),
        (document(f"<HourMetrics>{METRICS.replace('false', 'maybe', 1)}</HourMetrics>"), "InvalidXmlNodeValue"),
        (
            document("<MinuteMetrics>" + METRICS.replace("false</Enabled></R", "true</Enabled><Days>366</Days></R")
                     + "</MinuteMetrics>"),
            "InvalidXmlNodeValue",
        ),
        (document(f"<Cors>{6 * RULE.format('*', 'GET', '', 1)}</Cors>"), "InvalidXmlDocument"),
        (document(f"<Cors>{RULE.format('', 'GET', '', 1)}</Cors>"), "InvalidXmlNodeValue"),
        (document(f"<Cors>{RULE.format('*', 'FETCH', '', 1)}</Cors>"), "InvalidXmlNodeValue"),
        (document(f"<Cors>{RULE.format('*', 'GET', 'a*b', 1)}</Cors>"), "InvalidXmlNodeValue"),
        (document(f"<Cors>{RULE.format('*', 'GET', 'a-*,b-*,c-*', 1)}</Cors>"), "InvalidXmlNodeValue"),
        (document(f"<Cors>{RULE.format('*', 'GET', 'a' * 257, 1)}</Cors>"), "InvalidXmlNodeValue"),
        (document(f"<Cors>{RULE.format('*', 'GET', '', -1)}</Cors>"), "InvalidXmlNodeValue"),
        (
            document("<ProtocolSettings><SMB><Multichannel><Enabled>1</Enabled></Multichannel></SMB></ProtocolSettings>"),
            "InvalidXmlNodeValue",
        ),
    ],
)  # fmt: skip
def test_a_body_that_is_not_as_it_should_be_is_refused(raw: Raw, body: bytes, refusal: str) -> None:
    """And nothing of it is kept."""
    before = raw("GET", SERVICE).content
    assert code(raw("PUT", SERVICE, body=body)) == (400, refusal)
    assert raw("GET", SERVICE).content == before


@pytest.mark.operation("Preflight File Request")
def test_a_page_that_a_rule_allows_is_told_so(raw: Raw) -> None:
    """Before it asks, and in the answer; credentials only where its site is named."""
    allow(raw, RULE.format("https://page.example", "GET,PUT", "x-ms-*,authorization", 60))
    answer = preflight(raw, "PUT", "x-ms-date, Authorization")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE["Origin"]
    assert answer.headers["access-control-allow-methods"] == "PUT"
    assert answer.headers["access-control-allow-headers"] == "x-ms-date, Authorization"
    assert answer.headers["access-control-max-age"] == "60"
    assert answer.headers["access-control-allow-credentials"] == "true"
    listed = raw("GET", "?comp=list", PAGE)
    assert listed.headers["access-control-allow-origin"] == PAGE["Origin"]
    assert listed.headers["access-control-expose-headers"] == "etag"
    assert listed.headers["vary"] == "Origin"
    refused = raw("GET", "nothing?restype=share", PAGE)
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (404, PAGE["Origin"])


@pytest.mark.operation("Preflight File Request")
def test_a_rule_for_every_page_names_none(raw: Raw) -> None:
    allow(raw, RULE.format("*", "GET", "*", 5))
    answer = preflight(raw, "GET", "anything")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.operation("Preflight File Request")
def test_a_page_that_no_rule_allows_is_refused(raw: Raw) -> None:
    """By its site, its method or its headers; an answer to it then names no site."""
    assert code(preflight(raw, "GET")) == (403, "CorsPreflightFailure")
    allow(raw, RULE.format("https://page.example", "GET", "x-ms-date", 60))
    assert code(preflight(raw, "PUT")) == (403, "CorsPreflightFailure")
    assert code(preflight(raw, "GET", "x-ms-version")) == (403, "CorsPreflightFailure")
    assert code(preflight(raw, "GET", Origin="https://PAGE.example")) == (403, "CorsPreflightFailure")
    assert code(preflight(raw, None)) == (400, "MissingRequiredHeader")
    answer = raw("GET", "?comp=list", {"Origin": "https://other.example"})
    assert (answer.status_code, answer.headers["vary"]) == (200, "Origin")
    assert "access-control-allow-origin" not in answer.headers
    put = raw("PUT", "nothing?restype=share&comp=metadata", {"Origin": "https://other.example"})
    assert "vary" not in put.headers


@pytest.mark.operation("Preflight File Request")
def test_who_is_no_page_is_told_what_caches_need(raw: Raw) -> None:
    """An answer that depends on who asks says so to all; one that does not is for every page. Only to what reads."""
    for origins, wanted in (("https://page.example", (None, "Origin")), ("*", ("*", None))):
        allow(raw, RULE.format(origins, "GET,HEAD,PUT", "*", 5))
        found = raw("GET", "?comp=list").headers
        assert (found.get("access-control-allow-origin"), found.get("vary")) == wanted
        assert "vary" not in raw("PUT", SERVICE, body=document("")).headers
    allow(raw, "")
    assert not {"vary", "access-control-allow-origin"} & set(raw("GET", "?comp=list").headers)


def test_a_pattern_of_headers_names_those_that_are_there(raw: Raw) -> None:
    """So that a browser which reads no `*` shows the page what the rule means."""
    raw("PUT", "exposing?restype=share", {"x-ms-meta-One": "1"}).raise_for_status()
    allow(raw, RULE.format("*", "GET", "*", 5).replace("etag,x-ms-meta-*", "*"))
    answer = raw("GET", "exposing?restype=share", {"Origin": "https://a.example", "x-ms-client-request-id": "me"})
    exposed = answer.headers["access-control-expose-headers"].split(",")
    own = {name for name in answer.headers if not name.startswith("access-control-")}
    assert {name.lower() for name in exposed} == own
    assert len(exposed) == len(own)
    assert {"ETag", "Date", "Content-Length", "Server", "x-ms-meta-One"} <= set(exposed)
