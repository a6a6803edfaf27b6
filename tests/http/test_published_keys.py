"""The keys of issuers: from a file that changes, from an https server, and what becomes of tokens when they change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm

from linarite.http import published_keys
from linarite.http.published_keys import KeyAddress, KeyFile, Keys, TheseKeys, UnknownKey, published

KEY = generate_private_key(65537, 2048)
OTHER = generate_private_key(65537, 2048)


def jwks(**keys: RSAPrivateKey) -> str:
    return json.dumps({"keys": [_jwk(key, kid) for kid, key in keys.items()]})


def _jwk(key: RSAPrivateKey, kid: str) -> dict[str, Any]:
    return json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "RS256", "use": "sig"}


async def _kids(keys: Keys, kid: str | None) -> list[str | None]:
    found = await keys.find(kid)
    return [key.key_id for key in found if isinstance(key, PyJWK)]


async def _unknown(keys: Keys, kid: str | None) -> str:
    with pytest.raises(UnknownKey) as refused:
        await keys.find(kid)
    return str(refused.value)


@pytest.mark.parametrize("where", ["http://sts.example.org/keys", "ftp://sts.example.org/keys", "file:///etc/keys"])
def test_keys_come_by_https_or_from_a_file_alone(where: str) -> None:
    with pytest.raises(ValueError, match="https"):
        published(where)
    assert isinstance(published("https://sts.example.org/keys"), KeyAddress)
    assert isinstance(published("/etc/keys.json"), KeyFile)


def test_no_key_at_all_is_told() -> None:
    assert "no key" in asyncio.run(_unknown(TheseKeys(), None))


def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "keys.json"
        file.write_text(jwks(one=KEY))
        keys = KeyFile(file)
        assert await _kids(keys, "one") == ["one"]
        assert "does not publish" in await _unknown(keys, "two")
        file.write_text(jwks(two=OTHER))
        assert await _kids(keys, "two") == ["two"]
        assert "does not publish" in await _unknown(keys, "one"), "a key that was withdrawn is believed no more"

    asyncio.run(story())


def test_a_file_that_is_missing_or_wrong_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "keys.json"
        keys = KeyFile(file)
        assert "cannot be read" in await _unknown(keys, "one")
        for text in (
            "no json",
            "[]",
            '{"keys": []}',
            "7",
            '{"keys": 7}',
            '{"keys": [7]}',
            '{"keys": [{"kty": "RSA"}]}',
        ):
            file.write_text(text)
            assert "cannot be read" in await _unknown(keys, "one")
        file.write_text(jwks(one=KEY))
        assert await _kids(keys, "one") == ["one"]
        file.write_text("half of a new fi")
        assert await _kids(keys, "one") == ["one"], "what was read stays until there is better"

    asyncio.run(story())


def test_a_token_without_key_id_is_signed_by_the_only_key(tmp_path: Path) -> None:
    async def story() -> None:
        file = tmp_path / "keys.json"
        file.write_text(jwks(one=KEY))
        keys = KeyFile(file)
        assert await _kids(keys, None) == ["one"]
        file.write_text(jwks(one=KEY, two=OTHER))
        assert "does not publish" in await _unknown(keys, None)

    asyncio.run(story())


class Publisher:
    """An issuer's web server: what it answers, and how often it was asked; `now` is its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.text, self.status, self.asked = jwks(one=KEY), 200, 0
        self.now = 0.0
        self.held: asyncio.Event | None = None
        monkeypatch.setattr(published_keys.time, "monotonic", lambda: self.now)
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        self.keys = KeyAddress("https://sts.example.org/keys", client)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url == "https://sts.example.org/keys"
        self.asked += 1
        if self.held is not None:
            await self.held.wait()
        return httpx.Response(self.status, text=self.text, headers={"Location": "https://elsewhere.example.org/"})

    async def settle(self) -> None:
        """Let a fetch that nobody waits for end."""
        if self.keys._fetching is not None:
            await self.keys._fetching


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Publisher], Awaitable[None]]], None]:
    def run(story: Callable[[Publisher], Awaitable[None]]) -> None:
        async def whole() -> None:
            await story(Publisher(monkeypatch))

        asyncio.run(whole())

    return run


