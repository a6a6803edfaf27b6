"""docs/autoscale.md says what the language does: its examples are evaluated, and it leaves nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.engine.autoscale.facts import complaint, outcome

from linarite.engine.autoscale import evaluation, metrics, parsing
from linarite.engine.autoscale.functions import FUNCTIONS, STOP
from linarite.engine.autoscale.values import INTERVALS, TIMESTAMP_MEMBERS

PAGE = (Path(__file__).parents[3] / "docs" / "autoscale.md").read_text()
EXAMPLES = re.findall(r"```formula\n(.*?)```\n\n```(results|fault)\n(.*?)\n```", PAGE, re.DOTALL)


def test_every_formula_of_the_page_is_an_example():
    assert PAGE.count("```formula") == len(EXAMPLES) >= 5


@pytest.mark.parametrize(("formula", "kind", "told"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_example_comes_to_what_the_page_says(formula: str, kind: str, told: str):
    if kind == "fault":
        assert complaint(formula) == told
        return
    found = outcome(formula)
    targets = f"$TargetDedicatedNodes={found.dedicated};$TargetLowPriorityNodes={found.low_priority}"
    own = f";{found.variables}" if found.variables else ""
    assert f"{targets};$NodeDeallocationOption={found.option}{own}" == told


def test_page_names_everything_that_there_is():
    named = set(re.findall(r"[$\w]+", PAGE))
    assert {*FUNCTIONS, STOP, *metrics.METRICS, *metrics.METHODS, *INTERVALS, *TIMESTAMP_MEMBERS} <= named
    assert {*evaluation.OPTIONS, *evaluation.ALIASES, evaluation.DEDICATED, evaluation.LOW_PRIORITY} <= named
    limits = (
        parsing.LONGEST,
        parsing.MOST_STATEMENTS,
        parsing.DEEPEST,
        evaluation.MOST_NODES,
        evaluation.MOST_STEPS,
        evaluation.MOST_PRINTED,
    )
    assert {str(limit) for limit in limits} <= named
