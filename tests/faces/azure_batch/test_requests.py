"""What every request meets: authentication, api-version, routes, headers, the shape of a refusal."""

from __future__ import annotations

import base64
import time
from email.utils import formatdate

import jwt
import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import DEVELOPMENT_KEY, RunningServer

from linarite.engine.model import Role
from linarite.faces.azure_batch.versions import KNOWN
from linarite.identity import issuing

OTHER_KEY = "b3RoZXIta2V5"


def test_request_signed_by_shared_key_is_answered(batch: RawBatch):
    answer = batch.call("GET", "/pools")
    assert answer.status == 200
    assert answer.json["value"] == []
    assert answer.json["odata.metadata"].endswith("/$metadata#pools")
    assert answer.headers["content-type"] == "application/json;odata=minimalmetadata"


def test_every_answer_has_the_common_headers(batch: RawBatch):
    for answer in (batch.call("GET", "/pools"), batch.call("GET", "/pools/none"), batch.call("GET", "/x", sign=False)):
        assert answer.headers["dataserviceversion"] == "3.0"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" in answer.headers
        assert len(answer.headers["request-id"]) == 36
        assert "date" in answer.headers
        assert "client-request-id" not in answer.headers


def test_client_request_id_comes_back_when_asked_for(batch: RawBatch):
    named = {"client_request_id": "9C4D50EE-2D56-4CD3-8152-34347DC9F2B0"}
    assert "client-request-id" not in batch.call("GET", "/pools", **named).headers
    answer = batch.call("GET", "/pools", return_client_request_id="true", **named)
    assert answer.headers["client-request-id"] == named["client_request_id"]
    answer = batch.call("GET", "/pools/none", return_client_request_id="True", x_ms_client_request_id="js")
    assert (answer.status, answer.headers["client-request-id"]) == (404, "js")


def test_refusal_has_the_protocols_shape(batch: RawBatch):
    answer = batch.call("GET", "/pools/none")
    assert (answer.status, answer.code) == (404, "PoolNotFound")
    assert answer.json["odata.metadata"].endswith(
        "$metadata#Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"
    )
    message = answer.json["message"]
    assert message["lang"] == "en-US"
    assert f"\nRequestId:{answer.headers['request-id']}\nTime:" in message["value"]


def test_head_that_is_refused_has_no_body(batch: RawBatch):
    answer = batch.call("HEAD", "/pools/none")
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize("header", [None, "Basic ZGV2OmRldg==", "SharedKey", "SharedKey nocolon", "Bearer"])
def test_request_without_a_known_scheme_is_401(batch: RawBatch, header: str | None):
    """With the challenge that tells a client where tokens come from."""
    named = {} if header is None else {"authorization": header}
    answer = batch.call("GET", "/pools", sign=False, **named)
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationInfo")
    assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=")


def test_signature_by_another_key_is_403_with_the_string_to_sign(batch: RawBatch):
    answer = batch.call("GET", "/pools?maxresults=5", key=OTHER_KEY)
    assert (answer.status, answer.code) == (403, "AuthenticationFailed")
    detail = answer.values["AuthenticationErrorDetail"]
    assert f"/{batch.account}/pools\napi-version:2025-06-01\nmaxresults:5'" in detail


def test_unknown_account_name_is_403(server: RunningServer):
    """A name that no account can have, signed with the development key."""
    answer = RawBatch(server.batch, "Not-An-Account!").call("GET", "/pools")
    assert (answer.status, answer.code) == (403, "AuthenticationFailed")


@pytest.mark.parametrize(("age", "status"), [(14 * 60, 200), (-14 * 60, 200), (16 * 60, 403), (-16 * 60, 403)])
def test_date_may_be_15_minutes_off(batch: RawBatch, age: float, status: int):
    answer = batch.call("GET", "/pools", age=age)
    assert answer.status == status
    if status == 403:
        assert "15 minutes" in answer.values["AuthenticationErrorDetail"]


def test_date_header_serves_instead_of_ocp_date(batch: RawBatch):
    now = formatdate(time.time(), usegmt=True)
    assert batch.call("GET", "/pools", date=now, ocp_date="").status in {200, 403}
    assert batch.call("GET", "/pools", ocp_date="no date").status == 403


def test_accounts_see_nothing_of_each_other(batch: RawBatch, server: RunningServer):
    batch.make_job("mine")
    other = RawBatch(server.batch, f"{batch.account}b")
    assert other.call("GET", "/jobs").json["value"] == []
    assert other.call("GET", "/jobs/mine").code == "JobNotFound"


def bearer(**claims: object) -> str:
    body = {"aud": "https://batch.core.windows.net/", "exp": int(time.time()) + 600, "sub": "me", **claims}
    return "Bearer " + jwt.encode(body, base64.b64decode(DEVELOPMENT_KEY), "HS256")


def test_bearer_token_reads_and_writes_the_account_of_its_claim(batch: RawBatch):
    token = bearer(account=batch.account)
    assert (
        batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}}, sign=False, authorization=token).status
        == 201
    )
    assert batch.call("GET", "/jobs/j").status == 200


def test_bearer_token_reaches_the_account_that_the_host_names(batch: RawBatch):
    """Where the Host has the shape of a Batch account's."""
    batch.make_job("j")
    host = f"{batch.account}.local.batch.azure.com"
    answer = batch.call("GET", "/jobs", sign=False, authorization=bearer(), host=host)
    assert [job["id"] for job in answer.json["value"]] == ["j"]
    assert answer.json["value"][0]["url"] == f"http://{host}/jobs/j"


