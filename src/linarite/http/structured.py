"""Structured bodies of storage requests, `XSM/1.0; properties=crc64`: data in segments, each with its checksum.

A header (version, length of all, flags, segments), then for each segment its number, length, data and CRC, then the CRC
of all data. Numbers are little-endian. The CRC is CRC-64/NVME. Source: NOTES 7 of Azure Files, captured from a client.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator

import anycrc  # type: ignore[import-untyped]

FORM = "XSM/1.0; properties=crc64"
SEGMENT = 4 * 1024 * 1024
MAX_SEGMENTS = 0xFFFF
_VERSION, _WITH_CRC = 1, 1
_HEADER, _SEGMENT, _CRC = struct.Struct("<BQHH"), struct.Struct("<HQ"), struct.Struct("<Q")
_MODEL = anycrc.Model("CRC64-NVME")


class Malformed(ValueError):
    """The body is no structured one, or not whole."""


class Mismatch(ValueError):
    """A checksum is not that of the data: `given` and `computed`, of 8 bytes each."""

    def __init__(self, given: bytes, computed: bytes) -> None:
        super().__init__(given, computed)
        self.given, self.computed = given, computed


def crc64(data: bytes | memoryview, before: int = 0) -> int:
    """The CRC-64/NVME of some bytes; `before` is that of the bytes before them."""
    return int(_MODEL.calc(data, before))


def crc64_bytes(data: bytes | memoryview) -> bytes:
    """The CRC-64/NVME as it stands on the wire: 8 bytes, little-endian."""
    return _CRC.pack(crc64(data))


def most(length: int) -> int:
    """The longest body that `length` bytes of data may come in."""
    return _HEADER.size + MAX_SEGMENTS * (_SEGMENT.size + _CRC.size) + length + _CRC.size


def unpack(body: bytes) -> bytes:
    """The data of a body, once every checksum of it was found true. Raises Malformed, Mismatch."""
    try:
        version, total, flags, segments = _HEADER.unpack_from(body)
        if (version, total, flags) != (_VERSION, len(body), _WITH_CRC):
            raise Malformed("The header is not that of this body.")
        data, position, crc = _segments(memoryview(body), segments)
        _check(_CRC.unpack_from(body, position)[0], crc)
    except struct.error as error:
        raise Malformed("The body breaks off.") from error
    if position + _CRC.size != total:
        raise Malformed("Something follows the last segment.")
    return data


def _segments(view: memoryview, count: int) -> tuple[bytes, int, int]:
    parts, position, whole = [], _HEADER.size, 0
    for wanted in range(1, count + 1):
        number, length = _SEGMENT.unpack_from(view, position)
        start = position + _SEGMENT.size
        position = start + length + _CRC.size
        if number != wanted or position > len(view):
            raise Malformed("A segment is out of order or breaks off.")
        part = view[start : start + length]
        crc = crc64(part)
        _check(_CRC.unpack_from(view, start + length)[0], crc)
        whole = _joined(whole, crc, length)
        parts.append(part)
    return b"".join(parts), position, whole


def _check(given: int, computed: int) -> None:
    if given != computed:
        raise Mismatch(_CRC.pack(given), _CRC.pack(computed))


def packed_length(length: int) -> int:
    """How long a body of `length` bytes of data is that `pack` makes."""
    segments = -(-length // _segment(length))
    return _HEADER.size + segments * (_SEGMENT.size + _CRC.size) + length + _CRC.size


async def pack(pieces: AsyncIterator[bytes], length: int) -> AsyncIterator[bytes]:
    """A body of the `length` bytes that come in `pieces`, in segments of 4 MiB."""
    most = _segment(length)
    yield _HEADER.pack(_VERSION, packed_length(length), _WITH_CRC, -(-length // most))
    number, size, left, crc, whole = 0, 0, 0, 0, 0
    async for piece in pieces:
        view = memoryview(piece)
        while view:
            if not left:
                number, size, crc = number + 1, min(most, length), 0
                left, length = size, length - size
                yield _SEGMENT.pack(number, size)
            part, view = view[:left], view[left:]
            crc, left = crc64(part, crc), left - len(part)
            yield bytes(part)
            if not left:
                whole = _joined(whole, crc, size)
                yield _CRC.pack(crc)
    yield _CRC.pack(whole)


def _segment(length: int) -> int:
    """The length of a segment: 4 MiB, more where the number of segments would not be room enough."""
    return max(SEGMENT, -(-length // MAX_SEGMENTS))


def _joined(before: int, crc: int, length: int) -> int:
    """The CRC of all, from that of what came before and that of `length` bytes more."""
    return int(_MODEL.combine(before, crc, length))
