"""The pages of docs/ say what the code says."""

from __future__ import annotations

import json

import pytest
from tests.pages.conformance import PEERS, SUITES
from tests.pages.errors import SAMPLES
from tests.pages.evidence import files_of
from tests.pages.made import COMMAND, DOCS, pages
from tests.pages.operations import SURFACES, Surface

from linarite.engine import errors
from linarite.engine.errors import EngineError

WHOLE = {"SuperOffice, REST", "SuperOffice, agent"}
"""Surfaces whose every operation has a test; it only grows."""


@pytest.mark.parametrize(
    "name", ["conformance.md", "error-codes.md", "errors.md", "lists.md", "nodes.md", "settings.md"]
)
def test_committed_page_is_what_the_code_makes(name: str) -> None:
    """A page that is made from the code is made anew with each change of it."""
    assert (DOCS / name).read_text() == pages()[name], f"docs/{name} is old: run {COMMAND}"


def test_errors_page_shows_every_refusal_of_the_engine() -> None:
    """No class of the family is left out."""
    shown = {type(error) for _, error in SAMPLES}
    assert {kind for kind in EngineError.__subclasses__() if kind.__module__ == errors.__name__} <= shown


@pytest.mark.parametrize("surface", [one for one in SURFACES if one.title in WHOLE], ids=lambda one: one.title)
def test_every_operation_that_is_there_has_a_test(surface: Surface) -> None:
    """What a face says that it does, a test does with it."""
    assert not [one.name for one in surface.operations() if one.there and not files_of(surface, one)]


@pytest.mark.parametrize("suite", SUITES)
def test_each_failure_of_a_peer_suite_has_its_reason(suite: str) -> None:
    """As many failures are explained as there are, and no fewer pass than the floor."""
    told = json.loads((PEERS / "known_failures.json").read_text())[suite]
    explained = sum(one.get("count", 1) for one in told["failures"])
    assert explained == told["failed"]
    assert all(one["reason"] for one in told["failures"])
    assert told["passed"] >= json.loads((PEERS / "floors.json").read_text())[suite]
