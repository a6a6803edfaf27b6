"""Count what JUnit reports say: `tally.py REPORT...` prints `PASSED FAILED`, skipped tests not counted."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def counts(report: Path) -> tuple[int, int]:
    """Return how many tests of a report passed and failed; a report that is missing or cut short is one failure."""
    try:
        suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314  the report is our own
    except (OSError, ET.ParseError):
        return 0, 1
    total = {name: sum(int(s.get(name, "0")) for s in suites) for name in ("tests", "failures", "errors", "skipped")}
    failed = total["failures"] + total["errors"]
    return max(0, total["tests"] - failed - total["skipped"]), failed


if __name__ == "__main__":
    reports = [counts(Path(name)) for name in sys.argv[1:]]
    print(sum(passed for passed, _ in reports), sum(failed for _, failed in reports))
