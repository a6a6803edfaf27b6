"""Bodies with checksums between their bytes: packed and unpacked, and what is refused."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from linarite.http import structured


def pack(data: bytes, piece: int) -> bytes:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), piece):
            yield data[start : start + piece]

    async def whole() -> bytes:
        return b"".join([part async for part in structured.pack(pieces(), len(data))])

    return asyncio.run(whole())


def test_the_check_value() -> None:
    """CRC-64/NVME of "123456789", as catalogues have it."""
    assert structured.crc64(b"123456789") == 0xAE8B14860A799888
    assert structured.crc64_bytes(b"123456789")[:1] == b"\x88"


@pytest.mark.parametrize("length", [0, 1, 100, structured.SEGMENT, structured.SEGMENT + 1, 2 * structured.SEGMENT + 7])
def test_what_is_packed_is_unpacked(length: int) -> None:
    """Whatever the pieces, the body has the length that was told before."""
    data = os.urandom(length)
    for piece in (256 * 1024, 1_000_003):
        body = pack(data, piece)
        assert len(body) == structured.packed_length(length)
        assert structured.unpack(body) == data


def test_the_layout() -> None:
    """Version, length, flags, segments; number, length, data, CRC; CRC of all."""
    crc = structured.crc64_bytes(b"abc")
    head = b"\x01" + (13 + 10 + 3 + 8 + 8).to_bytes(8, "little") + b"\x01\0\x01\0"
    assert pack(b"abc", 2) == head + b"\x01\0" + (3).to_bytes(8, "little") + b"abc" + crc + crc


@pytest.mark.parametrize("position", [0, 1, 9, 11, 13, 15, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    body = bytearray(pack(b"some data", 9))
    body[position] ^= 1
    with pytest.raises((structured.Malformed, structured.Mismatch)):
        structured.unpack(bytes(body))


def test_changed_data_is_a_mismatch() -> None:
    body = bytearray(pack(b"some data", 9))
    body[23] ^= 1
    with pytest.raises(structured.Mismatch) as caught:
        structured.unpack(bytes(body))
    assert caught.value.given == structured.crc64_bytes(b"some data")


@pytest.mark.parametrize("cut", [0, 5, 13, 20, 30, 47])
def test_a_body_that_breaks_off_is_refused(cut: int) -> None:
    with pytest.raises(structured.Malformed):
        structured.unpack(pack(b"some data", 9)[:cut])


def test_what_follows_the_end_is_refused() -> None:
    body = bytearray(pack(b"some data", 9) + b"x")
    body[1:9] = len(body).to_bytes(8, "little")
    with pytest.raises(structured.Malformed):
        structured.unpack(bytes(body))
