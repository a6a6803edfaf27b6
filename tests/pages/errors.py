"""docs/errors.md: what each refusal of the engine becomes in each protocol, as the faces themselves say it."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

from tests.pages.made import table
from tests.pages.operations import NOTHING

from linarite.engine import errors
from linarite.engine.access import Unauthenticated
from linarite.engine.errors import EngineError
from linarite.faces.azure_batch import AzureBatch
from linarite.faces.azure_files import AzureFiles
from linarite.faces.hpc_pack import HpcPack
from linarite.faces.hpc_pack.errors import NO_CODE
from linarite.faces.superoffice import SuperOffice
from linarite.http.messages import Request

INTRODUCTION = """
# Errors

The engine has one family of refusals (`src/linarite/engine/errors.py`); each protocol has its own status, code and
shape for them. The cells show the status and the code that a client reads. HPC Pack's codes are those of its scheduler,
which has none for some. An error that nobody foresaw is the protocol's own internal error, with a line in the log and
nothing of it in the answer.
"""

ACCESS: Any = SimpleNamespace(tenant="common")

SAMPLES: tuple[tuple[str, EngineError], ...] = (
    ("the caller is not known", Unauthenticated("who are you?")),
    ("the caller may not do this", errors.NotAllowed("no")),
    ("no such job", errors.NotFound("job", "j")),
    ("no such task", errors.NotFound("task", "t")),
    ("no such pool", errors.NotFound("pool", "p")),
    ("no such node", errors.NotFound("node", "n")),
    ("no such file", errors.NotFound("file", "f")),
    ("no such share", errors.NotFound("share", "s")),
    ("a job of that id is there", errors.AlreadyExists("job", "j")),
    ("a task of that id is there", errors.AlreadyExists("task", "t")),
    ("the job's state does not allow it", errors.WrongState("job", "completed", "terminate")),
    ("the task's state does not allow it", errors.WrongState("task", "completed", "terminate")),
    ("a value is not allowed", errors.InvalidValue("name", "value", "it is not allowed.")),
    ("a value is missing", errors.MissingValue("name")),
    ("the job uses no dependencies", errors.DependenciesNotEnabled("no")),
    ("too many dependencies", errors.DependencyListTooLong("no")),
    ("too many ranges of dependencies", errors.DependencyRangesTooLong("no")),
    ("more items than one call may bring", errors.TooMany("no", limit=100)),
    ("a pool asks for an application package that is not there", errors.UnknownPackages(["app:1"])),
    ("the same was asked a moment ago", errors.TooSoon("no")),
    ("a condition does not hold", errors.ConditionNotMet("no")),
    ("not there yet", errors.NotSupported("no")),
    ("the task's files cannot be read", errors.FilesUnavailable("no", reason="no-node")),
    ("a path that leads out", errors.PathRefused("no")),
    ("try again later", errors.Unavailable("no")),
)


def page() -> str:
    faces = {
        "Azure Batch": (AzureBatch(NOTHING, ACCESS), "/jobs", "api-version=2025-06-01"),
        "Azure Files": (AzureFiles(NOTHING, NOTHING), "/devaccount/share", "restype=share"),
        "HPC Pack": (HpcPack(NOTHING, NOTHING), "/WindowsHPC/Jobs", "api-version=2012-11-01.4.0"),
        "SuperOffice": (SuperOffice(NOTHING, NOTHING), "/api/v1/BatchTask", ""),
    }
    rows = [
        (f"`{type(error).__name__}`", title, *(_shown(*face, error) for face in faces.values()))
        for title, error in SAMPLES
    ]
    return INTRODUCTION + "\n" + table(("error", "when", *faces), *rows)


def _shown(face: Any, path: str, query: str, error: EngineError) -> str:
    scope = {"method": "GET", "path": path, "query_string": query.encode(), "headers": [(b"host", b"localhost")]}
    answer = face.refuse(Request(scope, NOTHING, id="id", now=0), error)
    return f"{answer.status} {_code(answer.body.decode())}".strip()


def _code(body: str) -> str:
    """The code in a body: of JSON, or of XML with or without a namespace."""
    if body.startswith("{"):
        told = json.loads(body)
        return str(told.get("code") or told.get("ErrorType") or told.get("Message") or "")
    found = re.search(r"<(?:\w+:)?Code[^>]*>([^<]*)<", body)
    return found[1] if found and found[1] != str(NO_CODE) else ""
