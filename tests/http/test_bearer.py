"""Bearer tokens: whose are believed, for whom, and when."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

from linarite.http.bearer import InvalidToken, Issuer, KeySet, OneKey, Verifier

NOW = 1_800_000_000
AUDIENCES = ("https://batch.core.windows.net/",)
KEY = generate_private_key(65537, 2048)
OTHER = generate_private_key(65537, 2048)
SECRET = b"a secret of more than thirty-two bytes"


def _token(key: Any = KEY, algorithm: str = "RS256", kid: str = "one", **claims: Any) -> str:
    whole = {
        "iss": "https://sts.example.org/",
        "aud": "https://batch.core.windows.net",
        "nbf": NOW - 10,
        "exp": NOW + 10,
    }
    given = {name: value for name, value in (whole | claims).items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm, headers={"kid": kid})


def _jwk(key: RSAPrivateKey, kid: str) -> dict[str, Any]:
    return json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "RS256", "use": "sig"}


def _jwks(**keys: RSAPrivateKey) -> str:
    return json.dumps({"keys": [_jwk(key, kid) for kid, key in keys.items()]})


def _verifier(**options: Any) -> Verifier:
    return Verifier([Issuer("https://sts.example.org/", OneKey(KEY.public_key()), **options)])


def _claims(verifier: Verifier, token: str, now: int = NOW) -> dict[str, Any]:
    claims, _ = asyncio.run(verifier.verify(token, AUDIENCES, now))
    return claims


def _refusal(verifier: Verifier, token: str, now: int = NOW) -> str:
    with pytest.raises(InvalidToken) as refused:
        asyncio.run(verifier.verify(token, AUDIENCES, now))
    assert not token or token not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("audience", [AUDIENCES[0], AUDIENCES[0].rstrip("/"), ["x", AUDIENCES[0]]])
def test_a_good_token_gives_its_claims(audience: Any) -> None:
    assert _claims(_verifier(), _token(aud=audience, oid="me"))["oid"] == "me"


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (_token(exp=NOW - 61), "expired"),
        (_token(nbf=NOW + 61), "not valid yet"),
        (_token(exp=None), "malformed"),
        (_token(aud=None), "malformed"),
        (_token(aud="https://storage.azure.com"), "another audience"),
        (_token(aud=[]), "another audience"),
        (_token(aud=[7]), "another audience"),
        (_token(exp="soon"), "malformed"),
        (_token(nbf="soon"), "malformed"),
        (_token(key=OTHER), "does not match"),
        (_token(iss="https://elsewhere.example.org/"), "not trusted"),
        (_token(iss=None), "not trusted"),
        (_token(key="", algorithm="none"), "not allowed"),
        (_token(key=SECRET, algorithm="HS256"), "not allowed"),
        ("", "malformed"),
        ("a.b.c", "malformed"),
        ("é", "malformed"),
        (_token().rpartition(".")[0] + ".AAAA", "does not match"),
    ],
)
def test_a_bad_token_is_refused_with_its_reason(token: str, reason: str) -> None:
    assert reason in _refusal(_verifier(), token)


def test_clocks_may_differ_by_a_minute() -> None:
    assert _claims(_verifier(), _token(exp=NOW - 59))
    assert _claims(_verifier(), _token(nbf=NOW + 59))


def test_an_issuers_own_audiences_stand_in_place_of_the_protocols() -> None:
    verifier = _verifier(audiences=("api://linarite",))
    assert _claims(verifier, _token(aud="api://linarite"))
    assert "another audience" in _refusal(verifier, _token())


def test_a_token_signed_with_a_public_key_as_a_secret_is_refused() -> None:
    """The old confusion: an RS256 issuer's published key used as HS256's secret."""
    anyone = Issuer("", OneKey(SECRET), ("HS256",))
    verifier = Verifier([Issuer("https://sts.example.org/", OneKey(KEY.public_key()))], anyone)
    assert "not allowed" in _refusal(verifier, _token(key=SECRET, algorithm="HS256"))
    assert _claims(verifier, _token(key=SECRET, algorithm="HS256", iss="https://anyone.example.org/"))


def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(_jwks(one=KEY))
    verifier = Verifier([Issuer("https://sts.example.org/", KeySet(str(file)))])
    assert _claims(verifier, _token())
    assert "does not publish" in _refusal(verifier, _token(key=OTHER, kid="two"))
    file.write_text(_jwks(one=KEY, two=OTHER))
    assert _claims(verifier, _token(key=OTHER, kid="two"))


def test_a_file_that_is_missing_or_wrong_is_told(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    verifier = Verifier([Issuer("https://sts.example.org/", KeySet(str(file)))])
    assert "cannot be read" in _refusal(verifier, _token())
    for text in ("no json", "[]", '{"keys": []}', "7"):
        file.write_text(text)
        assert "cannot be read" in _refusal(verifier, _token())


class _Published:
    """An issuer's web server: what it answers, and how often it was asked."""

    def __init__(self) -> None:
        self.text, self.status, self.asked = _jwks(one=KEY), 200, 0

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(self.status, text=self.text)

    def verifier(self) -> Verifier:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return Verifier([Issuer("https://sts.example.org/", KeySet("https://sts.example.org/keys", client))])


def test_keys_behind_an_address_are_fetched_once_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    published = _Published()
    verifier = published.verifier()
    assert _claims(verifier, _token())
    assert _claims(verifier, _token())
    assert published.asked == 1
    later = time.monotonic() + 3601
    monkeypatch.setattr("linarite.http.bearer.time.monotonic", lambda: later)
    assert _claims(verifier, _token())
    assert published.asked == 2


def test_an_unknown_key_is_fetched_at_most_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    published = _Published()
    verifier = published.verifier()
    for _ in range(3):
        assert "does not publish" in _refusal(verifier, _token(key=OTHER, kid="two"))
    assert published.asked == 1
    published.text = _jwks(two=OTHER)
    later = time.monotonic() + 61
    monkeypatch.setattr("linarite.http.bearer.time.monotonic", lambda: later)
    assert _claims(verifier, _token(key=OTHER, kid="two"))


def test_keys_that_were_fetched_stay_good_while_the_issuer_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    published = _Published()
    verifier = published.verifier()
    assert _claims(verifier, _token())
    published.status = 503
    later = time.monotonic() + 3601
    monkeypatch.setattr("linarite.http.bearer.time.monotonic", lambda: later)
    assert _claims(verifier, _token())
