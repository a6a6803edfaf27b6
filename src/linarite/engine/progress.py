"""How far a task says it is: the last whole line of JSON in the file that LINARITE_PROGRESS names to it.

Whatever stands in that file is only ever taken for a number from 0 to 100 and a short text. No file is read here.
"""

from __future__ import annotations

import msgspec

VARIABLE = "LINARITE_PROGRESS"
TAIL = 8192
"""Bytes at the end of the file that are looked at; a line that is longer is no report."""
LONGEST = 254
"""Characters of a description that are kept: as many as SuperOffice has room for."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a task told: `percent` from 0 to 100, and what it is doing; None for what the line does not say."""

    percent: int | None = None
    description: str | None = None


class _Line(msgspec.Struct):
    percent: int | float | None = None
    description: str | None = None


_decode = msgspec.json.Decoder(_Line).decode


def file_name(run: str) -> str:
    """The file of a run in its task's directory: each try has one of its own, so that none reads what another wrote."""
    return f"progress-{run}.jsonl"


def last(tail: bytes, *, whole: bool) -> Progress | None:
    """What the last line says that can be taken, None without any; `whole`: `tail` begins where the file does."""
    lines = tail.split(b"\n")
    for line in reversed(lines if whole else lines[1:]):
        told = _told(line.strip())
        if told is not None:
            return told
    return None


def _told(line: bytes) -> Progress | None:
    if not line.startswith(b"{"):
        return None
    try:
        found = _decode(line)
        percent = None if found.percent is None else round(found.percent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError, OverflowError):
        return None
    if (percent is None and found.description is None) or (percent is not None and not 0 <= percent <= 100):
        return None
    description = None if found.description is None else found.description.replace("\0", "")[:LONGEST]
    return Progress(percent=percent, description=description)
