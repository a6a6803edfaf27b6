"""ProgressPercent and ProgressDescription: what a task tells shows while it runs, and afterwards."""

from __future__ import annotations

from typing import Any

from tests.faces.superoffice.site import Site


def progress(info: dict[str, Any]) -> tuple[int, str]:
    return info["ProgressPercent"], info["ProgressDescription"]


def test_progress_shows_while_the_task_runs_and_afterwards(fresh: Site) -> None:
    """By number and in lists; a failed task keeps what it told last, one that succeeds is at 100."""
    good, bad = fresh.start(), fresh.start()
    assert progress(fresh.info(good)) == (0, "")
    fresh.tell(good, '{"percent": 40, "description": "NO:\\"Laster\\";US:\\"Loading\\""}')
    fresh.tell(bad, '{"percent": 60, "description": "half way"}')
    answer = fresh.call("GET", "/api/v1/BatchTask/Started", headers={"SO-Language": "no"})
    assert {info["Id"]: progress(info) for info in answer.json()} == {good: (40, "Laster"), bad: (60, "half way")}
    fresh.tell(bad, '{"percent": 70, "descr')
    assert progress(fresh.info(bad)) == (60, "half way")
    fresh.finish(good)
    fresh.finish(bad, 3)
    assert progress(fresh.until(good, "Succeeded")) == (100, 'NO:"Laster";US:"Loading"')
    assert progress(fresh.until(bad, "Failed")) == (60, "half way")
