"""What a batch task of a name runs: definitions from the settings, and the engine's task made of one.

Source: SuperOffice NOTES sections 6 and 13; issue 5, SuperOffice 3. No web call makes a definition.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from linarite.engine.errors import EngineError, InvalidValue
from linarite.engine.model import SECOND, Facts, Named, TaskSpec
from linarite.faces.superoffice.states import FACE

DEFAULT_POOL = "superoffice"


class CannotStart(EngineError):
    """There is no definition of that name, or its pool is not there."""


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of work: `command` runs on `pool`, by a shell unless `shell` is false.

    `timeout` in seconds, None without limit; `restarts` after a failure, -1 for ever. The pool `superoffice` is made
    when it is first needed, any other must be there. `description` stands for tasks that are started without one.
    """

    command: str
    pool: str = DEFAULT_POOL
    description: str = ""
    shell: bool = True
    timeout: Annotated[int, msgspec.Meta(gt=0)] | None = None
    restarts: Annotated[int, msgspec.Meta(ge=-1)] = 0
    cancellation: Literal["CanCancel", "CancelWithWarning", "CannotCancel"] = "CanCancel"


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks when starting a task, and who the caller is (`associate`, the user's number).

    `number` is the definition's, in the order of their names.
    """

    name: str
    associate: int
    description: str | None = None
    request: str | None = None
    context: str | None = None
    file_name: str | None = None
    parameters: dict[str, str] = {}
    details_table: int = 0
    details_record: int = 0
    number: int = 0


def variable(parameter: str) -> str:
    """The environment variable of a parameter: SO_PARAM_ and the name, in capitals, digits and underscores."""
    return "SO_PARAM_" + re.sub(r"[^A-Z0-9_]", "_", parameter.upper())


def task_spec(definition: Definition, start: Start, id: str) -> tuple[TaskSpec, Facts]:
    """The engine's task, and what this face keeps beside it. InvalidValue when no environment can carry a parameter."""
    variables = dict[str, str]()
    for name, value in start.parameters.items():
        if variable(name) in variables:
            raise InvalidValue("ParameterObject", name, f"two parameters would both be {variable(name)}.")
        variables[variable(name)] = value
    if start.request is not None:
        variables["SO_REQUEST"] = start.request
    for name, value in variables.items():
        if "\0" in value:
            raise InvalidValue("ParameterObject", name, "must not contain the character NUL.")
    spec = TaskSpec(
        id=id, command=definition.command, shell=definition.shell,
        display_name=start.description or definition.description or None,
        environment=tuple(Named(name, value) for name, value in variables.items()), max_retries=definition.restarts,
        max_wall_clock=None if definition.timeout is None else definition.timeout * SECOND,
    )  # fmt: skip
    return spec, {FACE: _facts(definition, start)}


def _facts(definition: Definition, start: Start) -> dict[str, object]:
    facts = {
        "definition": start.name, "associate": start.associate, "request": start.request, "context": start.context,
        "file_name": start.file_name, "parameters": start.parameters, "details_table": start.details_table,
        "details_record": start.details_record, "cancellation": definition.cancellation, "definition_id": start.number,
        "definition_description": definition.description, "definition_timeout": definition.timeout,
    }  # fmt: skip
    return {name: value for name, value in facts.items() if value}
