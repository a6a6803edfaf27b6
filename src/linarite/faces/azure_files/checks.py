"""What several operations read and check alike: the range that a request names, its body and the checksums of that."""

from __future__ import annotations

import asyncio
import base64
import hashlib

from linarite.engine.sharing.ports import Data, pieces_of
from linarite.engine.sharing.records import MAX_FILE_BYTES, MAX_RANGE_BYTES
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header
from linarite.http import structured
from linarite.http.ranges import ByteRange, parse_range

CRC64_BYTES = 8
_FORM = structured.FORM.replace(" ", "").lower()


async def _md5(call: Call, data: Data) -> dict[str, str]:
    """The MD5 of a body, for its answer; refused when Content-MD5 says another.

    The service always tells it; where the settings say so, it is computed only when the request has one to compare.
    """
    given = call.header("content-md5")
    if given is None and not call.tells_md5:
        return {}
    found = await asyncio.to_thread(_digest, data)
    if given is not None and len(given) != len(found):
        raise Refused("InvalidMd5", HeaderName="Content-MD5", HeaderValue=given)
    if given is not None and given != found:
        raise Refused("Md5Mismatch", UserSpecifiedMd5=given, ServerCalculatedMd5=found)
    return {"Content-MD5": found}


def _digest(data: Data) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces_of(data):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()


def requested_range(call: Call) -> ByteRange | None:
    """The range of bytes; `x-ms-range` goes before `Range`."""
    for name in ("x-ms-range", "range"):
        text = call.header(name)
        if text is not None:
            found = parse_range(text)
            if found is None:
                raise bad_header(name, text)
            return found
    return None


def is_structured(call: Call) -> bool:
    """Whether the body, or the one asked for, has checksums between its bytes; the one form of that is known."""
    text = call.header("x-ms-structured-body")
    if text is None:
        return False
    if text.replace(" ", "").lower() != _FORM:
        raise bad_header("x-ms-structured-body", text)
    return True


def announced_length(call: Call) -> int | None:
    """How many bytes of data the request says that it brings."""
    if is_structured(call):
        call.required("x-ms-structured-content-length")
        return call.number("x-ms-structured-content-length", 0, MAX_FILE_BYTES)
    return call.request.content_length


async def read_body(call: Call) -> tuple[Data, dict[str, str]]:
    """The data of at most 4 MiB that a request brings, checked as it asks, and what the answer tells of the check."""
    if is_structured(call):
        return await _structured_body(call)
    pieces = await call.request.pieces(MAX_RANGE_BYTES)
    given = crc64_of(call, "x-ms-content-crc64")
    if given is None:
        return pieces, await _md5(call, pieces)
    if call.header("content-md5") is not None:
        raise bad_header("x-ms-content-crc64", base64.b64encode(given).decode())
    check_crc64(given, structured.crc64_bytes(b"".join(pieces)))
    return pieces, {"x-ms-content-crc64": base64.b64encode(given).decode()}


def crc64_of(call: Call, name: str) -> bytes | None:
    """A header that holds a CRC64: the base64 of 8 bytes."""
    text = call.header(name)
    if text is None:
        return None
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise bad_header(name, text) from error
    if len(value) != CRC64_BYTES:
        raise bad_header(name, text)
    return value


def check_crc64(given: bytes, computed: bytes) -> None:
    """Refuse bytes that have not the CRC64 which the request says."""
    if given != computed:
        raise Refused(
            "Crc64Mismatch", UserSpecifiedCrc64=base64.b64encode(given).decode(),
            ServerCalculatedCrc64=base64.b64encode(computed).decode(),
        )  # fmt: skip


async def _structured_body(call: Call) -> tuple[bytes, dict[str, str]]:
    length = announced_length(call)
    body = await call.request.body(structured.most(MAX_RANGE_BYTES))
    try:
        data = structured.unpack(body)
    except structured.Malformed as error:
        raise Refused("InvalidInput", str(error)) from error
    except structured.Mismatch as error:
        check_crc64(error.given, error.computed)
        raise
    if len(data) > MAX_RANGE_BYTES:
        raise Refused("RequestBodyTooLarge", MaxLimit=str(MAX_RANGE_BYTES))
    if len(data) != length:
        raise bad_header("x-ms-structured-content-length", str(length))
    return data, {"x-ms-structured-body": structured.FORM}
