"""Whom a bearer token stands for: its role, its account, and what development mode believes besides."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from linarite.engine.access import Principal, Unauthenticated
from linarite.engine.errors import NotAllowed
from linarite.engine.model import Role
from linarite.http.bearer import Issuer
from linarite.http.published_keys import TheseKeys
from linarite.identity import accounts
from linarite.identity.access import Identity
from linarite.identity.trust import RoleMap, Trusted, caller_name, tenant_of
from linarite.store import open_store

NOW = 1_800_000_000
KEY = generate_private_key(65537, 2048)
ISSUER = "https://sts.example.org/"
DEVELOPMENT = base64.b64decode(accounts.DEVELOPMENT_KEY)


class _Clock:
    def now(self) -> int:
        return NOW * 1_000_000


class World:
    """An identity that trusts one issuer."""

    def __init__(self, folder: Path, *, development: bool, **grants: Any) -> None:
        self.store = open_store(folder / "store.db")
        trusted = Trusted(Issuer(ISSUER, TheseKeys(KEY.public_key())), RoleMap({"Batch.Reader": Role.READ}), **grants)
        self.identity = Identity(self.store, _Clock(), [trusted], development=development)

    async def account(self, name: str) -> accounts.Account:
        return await self.store.write(lambda tx: accounts.create(tx, name, NOW))

    async def of(self, token: str, addressed: str | None = None) -> Principal:
        return await self.identity.bearer(token, ("aud",), NOW * 1_000_000, addressed)


def token(key: Any = KEY, algorithm: str = "RS256", **claims: Any) -> str:
    usual = {"iss": ISSUER, "aud": "aud", "exp": NOW + 60, "roles": ["write"]}
    given = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(given, key, algorithm)


def signed(key: bytes = DEVELOPMENT, **claims: Any) -> str:
    """By an account's key, as development mode takes it."""
    return token(key, "HS256", **{"iss": None, "roles": None, **claims})


Story = Callable[[World], Awaitable[None]]


def _play(folder: Path, story: Story, *, development: bool = False, **grants: Any) -> None:
    async def run() -> None:
        world = World(folder, development=development, **grants)
        try:
            await world.account("first")
            await world.account("team")
            await world.identity.start()
            await story(world)
        finally:
            await world.store.close()

    asyncio.run(run())


