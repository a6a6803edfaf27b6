"""Bearer tokens: whose are believed, for whom, and when."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from linarite.http.bearer import InvalidToken, Issuer, Verifier
from linarite.http.published_keys import TheseKeys, published

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


def _verifier(**options: Any) -> Verifier:
    return Verifier([Issuer("https://sts.example.org/", TheseKeys(KEY.public_key()), **options)])


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
        (_token(aud="https://storage.azure.com"), "wrong audience"),
        (_token(aud=[]), "wrong audience"),
        (_token(aud=[7]), "wrong audience"),
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
    assert "wrong audience" in _refusal(verifier, _token())


def test_a_token_signed_with_a_public_key_as_a_secret_is_refused() -> None:
    """The old confusion: an RS256 issuer's published key used as HS256's secret."""
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = _hs256(public, iss="https://sts.example.org/")
    anyone = Issuer("", TheseKeys(SECRET), ("HS256",))
    assert "not allowed" in _refusal(_verifier(), forged)
    with pytest.raises(InvalidToken, match="not allowed"):
        asyncio.run(_verifier().verify(forged, AUDIENCES, NOW, anyone))


def _hs256(secret: bytes, **claims: Any) -> str:
    """Signed by hand: PyJWT itself takes no PEM for a secret."""
    head, body = ({"alg": "HS256", "typ": "JWT", "kid": "one"}, {"aud": AUDIENCES[0], "exp": NOW + 10, **claims})
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, body))
    return (text + b"." + base64.urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")).decode()


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_a_published_secret_signs_nothing(tmp_path: Path, algorithm: str) -> None:
    """A symmetric key in a key set is no key of a signature that everybody may check."""
    key = {"kty": "oct", "kid": "one", "k": base64.urlsafe_b64encode(SECRET).rstrip(b"=").decode(), "alg": algorithm}
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [key]}))
    verifier = Verifier([Issuer("https://sts.example.org/", published(str(file)))])
    assert _refusal(verifier, _hs256(SECRET, iss="https://sts.example.org/"))
    assert _refusal(verifier, _token())


def test_a_token_is_checked_by_each_key_that_may_have_signed_it() -> None:
    both = Verifier([Issuer("https://sts.example.org/", TheseKeys(OTHER.public_key(), KEY.public_key()))])
    assert _claims(both, _token())
    assert _claims(both, _token(key=OTHER))
    assert "does not match" in _refusal(both, _token(key=generate_private_key(65537, 2048)))


def test_tokens_of_no_known_issuer_are_anyones() -> None:
    anyone = Issuer("", TheseKeys(SECRET), ("HS256",))
    token = _token(key=SECRET, algorithm="HS256", iss="https://anyone.example.org/")
    claims, issuer = asyncio.run(_verifier().verify(token, AUDIENCES, NOW, anyone))
    assert (claims["iss"], issuer.name) == ("https://anyone.example.org/", "")
