"""Values as text: how each kind of property is read and written. Source: HPC Pack REST, ArrayOfProperty; NOTES 4.

A kind reads text into a plain value (ValueError with a sentence when it cannot) and writes it in two styles: that of
name-value answers and that of job XML. Times are microseconds since the epoch, UTC; None is "unset", an empty text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

LARGEST = 2**31 - 1
SMALLEST = -(2**31)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PATTERNS = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S")
DATE_PATTERN = "M/d/yyyy h:mm:ss tt"


class Kind(NamedTuple):
    """One kind of value: `parse` reads text that is not empty, `write` and `write_xml` make it."""

    name: str
    parse: Callable[[str], Any]
    write: Callable[[Any], str] = str
    write_xml: Callable[[Any], str] | None = None

    def text(self, value: Any) -> str:  # noqa: ANN401 - of this kind
        """The value in a name-value answer."""
        return "" if value is None else self.write(value)

    def xml(self, value: Any) -> str:  # noqa: ANN401 - of this kind
        """The value as an attribute of job XML."""
        return "" if value is None else (self.write_xml or self.write)(value)


def _integer(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an integer.") from None
    if not SMALLEST <= number <= LARGEST:
        raise ValueError(f"{text} is not an integer of 32 bits.")
    return number


def _natural(text: str) -> int:
    number = _integer(text)
    if number < 0:
        raise ValueError(f"{text} is negative.")
    return number


def _positive(text: str) -> int:
    number = _integer(text)
    if number < 1:
        raise ValueError(f"{text} is less than 1.")
    return number


def boolean(text: str) -> bool:
    """True, False, 1 or 0 in any letter case; ValueError."""
    match text.strip().lower():
        case "true" | "1":
            return True
        case "false" | "0":
            return False
    raise ValueError(f"{text!r} is neither True nor False.")


def date(text: str) -> int:
    """Microseconds since the epoch of a date in the protocol's form, zero-padded or ISO; ValueError."""
    for pattern in _PATTERNS:
        try:
            moment = datetime.strptime(text.strip(), pattern).replace(tzinfo=UTC)
        except ValueError:
            continue
        return (moment - _EPOCH) // timedelta(microseconds=1)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is not a date such as 9/30/2026 10:15:02 AM.") from None
    try:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is no date of the years 1 to 9999.") from None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def iso(moment: int) -> str:
    """`yyyy-MM-ddTHH:mm:ssZ`, as the JSON surface writes moments that are no properties."""
    return f"{_EPOCH + timedelta(microseconds=moment):%Y-%m-%dT%H:%M:%S}Z"


def date_text(moment: int) -> str:
    """`M/d/yyyy h:mm:ss tt`, UTC."""
    t = _EPOCH + timedelta(microseconds=moment)
    return f"{t.month}/{t.day}/{t.year} {t.hour % 12 or 12}:{t:%M:%S} {'AM' if t.hour < 12 else 'PM'}"


def _date_xml(moment: int) -> str:
    """`yyyy/M/d HH:mm:ss`, as the page of Get Job shows it in job XML."""
    t = _EPOCH + timedelta(microseconds=moment)
    return f"{t.year}/{t.month}/{t.day} {t:%H:%M:%S}"


def names(text: str) -> list[str]:
    """The items of a comma-separated list, blanks trimmed, empty ones dropped."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _numbers(text: str) -> list[int]:
    return [_natural(item) for item in names(text)]


def _join(values: list[Any]) -> str:
    return ",".join(map(str, values))


def _code(text: str) -> int:
    word = text.strip().lower()
    return {"min": SMALLEST, "max": LARGEST}.get(word) or _integer(word)


def exit_codes(text: str) -> list[tuple[int, int]]:
    """Ranges of a list like `-1,0,7..9` or `min..-100`; ValueError."""
    ranges = []
    for item in names(text):
        first, dots, last = item.partition("..")
        low = _code(first)
        high = _code(last) if dots else low
        if low > high:
            raise ValueError(f"The range {item!r} ends before it begins.")
        ranges.append((low, high))
    return ranges


def _codes_kept(text: str) -> str:
    exit_codes(text)
    return text.strip()


def enumeration(name: str, numbers: Mapping[str, int]) -> Kind:
    """A kind whose values are names, read in any case or as their number."""
    by_text = {key.lower(): key for key in numbers} | {str(number): key for key, number in numbers.items()}

    def parse(text: str) -> str:
        found = by_text.get(text.strip().lower())
        if found is None:
            raise ValueError(f"{text!r} is none of {', '.join(numbers)}.")
        return found

    return Kind(name, parse)


TEXT = Kind("String", str)
INTEGER = Kind("Int32", _integer)
NATURAL = Kind("Int32", _natural)
POSITIVE = Kind("Int32", _positive)
BOOLEAN = Kind("Boolean", boolean, str, lambda value: "true" if value else "false")
DATE = Kind("DateTime", date, date_text, _date_xml)
NAMES = Kind("StringList", names, _join)
NUMBERS = Kind("Int32List", _numbers, _join)
EXIT_CODES = Kind("ExitCodes", _codes_kept)
