"""Reading from a server elsewhere that changes its file, breaks off, leads away or is someone else."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from tests.support.origin import Origin, running_origin

from linarite.engine.sharing import elsewhere
from linarite.engine.sharing.elsewhere import Unverified
from linarite.engine.sharing.ports import SourceFailed
from linarite.http.tls import server_certificate
from linarite.remote import Fetcher, fetching

DATA = os.urandom(10 * 1024 * 1024 + 7)
SECRET = "sig=secret"
T = TypeVar("T")


@pytest.fixture
def origin() -> Iterator[Origin]:
    with running_origin() as running:
        running.content = DATA
        yield running


def told(origin: Origin, story: Callable[[Fetcher], Awaitable[T]], *sources: str) -> T:
    """What a story gives that reads by the settings `sources`, by default the origin alone."""

    async def run() -> T:
        fetcher = Fetcher(sources or [f"http://{origin.place}"])
        try:
            return await story(fetcher)
        finally:
            await fetcher.close()

    return asyncio.run(run())


def of(origin: Origin, **headers: str) -> elsewhere.Origin:
    return elsewhere.Origin(url=f"{origin.url}?{SECRET}", headers=headers)


async def whole(fetcher: Fetcher, origin: Origin, meanwhile: Callable[[int], None] = lambda _: None) -> bytes:
    found = await fetcher.look(of(origin))
    data = b""
    try:
        while len(data) < found.source.size:
            start, piece = await found.source.read(len(data))
            assert start == len(data)
            assert 0 < len(piece) <= fetching.PIECE
            data += piece
            meanwhile(len(data))
    finally:
        await found.source.close()
    return data


async def refused(work: Awaitable[object]) -> tuple[int, str]:
    with pytest.raises(Unverified) as caught:
        await work
    assert SECRET not in caught.value.message
    return caught.value.status, caught.value.code


def test_a_source_comes_by_one_request_in_pieces(origin: Origin) -> None:
    assert told(origin, lambda fetcher: whole(fetcher, origin)) == DATA
    assert [method for method, _, _ in origin.asked] == ["HEAD", "GET"]
    assert origin.asked[1][2]["If-Match"] == '"one"'


def test_a_source_that_breaks_off_is_taken_up_where_it_did(origin: Origin) -> None:
    origin.breaks = [5_000_000, 100]
    assert told(origin, lambda fetcher: whole(fetcher, origin)) == DATA
    assert [headers.get("Range") for _, _, headers in origin.asked] == [None, None, "bytes=4194304-", "bytes=4194304-"]


def test_a_source_that_goes_on_breaking_off_is_given_up(origin: Origin) -> None:
    origin.breaks = [100] * 10
    with pytest.raises(SourceFailed, match="503 ServerBusy"):
        told(origin, lambda fetcher: whole(fetcher, origin))
    assert len(origin.breaks) == 10 - fetching.TRIES


def test_a_source_that_changes_is_read_no_further(origin: Origin) -> None:
    """Whether its server obeys the condition or does not."""

    def change(_: int) -> None:
        origin.tag, origin.content = '"two"', os.urandom(len(DATA))

    for has_conditions in (True, False):
        origin.tag, origin.content = ('"one"' if has_conditions else 'W/"one"'), DATA
        origin.breaks = [5_000_000]
        with pytest.raises(SourceFailed, match="412 ConditionNotMet"):
            told(origin, lambda fetcher: whole(fetcher, origin, change))


def test_a_source_whose_right_ends_tells_so(origin: Origin) -> None:
    def end(_: int) -> None:
        origin.status, origin.headers = 403, {"x-ms-error-code": "AuthenticationFailed"}

    origin.breaks = [5_000_000]
    with pytest.raises(SourceFailed, match="403 AuthenticationFailed"):
        told(origin, lambda fetcher: whole(fetcher, origin, end))


@pytest.mark.parametrize(
    ("status", "headers", "why"),
    [
        (404, {"x-ms-error-code": "BlobNotFound"}, (404, "BlobNotFound")),
        (404, {}, (404, "ResourceNotFound")),
        (403, {"x-ms-error-code": "no code\t"}, (403, "AuthorizationFailure")),
        (409, {}, (409, "Conflict")),
        (503, {"x-ms-error-code": "ServerBusy"}, (500, "ServerBusy")),
        (302, {"Location": "http://169.254.169.254/"}, (409, "UnsupportedCopySource")),
        (204, {}, (409, "UnsupportedCopySource")),
    ],
)
def test_what_the_server_answers_is_told(
    origin: Origin, status: int, headers: dict[str, str], why: tuple[int, str]
) -> None:
    """A redirect is not followed."""
    origin.status, origin.headers = status, headers
    assert told(origin, lambda fetcher: refused(fetcher.look(of(origin)))) == why
    assert told(origin, lambda fetcher: refused(fetcher.read(of(origin), 0, 5))) == why
    assert len(origin.asked) == 2


def test_a_part_is_just_what_was_asked_for(origin: Origin) -> None:
    async def story(fetcher: Fetcher) -> None:
        assert await fetcher.read(of(origin), 5, 1000) == DATA[5:1005]
        assert await refused(fetcher.read(of(origin), len(DATA) - 5, 10)) == (416, "InvalidRange")
        assert await refused(fetcher.read(of(origin), len(DATA), 10)) == (416, "InvalidRange")
        origin.has_ranges = False
        assert await refused(fetcher.read(of(origin), 5, 10)) == (409, "UnsupportedCopySource")
        origin.tells_length = False
        assert await refused(fetcher.look(of(origin))) == (411, "MissingContentLengthHeader")

    told(origin, story)


def test_a_source_that_takes_too_long_is_let_go(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "PIECE_SECONDS", 0.2)
    origin.gate.clear()
    assert told(origin, lambda fetcher: refused(fetcher.read(of(origin), 0, 4_000_000))) == (
        500, "CannotVerifyCopySource",
    )  # fmt: skip
    with pytest.raises(SourceFailed, match="503 ServerBusy"):
        told(origin, lambda fetcher: whole(fetcher, origin))


@pytest.mark.parametrize("entry", ["http://*.localtest.invalid", "localhost", "http://localhost", "http://127.0.0.2:1"])
def test_a_server_that_is_not_named_is_not_asked(origin: Origin, entry: str) -> None:
    async def story(fetcher: Fetcher) -> None:
        assert not fetcher.allows(origin.url)
        assert await refused(fetcher.look(of(origin))) == (404, "ResourceNotFound")

    told(origin, story, entry)
    assert origin.asked == []


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://[::ffff:a9fe:a9fe]/"]
)
def test_where_secrets_of_clouds_are_nothing_connects(origin: Origin, url: str) -> None:
    """Though the settings name it."""
    entry = url.removesuffix("latest").removesuffix("/")
    why = told(origin, lambda fetcher: refused(fetcher.look(elsewhere.Origin(url=url))), entry)
    assert why == (404, "ResourceNotFound")


def test_a_name_by_suffix_that_leads_home_is_refused(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is looked at when it is connected to, and that address is the one that is connected to."""

    async def lookup(_loop: object, host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        assert host == "inside.example.org"
        return [(2, 1, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lookup)
    there = elsewhere.Origin(url=f"http://inside.example.org:{origin.port}/f")
    by_suffix, by_name = (f"http://{name}.example.org:{origin.port}" for name in ("*", "inside"))
    assert told(origin, lambda fetcher: refused(fetcher.look(there)), by_suffix) == (404, "ResourceNotFound")
    assert origin.asked == []
    told(origin, lambda fetcher: fetcher.look(there), by_name)
    assert origin.asked[0][2]["Host"] == f"inside.example.org:{origin.port}"


def test_nobody_listens(origin: Origin) -> None:
    origin.close()
    assert told(origin, lambda fetcher: refused(fetcher.look(of(origin)))) == (500, "CannotVerifyCopySource")


def test_https_is_of_the_name_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate has to be the name's, not the address's, and from an authority that is trusted."""
    chain, key = server_certificate(tmp_path, ("files.example.org",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    async def lookup(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lookup)
    with running_origin(context) as origin:
        origin.content = b"1"
        entries = [f"{name}.example.org:{origin.port}" for name in ("files", "other")]

        async def look(name: str, trusted: ssl.SSLContext | None) -> object:
            fetcher = Fetcher(entries, trusted)
            try:
                found = await fetcher.look(elsewhere.Origin(url=f"https://{name}.example.org:{origin.port}/f"))
                return found.source.size
            finally:
                await fetcher.close()

        ours = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        assert asyncio.run(look("files", ours)) == 1
        for name, trusted in (("other", ours), ("files", None)):
            assert asyncio.run(refused(look(name, trusted))) == (500, "CannotVerifyCopySource")
        assert len(origin.asked) == 1
