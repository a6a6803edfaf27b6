"""Time zones by SuperOffice's codes and numbers.

A code is a country's ISO code, or country and region where a country has several zones (`NO`, `US-NY`, `AU-QLD`). The
rules come from the IANA database. Source: docs.superoffice.com, 'SOTimezone', which publishes ten numbers; no other is
known.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from linarite.engine.errors import InvalidValue

NUMBERS = {
    1: "UTC", 36: "AU-ACT", 50: "BD", 114: "CA-QC", 140: "DK", 156: "FR", 261: "NO", 425: "US-CA", 433: "US-HI",
    460: "US-NY",
}  # fmt: skip

_REGIONS = {
    "America/New_York": "US-CT US-DC US-DE US-FL US-GA US-MA US-MD US-ME US-NC US-NH US-NJ US-NY US-OH US-PA"
    " US-RI US-SC US-VA US-VT US-WV",
    "America/Detroit": "US-MI",
    "America/Indiana/Indianapolis": "US-IN",
    "America/Kentucky/Louisville": "US-KY",
    "America/Chicago": "US-AL US-AR US-IA US-IL US-KS US-LA US-MN US-MO US-MS US-ND US-NE US-OK US-SD US-TN US-TX"
    " US-WI",
    "America/Denver": "US-CO US-MT US-NM US-UT US-WY",
    "America/Boise": "US-ID",
    "America/Phoenix": "US-AZ",
    "America/Los_Angeles": "US-CA US-NV US-OR US-WA",
    "America/Anchorage": "US-AK",
    "Pacific/Honolulu": "US-HI",
    "America/St_Johns": "CA-NL",
    "America/Halifax": "CA-NS CA-PE",
    "America/Moncton": "CA-NB",
    "America/Toronto": "CA-ON CA-QC",
    "America/Winnipeg": "CA-MB",
    "America/Regina": "CA-SK",
    "America/Edmonton": "CA-AB",
    "America/Yellowknife": "CA-NT",
    "America/Iqaluit": "CA-NU",
    "America/Vancouver": "CA-BC",
    "America/Whitehorse": "CA-YT",
    "Australia/Sydney": "AU-ACT AU-NSW",
    "Australia/Melbourne": "AU-VIC",
    "Australia/Brisbane": "AU-QLD",
    "Australia/Hobart": "AU-TAS",
    "Australia/Adelaide": "AU-SA",
    "Australia/Darwin": "AU-NT",
    "Australia/Perth": "AU-WA",
}


@cache
def codes() -> dict[str, str]:
    """Codes to names of the IANA database; a country's own code is its first and most populous zone."""
    found = {"UTC": "Etc/UTC"}
    table = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found.setdefault(country, zone)
    for zone, regions in _REGIONS.items():
        found.update(dict.fromkeys(regions.split(), zone))
    return found


def zone(code: str) -> ZoneInfo:
    """The zone of a code, of a published number or of an IANA name. InvalidValue."""
    numeric = code.isascii() and code.isdigit() and len(code) < 9
    wanted = NUMBERS.get(int(code), "") if numeric else code
    name = codes().get(wanted.upper()) or (wanted if "/" in wanted else "")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidValue("SO-TimeZone", code, "there is no such time zone.") from None


@cache
def places() -> list[dict[str, str]]:
    """Every code with the name of its country and the city of its zone, in the order of the codes.

    PrimaryKey is the published number, or the code where none is: SO-TimeZone takes either.
    """
    table = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
    countries = dict(line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    numbers = {code: str(number) for number, code in NUMBERS.items()}
    found = list[dict[str, str]]()
    for code, name in sorted(codes().items()):
        country, _, region = code.partition("-")
        told = " - ".join(filter(None, (countries.get(country, code), region)))
        city = name.rpartition("/")[2].replace("_", " ")
        found.append(
            {"PrimaryKey": numbers.get(code, code), "EntityName": "timezone", "TZLocationCode": code, "Name": told,
             "TZLocationCities": city}
        )  # fmt: skip
    return found
