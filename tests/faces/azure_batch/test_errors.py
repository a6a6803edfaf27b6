"""The table of refusals is total and agrees with the protocol's own list."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from linarite.engine import access, errors
from linarite.faces.azure_batch.errors import CODES, TABLE, Refusal, body, refusal_of
from linarite.faces.azure_batch.render.failures import CODES as FAILURES
from linarite.faces.azure_batch.routes import TABLE as ROUTES


def family(kind: type[Exception]) -> list[type[Exception]]:
    return [found for child in kind.__subclasses__() for found in (child, *family(child))]


def test_every_engine_error_has_a_row():
    assert access.Unauthenticated in family(errors.EngineError)
    for kind in family(errors.EngineError):
        if kind.__module__.startswith("linarite.engine.") and ".sharing" not in kind.__module__:
            assert kind in TABLE, kind


@pytest.mark.parametrize("kind", ["pool", "node", "job", "task", "file", "share", "account"])
def test_every_kind_that_is_missing_or_there_has_a_code(kind: str):
    assert refusal_of(errors.NotFound(kind, "x")).code in CODES
    assert refusal_of(errors.AlreadyExists(kind, "x")).code in CODES


def test_every_wrong_state_has_a_code():
    for kind in ("pool", "node", "job", "task", "share"):
        for state in ("active", "draft", "disabled", "disabling", "completed", "deleting", "resizing", "succeeded"):
            for action in ("add task", "terminate", "enable", "disable", "reactivate", "update", "change scheduling"):
                assert refusal_of(errors.WrongState(kind, state, action)).code in CODES


def test_an_unknown_error_is_the_internal_one():
    """And it tells nothing of itself."""
    status, shown = body(refusal_of(RuntimeError("secret")), "id")
    assert (status, shown["code"]) == (500, "InternalError")
    assert "secret" not in json.dumps(shown)


def test_body_has_message_id_time_and_values():
    status, shown = body(Refusal("PoolNotFound", Reason=True), "the-id")
    assert status == 404
    assert shown["message"]["value"].startswith("The specified pool does not exist.\nRequestId:the-id\nTime:20")
    assert shown["values"] == [{"key": "Reason", "value": "true"}]


@pytest.mark.specs
def test_codes_and_statuses_are_the_protocols():
    """`NotImplemented` and the 401 of a missing header are the two that the specification leaves open."""
    listed = json.loads((Path(os.environ["LINARITE_SPECS"]) / "azure-batch/error-codes.json").read_text())
    for code, (status, _) in CODES.items():
        known = listed["rest"][code]["status"]
        known = known if isinstance(known, list) else [known]
        assert status in known or known == [None] or code == "InvalidAuthenticationInfo", code
    # Not of the list: words of our own, and what users of the service report of it.
    others = {"NotImplemented", "NodeUnusable", "ResourceContainerListMiscError", "FileUploadMiscError"}
    others |= {"FileUploadContainerNotFound", "MountConfigurationError"}
    others |= {"ContainerPoolNotSupported", "ContainerTaskSettingsNotFound"}
    assert set(FAILURES.values()) - others <= set(listed["taskFailureInfo"])


@pytest.mark.specs
def test_every_operation_stands_in_the_table():
    """All 72 of 2025-06-01, by their own names and paths."""
    folder = Path(os.environ["LINARITE_SPECS"]) / "azure-batch"
    paths = json.loads((folder / "BatchService-2025-06-01.derived.json").read_text())["paths"]
    wanted = {(verb.upper(), operation["operationId"]) for verbs in paths.values() for verb, operation in verbs.items()}
    ours = {(row.method, row.name) for row in ROUTES if row.until == "9999"}
    assert ours == wanted
    assert len(ours) == 72
