"""Conditional requests: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since against a tag and a date. Pure.

Tags are compared without their quotes and without a W/; dates have a resolution of one second. Source: RFC 9110
section 13, Batch NOTES section 4.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from linarite.http.dates import parse_http_date
from linarite.http.messages import Headers

SECOND = 1_000_000
NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


class BadConditionHeader(ValueError):
    """A date that is none: `header` with `value`."""

    def __init__(self, header: str, value: str) -> None:
        super().__init__(f"{header}: {value!r} is no date")
        self.header, self.value = header, value


class Outcome(Enum):
    """What conditions come to: do it, 412, or 304 (reads alone; a write makes it 412)."""

    MET = "met"
    FAILED = "failed"
    UNCHANGED = "unchanged"


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions of one request; None is a header that is not there. Dates in microseconds since the epoch."""

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None
    modified_since: int | None = None
    unmodified_since: int | None = None

    def outcome(self, tag: str | None, modified_at: int) -> Outcome:
        """Hold them against a resource as it is; `tag` None is a resource without tags, `modified_at` microseconds."""
        second = modified_at - modified_at % SECOND
        if self.match is not None and not _among(tag, self.match):
            return Outcome.FAILED
        if self.match is None and self.unmodified_since is not None and second > self.unmodified_since:
            return Outcome.FAILED
        if self.none_match is not None:
            return Outcome.UNCHANGED if _among(tag, self.none_match) else Outcome.MET
        if self.modified_since is not None and second <= self.modified_since:
            return Outcome.UNCHANGED
        return Outcome.MET


def read_conditions(headers: Headers, *, dates_only: bool = False) -> Conditions | None:
    """The conditions of a request, None when it has none. BadConditionHeader."""
    if not any(name in headers for name in NAMES):
        return None
    return Conditions(
        match=None if dates_only else _tags(headers.get("if-match")),
        none_match=None if dates_only else _tags(headers.get("if-none-match")),
        modified_since=_date(headers, "if-modified-since"),
        unmodified_since=_date(headers, "if-unmodified-since"),
    )


def _among(tag: str | None, tags: tuple[str, ...]) -> bool:
    return "*" in tags or (tag is not None and bare_tag(tag) in tags)


def _tags(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(bare_tag(part) for part in value.split(","))


def bare_tag(tag: str) -> str:
    """The tag without quotes and without the mark of a weak one."""
    return tag.strip().removeprefix("W/").strip('"')


def _date(headers: Headers, name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    moment = parse_http_date(value)
    if moment is None:
        raise BadConditionHeader(name, value)
    return moment
