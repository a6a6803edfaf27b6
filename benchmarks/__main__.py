"""`python -m benchmarks full|short`: run every benchmark and print its figures; short takes seconds and only smokes."""

from __future__ import annotations

import json
import sys

from benchmarks import latency, throughput


def main() -> None:
    """Run all, print a JSON line each."""
    short = sys.argv[1:] == ["short"]
    for name, benchmark in (("throughput", throughput.run), ("latency", latency.run)):
        print(json.dumps({"benchmark": name, **benchmark(short=short)}), flush=True)


if __name__ == "__main__":
    main()
