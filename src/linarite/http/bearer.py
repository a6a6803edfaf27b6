"""Bearer tokens: signed JWTs of issuers that are trusted (RFC 6750, RFC 7519)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt
import msgspec
from jwt.types import Options

from linarite.http.published_keys import Key, Keys, UnknownKey

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 60
"""Seconds by which clocks may differ."""

_UNCHECKED: Options = {
    "require": ["exp", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False,
    "verify_iss": False, "verify_sub": False, "verify_jti": False,
}  # fmt: skip
"""Claims are checked here: at the time that the caller gives, and audiences without regard to a slash at the end."""


class InvalidToken(Exception):
    """The token is not good: the message says why and bears no part of it but the audience that it names."""


class Issuer(msgspec.Struct, frozen=True):
    """Whose tokens are believed. `audiences`, when given, stand in place of the protocol's own."""

    name: str
    keys: Keys
    algorithms: Sequence[str] = ASYMMETRIC
    audiences: tuple[str, ...] = ()


class Verifier:
    """Checks tokens of several issuers."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        """The issuers by their names, which are all different."""
        self._issuers = {issuer.name: issuer for issuer in issuers}

    async def verify(
        self, token: str, audiences: Sequence[str], now: int, anyone: Issuer | None = None
    ) -> tuple[dict[str, Any], Issuer]:
        """The claims of a token that is meant for one of `audiences` and good at `now` (seconds since the epoch).

        `anyone` answers for tokens that name no known issuer. Raises InvalidToken.
        """
        header, named = _unverified(token)
        issuer = (self._issuers.get(named) if named is not None else None) or anyone
        if issuer is None:
            raise InvalidToken("The issuer of the token is not trusted here.")
        if header.get("alg") not in issuer.algorithms:
            raise InvalidToken("The token is signed with an algorithm that is not allowed.")
        try:
            keys = await issuer.keys.find(header.get("kid"))
        except UnknownKey as error:
            raise InvalidToken(str(error)) from error
        claims = _signed_by_one(token, keys, issuer.algorithms)
        _check_times(claims, now)
        _check_audience(claims, issuer.audiences or audiences)
        return claims, issuer


def claimed(token: str) -> dict[str, Any]:
    """What a token says, before anything of it is checked. Raises InvalidToken."""
    try:
        return jwt.decode(token, options={**_UNCHECKED, "verify_signature": False})
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise InvalidToken("The token is malformed.") from error


def _unverified(token: str) -> tuple[dict[str, Any], str | None]:
    """The header and the issuer that a token names."""
    named = claimed(token).get("iss")
    try:
        return jwt.get_unverified_header(token), named if isinstance(named, str) else None
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise InvalidToken("The token is malformed.") from error


def _signed_by_one(token: str, keys: Sequence[Key], algorithms: Sequence[str]) -> dict[str, Any]:
    for key in keys:
        try:
            return jwt.decode(token, key, algorithms=list(algorithms), options=_UNCHECKED)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise InvalidToken("The token is malformed.") from error
    raise InvalidToken("The signature of the token does not match.")


def _check_times(claims: dict[str, Any], now: int) -> None:
    expires, begins = claims["exp"], claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        raise InvalidToken("The times of the token are malformed.")
    if now > expires + LEEWAY:
        raise InvalidToken("The token has expired.")
    if now < begins - LEEWAY:
        raise InvalidToken("The token is not valid yet.")


def _check_audience(claims: dict[str, Any], audiences: Sequence[str]) -> None:
    named = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    wanted = {audience.rstrip("/") for audience in audiences}
    if not any(isinstance(one, str) and one.rstrip("/") in wanted for one in named):
        raise InvalidToken(
            f"The access token has been obtained from wrong audience or resource '{named[0] if named else ''}'. It"
            f" should exactly match (including forward slash) with one of the allowed audiences '{audiences[0]}'"
        )
