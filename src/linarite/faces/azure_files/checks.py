"""What several operations read and check alike: the range that a request names, the MD5 of its body."""

from __future__ import annotations

import base64
import hashlib

from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header
from linarite.http.ranges import ByteRange, parse_range


def check_md5(call: Call, data: bytes) -> str:
    """The MD5 of a body (base64); refused when Content-MD5 says another."""
    found = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    given = call.header("content-md5")
    if given is not None and len(given) != len(found):
        raise Refused("InvalidMd5", HeaderName="Content-MD5", HeaderValue=given)
    if given is not None and given != found:
        raise Refused("Md5Mismatch", UserSpecifiedMd5=given, ServerCalculatedMd5=found)
    return found


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