Play = Callable[[Callable[[Publisher], Awaitable[None]]], None]


def test_keys_are_fetched_once_an_hour(play: Play) -> None:
    async def story(at: Publisher) -> None:
        for _ in range(3):
            assert await _kids(at.keys, "one") == ["one"]
        assert at.asked == 1
        at.now += 3601
        at.text = jwks(one=KEY, two=OTHER)
        assert await _kids(at.keys, "one") == ["one"]
        await at.settle()
        assert at.asked == 2
        assert await _kids(at.keys, "two") == ["two"]
        assert at.asked == 2

    play(story)


def test_a_new_key_is_fetched_when_a_token_names_it_at_most_once_a_minute(play: Play) -> None:
    async def story(at: Publisher) -> None:
        for _ in range(3):
            assert "does not publish" in await _unknown(at.keys, "two")
        assert at.asked == 1
        at.text = jwks(two=OTHER)
        at.now += 61
        assert await _kids(at.keys, "two") == ["two"]
        assert at.asked == 2

    play(story)


def test_nobody_who_has_a_key_waits_for_the_next_fetch(play: Play) -> None:
    async def story(at: Publisher) -> None:
        await _kids(at.keys, "one")
        at.now += 3601
        at.held = asyncio.Event()
        assert await _kids(at.keys, "one") == ["one"]
        assert await _kids(at.keys, "one") == ["one"]
        waits = asyncio.create_task(_kids(at.keys, "two"))
        await asyncio.sleep(0)
        at.text = jwks(one=KEY, two=OTHER)
        at.held.set()
        assert await waits == ["two"]
        assert at.asked == 2, "one fetch serves all who want one"

    play(story)


def test_many_at_once_make_one_fetch(play: Play) -> None:
    async def story(at: Publisher) -> None:
        assert await asyncio.gather(*(_kids(at.keys, "one") for _ in range(20))) == [["one"]] * 20
        assert at.asked == 1

    play(story)


def test_an_issuer_that_is_away_is_asked_again_soon_and_not_by_every_request(play: Play) -> None:
    async def story(at: Publisher) -> None:
        at.status = 503
        for _ in range(3):
            assert "cannot be read" in await _unknown(at.keys, "one")
        assert at.asked == 1
        at.status = 200
        at.now += 5
        assert await _kids(at.keys, "one") == ["one"]

    play(story)


@pytest.mark.parametrize("status", [503, 302, 404])
def test_fetched_keys_stay_good_for_a_day_while_the_issuer_is_away(play: Play, status: int) -> None:
    async def story(at: Publisher) -> None:
        await _kids(at.keys, "one")
        at.status = status
        at.now += 23 * 3600
        assert await _kids(at.keys, "one") == ["one"]
        await at.settle()
        at.now += 3601
        assert "cannot be read" in await _unknown(at.keys, "one")

    play(story)


@pytest.mark.parametrize("text", ["no json", "[]", "7", '{"keys": []}'])
def test_an_answer_that_is_no_key_set_is_told(play: Play, text: str) -> None:
    async def story(at: Publisher) -> None:
        at.text = text
        assert "cannot be read" in await _unknown(at.keys, "one")

    play(story)


def test_redirects_are_not_followed(play: Play) -> None:
    async def story(at: Publisher) -> None:
        at.status = 302
        assert "cannot be read" in await _unknown(at.keys, "one")
        assert at.asked == 1

    play(story)


def test_one_who_gives_up_waiting_keeps_the_keys_from_no_one_else(play: Play) -> None:
    async def story(at: Publisher) -> None:
        at.held = asyncio.Event()
        first, second = (asyncio.create_task(_kids(at.keys, "one")) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        at.held.set()
        assert await second == ["one"]

    play(story)
