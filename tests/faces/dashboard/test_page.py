"""The dashboard's page: what it counts, and that nothing from outside becomes markup."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.launching import MachineState
from linarite.faces.dashboard.counting import Capacity, Totals
from linarite.faces.dashboard.page import SHOWN, page

TOTALS = Totals(accounts=2, pools={"active": 1}, nodes={"idle": 3, "running": 1}, jobs={}, tasks={"failed": 10_007})


def test_every_count_has_its_row() -> None:
    html = page(TOTALS, {}, development=True)
    for kind, state, number in (
        ("accounts", "", 2),
        ("nodes", "idle", 3),
        ("jobs", "", 0),
        ("tasks", "failed", "10,007"),
    ):
        assert f'<tr><th scope="row">{kind}</th><td>{state}</td><td>{number}</td></tr>' in html


def test_an_address_cannot_become_markup() -> None:
    html = page(TOTALS, {"batch": "http://x/<script>&\"'"}, development=False)
    assert "<script>" not in html
    assert "http://x/&lt;script&gt;&amp;&quot;&#x27;" in html


def test_machines_are_told_of_one_by_one_as_long_as_a_page_can_show_them() -> None:
    """What is beyond that counts in the sum; a server without a cluster says nothing of one."""
    assert "Capacity" not in page(TOTALS, {}, development=True)
    one = Capacity(name="<b>", state=MachineState.RUNNING, cpus=2, slots=1)
    html = page(replace(TOTALS, machines=[one] * (SHOWN + 1)), {}, development=True)
    row = '<tr><th scope="row">&lt;b&gt;</th><td>running</td><td>2</td><td>1</td></tr>'
    assert html.count(row) == SHOWN
    told = f"<td>the first {SHOWN} are shown</td><td>{2 * SHOWN + 2:,}</td><td>{SHOWN + 1}</td>"
    assert f'<tr><th scope="row">all {SHOWN + 1}</th>{told}</tr>' in html


def test_the_page_fetches_nothing_from_elsewhere() -> None:
    html = page(TOTALS, {}, development=True)
    assert not any(word in html for word in ("src=", "href=", "@import", "url("))
