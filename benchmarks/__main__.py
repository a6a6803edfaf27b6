"""`python -m benchmarks full|short [NAME...]`: run benchmarks and print their figures; short only smokes."""

from __future__ import annotations

import json
import sys

from benchmarks import adding, getting, latency, listing, million, putting, reading, slurm, throughput

BENCHMARKS = {
    "throughput": throughput.run,
    "latency": latency.run,
    "adding": adding.run,
    "reading": reading.run,
    "million": million.run,
    "getting": getting.run,
    "putting": putting.run,
    "listing": listing.run,
    "slurm": slurm.run,
}


def main() -> None:
    """Run all, or those that are named, and print a JSON line each."""
    words = sys.argv[1:]
    short = "short" in words
    for name, benchmark in BENCHMARKS.items():
        if name in words or not set(words) & BENCHMARKS.keys():
            print(json.dumps({"benchmark": name, **benchmark(short=short)}), flush=True)


if __name__ == "__main__":
    main()
