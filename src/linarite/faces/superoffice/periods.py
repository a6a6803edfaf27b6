"""Spans of the calendar by their names in filters: today, last week, this quarter. Arithmetic of dates alone.

Source: Swagger-v1-BatchTask, 'Unary ops'. Weeks begin on Monday.
"""

from __future__ import annotations

from datetime import datetime, timedelta

MONTHS = {"month": 1, "quarter": 3, "half": 6, "year": 12}
Span = tuple[datetime | None, datetime | None]


def period(word: str, here: datetime) -> Span | None:
    """The span of a word (in lower case) around a moment, None for a word that is none; None inside is open."""
    day = here.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = day + timedelta(days=1)
    match word:
        case "today":
            return day, tomorrow
        case "beforetoday":
            return None, day
        case "aftertoday":
            return tomorrow, None
    for place, name in enumerate(("last", "this", "next")):
        if word.startswith(name):
            return _span(word.removeprefix(name), day, place - 1)
    return None


def _span(kind: str, day: datetime, by: int) -> Span | None:
    if kind == "week":
        monday = day - timedelta(days=day.weekday() - 7 * by)
        return monday, monday + timedelta(days=7)
    months = MONTHS.get(kind)
    if months is None:
        return None
    first = (day.month - 1) // months * months + by * months
    return _month(day, first), _month(day, first + months)


def _month(day: datetime, months: int) -> datetime:
    """The first day of the month that is so many after January."""
    return day.replace(year=day.year + months // 12, month=months % 12 + 1, day=1)