def test_bearer_token_with_the_role_read_may_not_write(batch: RawBatch):
    token = bearer(account=batch.account, roles=["read"])
    assert batch.call("GET", "/jobs", sign=False, authorization=token).status == 200
    answer = batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}}, sign=False, authorization=token)
    assert (answer.status, answer.code) == (403, "InsufficientAccountPermissions")
    assert batch.call("GET", "/jobs").json["value"] == []


@pytest.mark.parametrize(
    ("claims", "detail"), [({"exp": 1}, "expired"), ({"aud": "https://storage.azure.com/"}, "wrong audience")]
)
def test_bearer_token_that_does_not_hold_is_401(batch: RawBatch, claims: dict[str, object], detail: str):
    """With a challenge that says so and asks for no claims: clients that follow challenges do not go round."""
    answer = batch.call("GET", "/jobs", sign=False, authorization=bearer(**claims))
    assert (answer.status, answer.code) == (401, "AuthenticationFailed")
    assert detail in answer.values["AuthenticationErrorDetail"]
    assert answer.headers["www-authenticate"] == (
        'Bearer authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize",'
        ' resource_id="https://batch.core.windows.net/", error="invalid_token"'
    )


def test_bearer_token_of_another_account_is_403(batch: RawBatch):
    host = "another.local.batch.azure.com"
    answer = batch.call("GET", "/jobs", sign=False, authorization=bearer(account=batch.account), host=host)
    assert (answer.status, answer.code) == (403, "InsufficientAccountPermissions")
    assert "another account" in answer.values["Reason"]


def test_bearer_token_without_a_role_is_403(batch: RawBatch, server: RunningServer):
    """A role that is not known is none; a token by the account's key that names none has the key's own."""
    token = bearer(account=batch.account, roles=["Other.Role"])
    assert batch.call("GET", "/jobs", sign=False, authorization=token).status == 200
    key = issuing.signing_key(server.data / "server" / "keys")
    own = issuing.token(key, "https://batch.core.windows.net/", batch.account, Role.READ, 1, int(time.time()))
    claims = jwt.decode(own, options={"verify_signature": False}) | {"roles": ["Other.Role"]}
    answer = batch.call("GET", "/jobs", sign=False, authorization="Bearer " + jwt.encode(claims, key, "RS256"))
    assert (answer.status, answer.code) == (403, "InsufficientAccountPermissions")


def test_missing_api_version_is_refused(server: RunningServer, account: str):
    """The query has something else, so that the raw client adds nothing."""
    answer = RawBatch(server.batch, account, "").call("GET", "/pools?x=api-version")
    assert (answer.status, answer.code) == (400, "MissingRequiredQueryParameter")
    assert answer.values["QueryParameterName"] == "api-version"


def test_unknown_api_version_is_refused(server: RunningServer, account: str):
    answer = RawBatch(server.batch, account, "2015-06-01.2.0").call("GET", "/pools")
    assert (answer.status, answer.code) == (400, "UnsupportedRequestVersion")


@pytest.mark.parametrize("version", sorted(KNOWN))
def test_every_known_api_version_is_served(server: RunningServer, account: str, version: str):
    assert RawBatch(server.batch, account, version).call("GET", "/pools").status == 200


def test_unknown_path_is_404_and_unknown_verb_405(batch: RawBatch):
    answer = batch.call("GET", "/nothing/here")
    assert (answer.status, answer.code) == (404, "ResourceNotFound")
    answer = batch.call("PUT", "/pools")
    assert (answer.status, answer.code) == (405, "UnsupportedHttpVerb")
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "POST"}


def test_operation_of_another_version_is_404(server: RunningServer, account: str):
    """Task counts came with 2017-06-01.5.1."""
    answer = RawBatch(server.batch, account, "2017-05-01.5.0").call("GET", "/jobs/j/taskcounts")
    assert (answer.status, answer.code) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nonsense", b'{"id": "\xff"}', b'"text"', b'{"id": 5}', b"[" * 100_000]
)
def test_malformed_body_is_refused(batch: RawBatch, body: bytes):
    for path in ("/pools", "/jobs"):
        answer = batch.call("POST", path, body)
        assert (answer.status, answer.code) == (400, "InvalidRequestBody")
        assert batch.call("GET", path).json["value"] == []


def test_unknown_property_is_refused_by_its_name(batch: RawBatch):
    answer = batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}, "colour": "blue"})
    assert (answer.status, answer.code) == (400, "InvalidRequestBody")
    assert "colour" in answer.values["Reason"]


def test_body_over_1_mb_is_refused(batch: RawBatch):
    """Clients halve the collection on this answer, so it has to arrive whole."""
    batch.make_job("j")
    answer = batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "x" * 1_100_000})
    assert (answer.status, answer.code) == (413, "RequestBodyTooLarge")
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []


def test_timeout_above_30_is_taken_as_30_and_nonsense_is_refused(batch: RawBatch):
    assert batch.call("GET", "/pools?timeOut=45").status == 200
    assert batch.call("GET", "/pools?timeout=5").status == 200
    for text in ("0", "-1", "soon"):
        assert batch.call("GET", f"/pools?timeOut={text}").code == "InvalidQueryParameterValue"
