"""Times, durations and tags as the protocol writes them. Source: Batch NOTES section 1. All in microseconds."""

from __future__ import annotations

import time
from functools import lru_cache

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND
UNLIMITED = "P10675199DT2H48M5.4775807S"
"""The longest TimeSpan of .NET: the protocol's way to say "without limit"."""

_TICKS_AT_EPOCH = 621_355_968_000_000_000


@lru_cache(maxsize=4096)
def _of_second(second: int) -> str:
    year, month, day, hour, minute, rest, *_ = time.gmtime(second)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{rest:02}"


def moment(value: int) -> str:
    """`2017-02-17T00:00:00.1234560Z`; without a fraction when there is none."""
    second, rest = divmod(value, SECOND)
    return f"{_of_second(second)}.{rest:06}0Z" if rest else f"{_of_second(second)}Z"


@lru_cache(maxsize=1024)
def duration(value: int | None) -> str:
    """`P1DT2H3M4.5S`, `PT0S`; None is the longest that there is."""
    if value is None:
        return UNLIMITED
    days, rest = divmod(value, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds = f"{rest // SECOND}.{rest % SECOND:06}".rstrip("0").rstrip(".")
    clock = "".join(f"{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n)
    clock += f"{seconds}S" if rest else ""
    dated = f"{days}D" if days else ""
    return f"P{dated}T{clock}" if clock else f"P{dated}" if dated else "PT0S"


def etag(modified_at: int) -> str:
    """Ticks of 100 ns since year 1, in hexadecimal, without quotes: `0x8DCF3C953387E09`."""
    return f"0x{modified_at * 10 + _TICKS_AT_EPOCH:X}"
