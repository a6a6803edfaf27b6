"""What this machine has: memory and the speed of its processors, as the kernel tells; 0 where it does not."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

_SPEED = re.compile(r"^cpu MHz\s*:\s*(\d+)", re.MULTILINE)


@cache
def memory_mb() -> int:
    """Physical memory in MB (2^20 bytes)."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (ValueError, OSError):
        return 0


@cache
def cpu_mhz() -> int:
    """The speed of the first processor."""
    try:
        found = _SPEED.search(Path("/proc/cpuinfo").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0