def test_the_account_is_the_addressed_one_else_the_tokens_else_the_default(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert (await world.of(token(), "team")).account == "team"
        assert (await world.of(token(account="team"))).account == "team"
        assert (await world.of(token(account="team"), "team")).account == "team"
        assert (await world.of(token())).account == "first"

    _play(tmp_path, story)


def test_a_token_of_one_account_opens_no_other(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with pytest.raises(NotAllowed, match="another account"):
            await world.of(token(account="team"), "first")

    _play(tmp_path, story)


@pytest.mark.parametrize(
    ("claim", "addressed", "reason"),
    [("nobody", None, "does not exist"), (None, "nobody", "does not exist"), (7, None, "no name")],
)
def test_a_token_for_an_account_that_is_not_there_is_refused(
    tmp_path: Path, claim: Any, addressed: str | None, reason: str
) -> None:  # fmt: skip
    async def story(world: World) -> None:
        with pytest.raises(Unauthenticated, match=reason):
            await world.of(token(account=claim), addressed)

    _play(tmp_path, story)


def test_an_issuer_may_name_the_account_by_a_claim_of_its_own(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert (await world.of(token(**{"extn.batchAccount": "team", "account": "first"}))).account == "team"

    _play(tmp_path, story, account_claim="extn.batchAccount")


def test_an_issuer_reaches_the_accounts_that_it_is_given(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert (await world.of(token())).account == "team", "its first, when nothing names one"
        for refused in (world.of(token(), "first"), world.of(token(account="first"))):
            with pytest.raises(NotAllowed, match="no say"):
                await refused

    _play(tmp_path, story, accounts=("team",))


def test_the_caller_is_known_by_name_and_role(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        found = await world.of(token(roles=["Batch.Reader"], appid="an-application", sub="it"))
        assert (found.name, found.role, found.scheme, found.job) == ("an-application", Role.READ, "Bearer", None)
        with pytest.raises(NotAllowed, match="no role"):
            await world.of(token(roles=["Something.Else"]))

    _play(tmp_path, story)


def test_a_claim_of_a_job_is_nobodys_to_make(tmp_path: Path) -> None:
    """Only the server's own tokens of tasks are limited to a job; what another issuer says of one means nothing."""

    async def story(world: World) -> None:
        assert (await world.of(token(job="j"))).job is None

    _play(tmp_path, story)


def test_a_bad_token_is_refused_with_its_reason(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with pytest.raises(Unauthenticated, match="expired"):
            await world.of(token(exp=NOW - 61))
        with pytest.raises(Unauthenticated, match="not trusted"):
            await world.of(token(iss="https://elsewhere.example.org/"))

    _play(tmp_path, story)


def test_development_believes_the_key_of_the_account_that_is_asked_for(tmp_path: Path) -> None:
    """The well-known key opens accounts that have it, never one that was given keys of its own."""

    async def story(world: World) -> None:
        anyone = await world.of(signed())
        assert (anyone.account, anyone.role) == ("devaccount", Role.ADMIN)
        assert (await world.of(signed(account="fresh"))).account == "fresh"
        assert world.identity.number("fresh")
        assert (await world.of(signed(roles=["read"]))).role is Role.READ
        for refused in (world.of(signed(account="team")), world.of(signed(), "team")):
            with pytest.raises(Unauthenticated, match="does not match"):
                await refused
        account = await world.store.read(lambda tx: tx.accounts.get("team"))
        assert account is not None
        for key in (account.key1, account.key2):
            assert (await world.of(signed(base64.b64decode(key)), "team")).account == "team"

    _play(tmp_path, story, development=True)


def test_development_makes_no_account_for_a_token_that_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for refused in (signed(b"another key of more than thirty-two bytes", account="fresh"), signed(account=7)):
            with pytest.raises(Unauthenticated):
                await world.of(refused)
        with pytest.raises(NotAllowed):
            await world.of(signed(account="fresh"), "other")
        with pytest.raises(Unauthenticated, match="no key"):
            await world.of(signed(account="Not-A-Name"))
        stored = await world.store.read(lambda tx: [one.name for one in tx.accounts.all()])
        assert stored == ["first", "team", "devaccount"]

    _play(tmp_path, story, development=True)


def test_production_believes_no_account_key(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        account = await world.store.read(lambda tx: tx.accounts.get("team"))
        assert account is not None
        for key in (DEVELOPMENT, base64.b64decode(account.key1)):
            with pytest.raises(Unauthenticated, match="not trusted"):
                await world.of(signed(key), "team")
            with pytest.raises(Unauthenticated, match="not allowed"):
                await world.of(signed(key, iss=ISSUER), "team")

    _play(tmp_path, story)


@pytest.mark.parametrize(
    ("named", "default", "given"),
    [
        (["Batch.Reader"], None, Role.READ),
        (["Batch.Reader", "write"], None, Role.WRITE),
        ("admin", None, Role.ADMIN),
        (["something"], None, None),
        (["something"], Role.WRITE, Role.WRITE),
        (["read"], Role.WRITE, Role.READ),
        (None, Role.READ, Role.READ),
        ([7, None], None, None),
        ({}, None, None),
    ],
)
def test_roles_are_an_issuers_words_or_our_own(named: Any, default: Role | None, given: Role | None) -> None:
    assert RoleMap({"Batch.Reader": Role.READ}, default).of({"roles": named}) is given


def test_a_caller_without_any_name_is_called_token() -> None:
    assert caller_name({"upn": "ada@example.org", "oid": "1"}) == "ada@example.org"
    assert caller_name({"sub": 7}) == "token"


def test_the_tenant_is_that_of_the_first_issuer_of_entra() -> None:
    tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
    for issuer in (f"https://login.microsoftonline.com/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"):
        assert tenant_of([ISSUER, issuer]) == tenant
    assert tenant_of([ISSUER, f"https://login.example.org/{tenant}/"]) == tenant_of([]) == "common"
