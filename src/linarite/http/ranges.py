"""Byte ranges of requests: `bytes=a-b` and `bytes=a-`, the forms that file protocols use. Source: RFC 9110, 14."""

from __future__ import annotations

import re
from typing import NamedTuple

_FORM = re.compile(r"bytes=([0-9]{1,19})-([0-9]{0,19})", re.ASCII)


class ByteRange(NamedTuple):
    """From byte `start` to byte `end`; `end` None is the last one."""

    start: int
    end: int | None

    def within(self, size: int) -> tuple[int, int] | None:
        """First byte and length of what a file of `size` bytes has of it; None when that is nothing."""
        if self.start >= size:
            return None
        last = size - 1 if self.end is None else min(self.end, size - 1)
        return self.start, last - self.start + 1

    @property
    def length(self) -> int | None:
        """How many bytes are asked for; None without an end."""
        return None if self.end is None else self.end - self.start + 1


def parse_range(text: str) -> ByteRange | None:
    """The range that a header names; None when it has another form or its end stands before its start."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        return None
    start, end = int(match[1]), int(match[2]) if match[2] else None
    return None if end is not None and end < start else ByteRange(start, end)


def content_range(start: int, length: int, size: int) -> str:
    """The Content-Range of an answer."""
    return f"bytes {start}-{start + length - 1}/{size}"
