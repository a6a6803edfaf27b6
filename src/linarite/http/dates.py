"""Dates of HTTP headers. Source: RFC 9110 section 5.6.7; times are microseconds since the epoch, UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache

SECOND = 1_000_000
LONGEST = 64


@lru_cache(maxsize=1024)
def _of_second(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC), usegmt=True)


def http_date(moment: int) -> str:
    """`Fri, 17 Feb 2017 00:00:00 GMT`; what is left of the second is cut off."""
    return _of_second(moment // SECOND)


def parse_http_date(text: str) -> int | None:
    """The moment of a date in any of HTTP's three forms, None when it is no date."""
    return _parsed(text) if len(text) <= LONGEST else None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> int | None:
    try:
        date = parsedate_to_datetime(text.strip())
        aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        return int(aware.timestamp()) * SECOND
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
