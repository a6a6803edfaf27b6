"""The dashboard's page: what it counts, and that nothing from outside becomes markup."""

from __future__ import annotations

from linarite.faces.dashboard.counting import Totals
from linarite.faces.dashboard.page import page

TOTALS = Totals(accounts=2, pools={"active": 1}, nodes={"idle": 3, "running": 1}, jobs={}, tasks={"failed": 7})


def test_every_count_has_its_row() -> None:
    html = page(TOTALS, {}, development=True)
    for kind, state, number in (("accounts", "", 2), ("nodes", "idle", 3), ("jobs", "", 0), ("tasks", "failed", 7)):
        assert f'<tr><th scope="row">{kind}</th><td>{state}</td><td>{number}</td></tr>' in html


def test_an_address_cannot_become_markup() -> None:
    html = page(TOTALS, {"batch": "http://x/<script>&\"'"}, development=False)
    assert "<script>" not in html
    assert "http://x/&lt;script&gt;&amp;&quot;&#x27;" in html


def test_the_page_fetches_nothing_from_elsewhere() -> None:
    html = page(TOTALS, {}, development=True)
    assert not any(word in html for word in ("src=", "href=", "@import", "url("))
