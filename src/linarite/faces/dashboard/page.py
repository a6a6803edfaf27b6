"""The page as HTML: everything that comes from outside is escaped, nothing is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from linarite import __version__
from linarite.faces.dashboard.counting import Capacity, Totals

SHOWN = 500
"""So many machines are told of one by one."""
TITLES = {
    "batch": "Azure Batch",
    "files": "Azure Files",
    "hpc": "HPC Pack",
    "superoffice": "SuperOffice",
    "dashboard": "This page",
}

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1b2430; }
h1 { color: #1f3fa8; margin-bottom: 0; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #d8dee9; font-weight: normal; }
td:last-child { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .95em; }
.note { color: #5a6675; }
@media (prefers-color-scheme: dark) {
  body { background: #12161c; color: #dde3ea; } h1 { color: #8fa8ff; }
  th, td { border-color: #2b333d; } .note { color: #9aa6b2; }
}
"""


def page(totals: Totals, addresses: Mapping[str, str], *, development: bool) -> str:
    """The whole document."""
    mode = "development mode: well-known keys, this machine alone" if development else "production mode"
    counts = [("accounts", "", totals.accounts)]
    for name in ("pools", "nodes", "jobs", "tasks"):
        states: dict[str, int] = getattr(totals, name)
        counts += [(name, state, number) for state, number in states.items()] or [(name, "", 0)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Linarite</title><style>{STYLE}</style></head><body><main>"
        f'<h1>Linarite</h1><p class="note">Version {escape(__version__)}, {escape(mode)}. The server is serving.</p>'
        f"<h2>Addresses</h2><table>{_addresses(addresses)}</table>"
        f"<h2>What there is</h2><table>{_counts(counts)}</table>"
        f"{_machines(totals.machines)}"
        '<p class="note">Jobs and their tasks count until the job is over. Active tasks wait for their turn.</p>'
        "</main></body></html>\n"
    )


def _addresses(addresses: Mapping[str, str]) -> str:
    return "".join(
        f'<tr><th scope="row">{escape(TITLES.get(name, name))}</th><td><code>{escape(url)}</code></td></tr>'
        for name, url in addresses.items()
    )


def _machines(found: Sequence[Capacity]) -> str:
    """The cluster's capacity: a sum, and the machines, as many of them as a page can show."""
    if not found:
        return ""
    every = sum(one.cpus for one in found), sum(one.slots for one in found)
    rows = [(one.name, one.state.value, one.cpus, one.slots) for one in found[:SHOWN]]
    rows.append((f"all {len(found)}", "" if len(found) <= SHOWN else f"the first {SHOWN} are shown", *every))
    cells = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(state)}</td><td>{cpus:,}</td><td>{slots:,}</td></tr>'
        for name, state, cpus, slots in rows
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Machine", "State", "CPUs", "Slots in use"))
    return f"<h2>Capacity of the cluster</h2><table><tr>{heads}</tr>{cells}</table>"


def _counts(rows: list[tuple[str, str, int]]) -> str:
    return "".join(
        f'<tr><th scope="row">{escape(kind)}</th><td>{escape(state)}</td><td>{number:,}</td></tr>'
        for kind, state, number in rows
    )
