"""Single values on the wire: tags, times, attributes, booleans. Source: NOTES 2 and 8."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from functools import lru_cache

ATTRIBUTES = (
    "ReadOnly", "Hidden", "System", "Directory", "Archive", "Temporary", "Offline", "NotContentIndexed", "NoScrubData",
)  # fmt: skip
_BY_LOWER = {name.lower(): name for name in ATTRIBUTES}
_TICKS_TO_1970 = 621_355_968_000_000_000
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:Z|\+00:00)?", re.ASCII)
_GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,10}", re.ASCII)
_OCTAL = re.compile(r"[0-7]{3,4}", re.ASCII)
_SYMBOLIC = re.compile(r"(?:[r-][w-][xsS-]){2}[r-][w-][xtT-]", re.ASCII)
SECOND = 1_000_000_000


def tag(nanoseconds: int) -> str:
    """An ETag: a moment as a count of 100 ns since the year 1, in hexadecimal."""
    return f'"0x{nanoseconds // 100 + _TICKS_TO_1970:X}"'


def version_tag(number: int) -> str:
    """An ETag of the same form for a version of a file or directory, a number below 2^52."""
    return f'"0x8D{number:013X}"'


@lru_cache(1024)
def time_text(nanoseconds: int) -> str:
    """`2021-12-14T08:02:15.2622572Z`."""
    seconds, rest = divmod(nanoseconds, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 100:07}Z"


def parse_time(text: str) -> int | None:
    """A time of that form, with fewer decimals or none, as nanoseconds since the epoch; None when it is none."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND + int((match[2] or "0").ljust(9, "0")) // 100 * 100


def attributes_text(attributes: tuple[str, ...]) -> str:
    """`ReadOnly | Archive`, in the fixed order; `None` for none."""
    return " | ".join(name for name in ATTRIBUTES if name in attributes) or "None"


def parse_attributes(text: str) -> tuple[str, ...] | None:
    """The attributes that a header names, without Directory, which is no choice; None when one is unknown."""
    names = [part.strip().lower() for part in text.split("|")]
    if names == ["none"]:
        return ()
    if any(name not in _BY_LOWER for name in names):
        return None
    chosen = {_BY_LOWER[name] for name in names}
    return tuple(name for name in ATTRIBUTES if name in chosen and name != "Directory")


def is_guid(text: str) -> bool:
    """Whether it is a GUID, as lease ids are."""
    return _GUID.fullmatch(text) is not None


def is_base64(text: str) -> bool:
    """Whether it is the base64 of some bytes."""
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def parse_owner(text: str) -> str | None:
    """The number of a user or a group: 32 bits."""
    return str(int(text)) if _NUMBER.fullmatch(text) and int(text) < 1 << 32 else None


def parse_mode(text: str) -> str | None:
    """Permission bits, in octal or as `rwxr-x--x`, as four octal digits; None when they are none."""
    if _OCTAL.fullmatch(text):
        return text.zfill(4)
    if not _SYMBOLIC.fullmatch(text):
        return None
    bits = sum(1 << (8 - at) for at, each in enumerate(text) if each in "rwxst")
    special = sum(1 << (2 - at) for at in range(3) if text[3 * at + 2] in "sStT")
    return f"{special:o}{bits:03o}"
