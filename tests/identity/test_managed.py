"""The managed identity of development mode: to whom it gives tokens, and which."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from linarite.http.messages import Request, Response
from linarite.identity import issuing
from linarite.identity.managed import ManagedIdentity

NOW = 1_800_000_000
KEY = generate_private_key(65537, 2048)
GOOD = "resource=https%3A%2F%2Fbatch.core.windows.net%2F&api-version=2019-08-01"


@pytest.fixture
def managed(tmp_path: Path) -> ManagedIdentity:
    return ManagedIdentity(KEY, tmp_path)


async def _no_body() -> dict[str, Any]:
    raise AssertionError


def ask(managed: ManagedIdentity, query: str = GOOD, **changes: Any) -> Response | None:
    headers = {"x-identity-header": managed.header, "metadata": "true", **changes.pop("headers", {})}
    scope = {
        "method": "GET", "path": "/msi/token", "query_string": query.encode(), "client": ("127.0.0.1", 5),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()], **changes,
    }  # fmt: skip
    return managed.answer(Request(scope, _no_body, id="id", now=NOW * 1_000_000))


def told(answer: Response | None) -> tuple[int, Any]:
    assert answer is not None
    assert not isinstance(answer.body, AsyncIterator)
    return answer.status, json.loads(answer.body)


def test_a_token_for_the_resource_is_given(managed: ManagedIdentity) -> None:
    status, shown = told(ask(managed))
    assert (status, shown["token_type"], shown["resource"]) == (200, "Bearer", "https://batch.core.windows.net/")
    assert shown["expires_on"] == str(NOW + 24 * 3600)
    claims = jwt.decode(shown["access_token"], KEY.public_key(), ["RS256"], {"verify_exp": False, "verify_aud": False,
        "verify_nbf": False, "verify_iat": False})  # fmt: skip
    assert (claims["iss"], claims["aud"], claims["roles"]) == (issuing.ISSUER, shown["resource"], ["admin"])
    assert "account" not in claims, "the request that bears it names the account"


def test_a_client_id_is_the_account_that_the_token_is_for(managed: ManagedIdentity) -> None:
    _, shown = told(ask(managed, f"{GOOD}&client_id=team"))
    assert shown["client_id"] == "team"
    assert jwt.decode(shown["access_token"], options={"verify_signature": False})["account"] == "team"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": {"x-identity-header": "guess"}}, 401),
        ({"headers": {"x-identity-header": ""}}, 401),
        ({"headers": {"x-identity-header": "\u00e9"}}, 401),
        ({"client": ("192.0.2.7", 5)}, 403),
        ({"client": None}, 403),
        ({"headers": {"x-forwarded-for": "192.0.2.7"}}, 403),
        ({"headers": {"forwarded": "for=192.0.2.7"}}, 403),
        ({"method": "POST"}, 405),
        ({"query": "resource=x"}, 400),
        ({"query": "resource=x&api-version=2017-09-01"}, 400),
        ({"query": "api-version=2019-08-01"}, 400),
        ({"query": f"resource={'x' * 2049}&api-version=2019-08-01"}, 400),
        ({"query": f"{GOOD}&client_id=No-Account"}, 400),
    ],
)
def test_any_other_request_is_refused(managed: ManagedIdentity, changes: dict[str, Any], status: int) -> None:
    found, shown = told(ask(managed, **changes))
    assert (found, shown["statusCode"]) == (status, status)
    assert managed.header not in shown["message"]
    assert "access_token" not in shown


def test_every_other_path_is_the_faces_own(managed: ManagedIdentity) -> None:
    assert ask(managed, path="/msi/token/") is None
    assert ask(managed, path="/pools") is None


def test_the_header_is_random_and_kept(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    first, again = (ManagedIdentity(KEY, folders[0]).header for _ in range(2))
    assert first == again
    assert first != ManagedIdentity(KEY, folders[1]).header
    assert (folders[0] / "identity-header").stat().st_mode & 0o777 == 0o600
