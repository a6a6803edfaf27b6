"""docs/conformance.md: every operation of every face, and what other people's suites say."""

from __future__ import annotations

import json
from typing import Any

from tests.pages.evidence import files_of, has_client
from tests.pages.made import ROOT, table
from tests.pages.operations import SURFACES, VERSIONS, Surface

PEERS = ROOT / "tests" / "peers"

INTRODUCTION = """
# Conformance

Every operation that the tables of the faces have. *There* says whether it is done; what is not is refused in the
protocol's own words, with a line in the log. *Tests* are files below `tests/` that bear the operation's name in a
test's or call it; *client* says whether the protocol's real client calls it there.
"""

SUITES = {
    "azure-batch": "Microsoft's own live tests of azure-batch 15.1.0, all of them",
    "azure-batch-14": "Microsoft's own live tests of azure-batch 14.2.0, all of them. One wants an application that its"
    " runner made by Azure's management service: `linarite applications` puts it into that test's account before"
    " the run (without it, that test alone fails)",
    "azure-files": "Microsoft's own live tests of azure-storage-file-share 12.27.1, all of them, by host name",
    "azure-files-path": "The same by path. The runner leaves out tests that need bearer tokens, or compare with the"
    " public cloud's addresses",
}


def page() -> str:
    return "\n".join([INTRODUCTION, _summary(), *map(_section, SURFACES), _peers()])


def _summary() -> str:
    rows = []
    for surface in SURFACES:
        operations = list(surface.operations())
        there = [operation for operation in operations if operation.there]
        tested = sum(bool(files_of(surface, operation)) for operation in there)
        driven = sum(has_client(surface, operation) for operation in there)
        counts = (str(len(operations)), str(len(there)), str(tested), str(driven))
        rows.append((surface.title, VERSIONS[surface.title], *counts, surface.client))
    heading = ("protocol", "versions", "operations", "there", "with tests", "by the client", "client")
    return table(heading, *rows)


def _section(surface: Surface) -> str:
    rows = []
    for operation in surface.operations():
        tests = " ".join(f"[{name}](../tests/{name})" for name in files_of(surface, operation))
        client = "yes" if has_client(surface, operation) else ""
        there = "yes" if operation.there else "refused"
        rows.append((operation.name, f"`{operation.request}`", there, operation.versions, tests, client))
    return f"\n## {surface.title}\n\n" + table(("operation", "request", "there", "versions", "tests", "client"), *rows)


def _peers() -> str:
    floors: dict[str, int] = json.loads((PEERS / "floors.json").read_text())
    known: dict[str, Any] = json.loads((PEERS / "known_failures.json").read_text())
    parts = ["\n## Other people's suites\n", "`.ci/run` runs them; fewer passes than the floor fail it.\n"]
    for suite, title in SUITES.items():
        told = known[suite]
        parts.append(f"### {suite}\n\n{title}.\n")
        counts = ("all", str(told["passed"]), str(told["failed"]), str(told["skipped"]), str(floors[suite]))
        some = [(f"`{one['selection']}`", str(one["passed"]), str(one["failed"]), "", "") for one in told["parts"]]
        parts.append(table(("tests", "passed", "failed", "skipped", "floor"), counts, *some))
        if told["failures"]:
            rows = [(f"`{one['test']}`", str(one["count"]), one["reason"]) for one in told["failures"]]
            parts.append(table(("fails", "times", "why"), *rows))
    return "\n".join(parts)
