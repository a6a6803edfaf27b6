"""The list of tests that run on local nodes alone names tests that are there, and each for itself."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from tests.clients.one_kind import ON_ONE_KIND

TESTS = [
    f"{module.name}::{each.name}"
    for module in sorted(Path(__file__).parent.glob("test_*.py"))
    for each in ast.parse(module.read_text()).body
    if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_")
]


@pytest.mark.parametrize("pattern", ON_ONE_KIND)
def test_pattern_names_tests_that_are_there(pattern: str) -> None:
    """One that was renamed would run on a cluster again, or keep another from it later."""
    named = [test for test in TESTS if fnmatchcase(test, pattern)]
    assert named
    assert pattern.endswith("::*") or len(named) == 1
