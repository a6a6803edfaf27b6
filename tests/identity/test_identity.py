"""Identity over the real store: what callers are told, what is remembered, what development mode adds."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from linarite.engine.errors import NotFound
from linarite.engine.model import Role
from linarite.http import passwords
from linarite.identity import accounts, issuing, users
from linarite.identity.access import Identity
from linarite.identity.private import kept
from linarite.store import open_store

NOW = 1_800_000_000_000_000
DEVELOPMENT = base64.b64decode(accounts.DEVELOPMENT_KEY)


class _Clock:
    def now(self) -> int:
        return NOW


class World:
    """An identity over a store in a folder; `later` lets what it remembers go."""

    def __init__(self, folder: Path, development: bool) -> None:
        self.store = open_store(folder / "store.db")
        self.identity = Identity(self.store, _Clock(), [], development=development)

    def later(self) -> None:
        self.identity._keys._entries.clear()
        self.identity._records._entries.clear()

    async def keys(self, name: str) -> tuple[bytes, ...]:
        return await self.identity.account_keys(name)


def _play(folder: Path, story: Callable[[World], Awaitable[None]], *, development: bool = True) -> None:
    async def run() -> None:
        world = World(folder, development)
        try:
            await world.identity.start()
            await story(world)
        finally:
            await world.store.close()

    asyncio.run(run())


def test_development_has_one_key_for_every_name_that_can_be_one(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert world.identity.default_account == "devaccount"
        for name in ("devaccount", "abc", "a" * 24, "007"):
            assert await world.keys(name) == (DEVELOPMENT,)
        for name in ("ab", "a" * 25, "Dev", "a-b", "", "../x", "é" * 4):
            assert await world.keys(name) == ()
        stored = await world.store.read(lambda tx: [one.name for one in tx.accounts.all()])
        assert stored == ["devaccount"], "to ask for a key makes no account: who asks is not recognised yet"
        for name in ("abc", "a" * 24, "007", "abc"):
            await world.identity.admit(name)
        stored = await world.store.read(lambda tx: [one.name for one in tx.accounts.all()])
        assert stored == ["devaccount", "abc", "a" * 24, "007"]
        assert [world.identity.number(name) for name in stored] == [1, 2, 3, 4]

    _play(tmp_path, story)


def test_production_does_not_know_what_development_left(tmp_path: Path) -> None:
    async def before(world: World) -> None:
        await world.identity.admit("team")
        assert await world.identity.password("dev", "linarite") is not None

    async def after(world: World) -> None:
        assert await world.keys("devaccount") == await world.keys("team") == await world.keys("other") == ()
        assert await world.identity.password("dev", "linarite") is None
        assert await world.identity.password("dev", "") is None
        assert await world.identity.user("dev") is None
        await world.store.write(lambda tx: accounts.rotate(tx, "team", 1))
        world.later()
        assert len(await world.keys("team")) == 2

    _play(tmp_path, before)
    _play(tmp_path, after, development=False)


def test_production_begins_with_the_first_account_that_was_made(tmp_path: Path) -> None:
    async def make(world: World) -> None:
        await world.store.write(lambda tx: [accounts.create(tx, name, NOW) for name in ("zeta", "alpha")])

    async def story(world: World) -> None:
        assert world.identity.default_account == "zeta"

    _play(tmp_path, make, development=False)
    _play(tmp_path, story, development=False)


def test_a_rotated_key_is_forgotten_soon(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        account = await world.store.write(lambda tx: accounts.create(tx, "team", NOW))
        old = (base64.b64decode(account.key1), base64.b64decode(account.key2))
        assert await world.keys("team") == old
        await world.store.write(lambda tx: accounts.rotate(tx, "team", 1))
        world.later()
        new = await world.keys("team")
        assert (new[0] != old[0], new[1] == old[1]) == (True, True)

    _play(tmp_path, story)


def test_what_was_asked_is_not_asked_of_the_store_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(world: World) -> None:
        await world.keys("devaccount")
        await world.identity.password("dev", "linarite")
        monkeypatch.setattr(world.store, "read", None)
        assert await world.keys("devaccount") == (DEVELOPMENT,)
        assert await world.identity.password("DEV", "linarite") is not None

    _play(tmp_path, story)


def test_a_user_is_known_by_name_without_case_and_password(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.store.write(lambda tx: users.add(tx, "Ada", "difference engine", "devaccount", Role.READ, NOW))
        ada = await world.identity.password("aDa", "difference engine")
        assert ada is not None
        assert (ada.name, ada.account, ada.role, ada.number) == ("Ada", "devaccount", Role.READ, 2)
        assert await world.identity.user("ADA") == ada
        assert await world.identity.password("ada", "difference engin") is None
        assert await world.identity.password("nobody", "difference engine") is None
        assert await world.identity.user("nobody") is None

    _play(tmp_path, story)


def test_a_password_is_hashed_once_and_again_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashings = list[str]()

    def counting(password: str, kept: str) -> bool:
        hashings.append(password)
        return matches(password, kept)

    matches = passwords.matches
    monkeypatch.setattr(passwords, "matches", counting)

    async def story(world: World) -> None:
        await world.store.write(lambda tx: users.add(tx, "Ada", "difference engine", "devaccount", Role.READ, NOW))
        for _ in range(3):
            assert await world.identity.password("ada", "difference engine")
        assert len(hashings) == 1
        await world.store.write(lambda tx: users.set_password(tx, "ada", "analytical engine", NOW))
        world.later()
        assert await world.identity.password("ada", "difference engine") is None
        assert await world.identity.password("ada", "analytical engine")
        assert len(hashings) == 3
        assert await world.identity.password("nobody", "x") is None
        assert len(hashings) == 4, "an unknown name takes as long as a known one"

    _play(tmp_path, story)


def test_the_development_user_that_was_removed_stays_away(tmp_path: Path) -> None:
    async def remove(world: World) -> None:
        await world.store.write(lambda tx: users.remove(tx, "dev", NOW))

    async def story(world: World) -> None:
        assert await world.identity.password("dev", "linarite") is None
        with pytest.raises(NotFound):
            await world.store.write(lambda tx: users.set_role(tx, "dev", Role.READ, NOW))

    _play(tmp_path, remove)
    _play(tmp_path, story)


def test_the_issuers_key_is_made_once_and_read_by_the_server_alone(tmp_path: Path) -> None:
    first = issuing.signing_key(tmp_path).private_numbers()
    assert issuing.signing_key(tmp_path).private_numbers() == first
    assert (tmp_path / "issuer.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["issuer.pem"]


def test_a_secret_that_two_make_at_once_is_one(tmp_path: Path) -> None:
    """The first one written is everybody's."""

    def make() -> bytes:
        (tmp_path / "secret").write_bytes(b"the other's")
        return b"ours"

    assert kept(tmp_path / "secret", make) == b"the other's"
