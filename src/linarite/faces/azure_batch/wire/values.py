"""Single values as clients send them: ids, words of an enumeration, numbers in their limits, durations.

Input is lenient as the service's is: numbers as texts, words in any letter case, durations with years, months and days.
Source: Batch NOTES section 1.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, TypeVar

from msgspec import Meta

from linarite.engine.model import DAY, MINUTE, SECOND
from linarite.faces.azure_batch.errors import invalid_property, missing_property
from linarite.faces.azure_batch.filters import moment as parse_moment

E = TypeVar("E", bound=StrEnum)
Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]

MAX_ID = 64
MAX_DISPLAY_NAME = 1024
HOUR = 60 * MINUTE
LONGEST = 10675199 * DAY
"""From here on a duration is "without limit": the days of TimeSpan.MaxValue."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DURATION = re.compile(
    r"P(?:(\d{1,9})Y)?(?:(\d{1,9})M)?(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,7})\d*)?S)?)?"
)
_UNITS = (365 * DAY, 30 * DAY, 7 * DAY, DAY, HOUR, MINUTE, SECOND)


def checked_id(value: str | None, name: str = "id") -> str:
    """An id of 1 to 64 letters, digits, hyphens and underscores. MissingRequiredProperty, InvalidPropertyValue."""
    if value is None:
        raise missing_property(name)
    if _ID.fullmatch(value) is None:
        raise invalid_property(name, value, "It has 1 to 64 characters: letters, digits, hyphens and underscores.")
    return value


def required(value: str | None, name: str) -> str:
    """A text that has to be there and to hold something."""
    if value is None:
        raise missing_property(name)
    if not value.strip():
        raise invalid_property(name, value, "It must not be empty.")
    return value


def display_name(value: str | None) -> str | None:
    """A name of at most 1,024 characters."""
    if value is not None and len(value) > MAX_DISPLAY_NAME:
        raise invalid_property("displayName", value, f"It has at most {MAX_DISPLAY_NAME} characters.")
    return value


def word(kind: type[E], value: str | None, name: str) -> E | None:
    """A word of an enumeration, in any letter case; None when there is none."""
    if value is None:
        return None
    try:
        return kind(value.lower())
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise invalid_property(name, value, f"It is one of: {allowed}.") from None


def word_of(words: tuple[str, ...], value: str | None, name: str) -> str | None:
    """The same for words that only this protocol knows; returned as the protocol spells it."""
    if value is None or value in words:
        return value
    for known in words:
        if known.lower() == value.lower():
            return known
    raise invalid_property(name, value, f"It is one of: {', '.join(words)}.")


def number(value: int | None, name: str, least: int, most: int = 2**31 - 1) -> int | None:
    """A number from `least` to `most`."""
    if value is not None and not least <= value <= most:
        raise invalid_property(name, value, f"It is a number from {least} to {most}.")
    return value


def moment(value: str | None, name: str) -> int | None:
    """A date of ISO 8601 in microseconds; without a zone it is UTC. None when there is none."""
    if value is None:
        return None
    try:
        return parse_moment(value)
    except ValueError as error:
        raise invalid_property(name, value, "It is a date of ISO 8601, such as 2017-02-17T00:00:00Z.") from error


@lru_cache(maxsize=1024)
def _microseconds(text: str) -> int | None:
    found = _DURATION.fullmatch(text)
    if found is None or text.endswith(("P", "T")):
        return None
    *whole, fraction = found.groups()
    total = sum(int(count) * unit for count, unit in zip(whole, _UNITS, strict=True) if count)
    return total + (int(fraction.ljust(7, "0")) // 10 if fraction else 0)


def duration(value: str | None, name: str, least: int = 0) -> int | None:
    """An ISO 8601 duration in microseconds; None when there is none, or when it is as good as without limit."""
    if value is None:
        return None
    length = _microseconds(value)
    if length is None:
        raise invalid_property(name, value, "It is a duration of ISO 8601, such as PT1H30M.")
    if length < least:
        raise invalid_property(name, value, f"It is at least {least // SECOND} seconds.")
    return None if length >= LONGEST else length
