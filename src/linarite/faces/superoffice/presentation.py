"""How a caller wants the answer: media type, language, time zone. Read once a request from its headers.

Source: seed 003, 'Request Headers'; SuperOffice NOTES section 7; docs.superoffice.com, 'Headers' and 'SOTimezone'.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from linarite.faces.superoffice.zones import zone
from linarite.http.messages import Request

JSON = "application/json"
JSON_TYPES = (JSON, "text/json", "application/json-patch+json", "application/merge-patch+json")
XML_TYPES = ("application/xml", "text/xml")
UNSET = "0001-01-01T00:00:00"
"""The date that stands for none."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNTRANSLATED = {"", "*", "x", "-"}
_MULTI = re.compile(r'\s*([A-Za-z]{2}):"((?:[^"]|"")*)"\s*(?:;|$)')
_DOTTED, _SLASHED = "%d.%m.%Y %H:%M", "%d/%m/%Y %H:%M"
_DATES = {
    "en": "%m/%d/%Y %I:%M %p", "en-gb": _SLASHED, "no": _DOTTED, "nb": _DOTTED, "nn": _DOTTED, "da": "%d-%m-%Y %H:%M",
    "sv": "%Y-%m-%d %H:%M", "de": _DOTTED, "fi": _DOTTED, "nl": "%d-%m-%Y %H:%M", "fr": _SLASHED, "es": _SLASHED,
    "it": _SLASHED,
}  # fmt: skip
_PREFIXES = {
    "en": ("US", "EN", "GB"), "nb": ("NO",), "nn": ("NO",), "no": ("NO",), "da": ("DA", "DK"), "sv": ("SW", "SV", "SE"),
    "de": ("GE", "DE"), "es": ("SP", "ES"), "nl": ("NL",), "fi": ("FI",), "fr": ("FR",), "it": ("IT",),
}  # fmt: skip


class Presentation(msgspec.Struct, frozen=True, kw_only=True):
    """The form of one answer. `language` None leaves texts of several languages as they are."""

    media: str = JSON
    language: str | None = None
    culture: str | None = None
    zone: ZoneInfo | None = None
    with_offset: bool = False

    @property
    def xml(self) -> bool:
        """Whether the answer is XML."""
        return self.media in XML_TYPES

    def date(self, moment: int | None) -> str:
        """A date in the zone asked for; the server's own is UTC."""
        return self._date(moment, self.zone)

    def utc_date(self, moment: int | None) -> str:
        """A date of creation or change: always UTC, whatever zone is asked for."""
        return self._date(moment, None)

    def _date(self, moment: int | None, where: ZoneInfo | None) -> str:
        if moment is None:
            return UNSET
        local = (_EPOCH + timedelta(microseconds=moment)).astimezone(where or UTC)
        return local.strftime("%Y-%m-%dT%H:%M:%S%z" if self.with_offset else "%Y-%m-%dT%H:%M:%S")

    def display_date(self, date: str) -> str:
        """A date of an answer as people of the culture write it; as it is without a language, and empty when unset."""
        if date.startswith(UNSET):
            return ""
        pattern = _DATES.get((self.culture or self.language or "").lower()) if self.language else None
        pattern = pattern or (_DATES.get((self.culture or self.language or "")[:2].lower()) if self.language else None)
        return date if pattern is None else datetime.fromisoformat(date).strftime(pattern)

    def text(self, value: str) -> str:
        """A text in the language asked for, when it holds several: `NO:"Ukentlig";US:"Weekly"`."""
        if self.language is None or not value:
            return value
        found = _languages(value)
        if not found:
            return value
        wanted = (*_PREFIXES.get(self.language, ()), self.language.upper(), "US")
        return next((found[prefix] for prefix in wanted if prefix in found), next(iter(found.values())))


def _languages(value: str) -> dict[str, str]:
    """The languages of a text, empty when it is in one alone."""
    found, position = dict[str, str](), 0
    while position < len(value):
        match = _MULTI.match(value, position)
        if match is None:
            return {}
        found[match[1].upper()] = match[2].replace('""', '"')
        position = match.end()
    return found


def presentation(request: Request) -> Presentation:
    """Read the headers. InvalidValue for a time zone that there is not."""
    code, with_offset = _time_zone(request.headers.get("so-timezone") or "")
    return Presentation(
        media=media_type(request),
        language=_language(request),
        culture=request.headers.get("so-culture"),
        zone=zone(code) if code else None,
        with_offset=with_offset,
    )


def media_type(request: Request) -> str:
    """The best media type of Accept that this protocol has; JSON when it asks for none of them."""
    best, quality = JSON, 0.0
    for part in (request.headers.get("accept") or "").split(","):
        name, *options = (piece.strip().lower() for piece in part.split(";"))
        weight = next((_quality(option[2:]) for option in options if option.startswith("q=")), 1.0)
        kind = JSON if name in {"*/*", "application/*"} else "text/json" if name == "text/*" else name
        if kind in (*JSON_TYPES, *XML_TYPES) and weight > quality:
            best, quality = kind, weight
    return best


def _quality(text: str) -> float:
    return float(text) if re.fullmatch(r"[01](\.\d{0,3})?", text) else 0.0


def _language(request: Request) -> str | None:
    own = request.headers.get("so-language")
    asked = request.headers.get("accept-language") if own is None else own
    first = re.split(r"[,;]", asked or "", maxsplit=1)[0].strip().lower()
    return None if first in _UNTRANSLATED else re.split(r"[-_]", first)[0]


def _time_zone(header: str) -> tuple[str, bool]:
    parts = [part.strip() for part in header.split(",")]
    return parts[0], "includetzoffset" in {part.lower() for part in parts[1:]}
