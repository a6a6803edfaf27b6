"""Integers of headers and queries: ASCII digits, and no more of them than a number of 64 bits has."""

from __future__ import annotations

import re

_FORM = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def parse_integer(text: str) -> int | None:
    """The integer that a text is, None for anything else and for one of more than 19 digits."""
    return int(text) if _FORM.fullmatch(text) else None


def parse_count(text: str) -> int | None:
    """The same without a sign."""
    return None if text.startswith("-") else parse_integer(text)
