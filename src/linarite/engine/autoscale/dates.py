"""Dates as formulas write them: W3C-DTF (ISO 8601 with fewer liberties) and RFC 1123."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from linarite.engine.autoscale.faults import EvaluationFault, Place
from linarite.engine.autoscale.values import Timestamp, moment

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_W3C = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})"
    r"(?::(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,7}))?)?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2}))?)?)?"
)
_RFC_1123 = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{2}) (?P<month>[A-Z][a-z]{2}) (?P<year>[0-9]{4})"
    r" (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2}) GMT"
)


def timestamp_of(place: Place, text: str) -> Timestamp:
    """The moment that a text names. EvaluationFault when it names none."""
    parts = _parts(text)
    try:
        numbers = [int(parts[name] or least) for name, least in _FIELDS]
        date = datetime(*numbers) - _zone(parts.get("zone"))  # type: ignore[arg-type]  # noqa: DTZ001 - UTC
        ticks = (date - datetime.min) // timedelta(microseconds=1) * 10  # noqa: DTZ901 - UTC
    except (KeyError, ValueError, OverflowError):
        reason = f"'{text[:64]}' is no date of W3C-DTF or RFC 1123."
        raise EvaluationFault(place, reason) from None
    return moment(place, ticks + int((parts.get("fraction") or "").ljust(7, "0")))


_FIELDS = (("year", 1), ("month", 1), ("day", 1), ("hour", 0), ("minute", 0), ("second", 0))


def _parts(text: str) -> dict[str, str | None]:
    """The numbers of a date by name; none when it is no date."""
    found = _W3C.fullmatch(text)
    if found is not None:
        return found.groupdict()
    parts = _RFC_1123.fullmatch(text)
    named = {} if parts is None else parts.groupdict()
    return {**named, "month": str(_MONTHS.index(named["month"]) + 1)} if named.get("month") in _MONTHS else {}


def _zone(zone: str | None) -> timedelta:
    """How far a zone is ahead of UTC."""
    if zone is None or zone == "Z":
        return timedelta()
    ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    return -ahead if zone[0] == "-" else ahead
