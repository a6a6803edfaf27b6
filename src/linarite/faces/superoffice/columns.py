"""The archive BatchTasks: its columns, where the store finds them, and what an answer shows of a task.

Source: SuperOffice NOTES section 5; enums.json, archiveBatchTasks. Names are read in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from linarite.engine.filtering import Derived, Numbered
from linarite.faces.superoffice.carrier import Entry, description, response
from linarite.faces.superoffice.presentation import Presentation
from linarite.faces.superoffice.reading import InvalidColumn
from linarite.faces.superoffice.states import FACE, BatchTaskState

Kind = Literal["int", "string", "date", "associate", "bool"]
Value = str | int | bool
ENTITY = "batchtask"
ARCHIVE = "BatchTasks"
ID = "id"
"""The column of the store's search that no archive has: PrimaryKey."""


class Column(NamedTuple):
    """A column: its filter type, where it is found, and its value in an answer."""

    name: str
    kind: Kind
    derived: Derived
    value: Callable[[Entry, Presentation], Value]

    @property
    def sortable(self) -> bool:
        """Whether a list may be ordered by it."""
        return self.kind != "bool" and self.name not in {"Request", "Response", "ProgressDescription"}


def _fact(name: str) -> str:
    return f"facts/{FACE}/{name}"


def _text(*of: str) -> Derived:
    return Derived(of=of, default="")


def _number(*of: str | Numbered) -> Derived:
    return Derived(kind="number", of=of, default=0)


def _moment(of: str) -> Derived:
    return Derived(kind="number", of=(of,))


def _own(name: str, default: Value) -> Callable[[Entry, Presentation], Value]:
    return lambda entry, _: entry.facts.get(name, default)


def _shown(get: Callable[[Entry], str]) -> Callable[[Entry, Presentation], Value]:
    return lambda entry, shown: shown.text(get(entry))


NAME = _text(_fact("definition"), "job/spec/display_name", "job/spec/id")
STATE = _number(
    "unfinished", Numbered(_fact("cleanup"), {True: BatchTaskState.SucceededManualCleanup.value}), "progression"
)
_ASSOCIATE = _number(_fact("associate"))
"""Of a task that another protocol made it is the owner of its job: `derived`."""

_TABLE = (
    Column("getAllRows", "bool", _number(), lambda *_: True),
    Column("getNoRows", "bool", _number(), lambda *_: False),
    Column("DefinitionId", "int", _number(_fact("definition_id")), _own("definition_id", 0)),
    Column("DefinitionName", "string", NAME, _shown(lambda entry: entry.name)),
    Column(
        "DefinitionDescription", "string", _text(_fact("definition_description")),
        _shown(lambda entry: entry.facts.get("definition_description", "")),
    ),
    Column("DefinitionTimeOut", "int", _number(_fact("definition_timeout")), _own("definition_timeout", 0)),
    Column("Description", "string", _text(_fact("description"), "spec/display_name"), _shown(description)),
    Column("DbTag", "string", _text("account"), lambda entry, _: entry.task.account),
    Column("State", "int", STATE, lambda entry, _: entry.state.value),
    Column("DetailsTable", "int", _number(_fact("details_table")), _own("details_table", 0)),
    Column("DetailsRecord", "int", _number(_fact("details_record")), _own("details_record", 0)),
    Column("Request", "string", _text(_fact("request")), _shown(lambda entry: entry.facts.get("request", ""))),
    Column("Response", "string", _text(_fact("response"), "failure/message"), _shown(response)),
    Column("StartCount", "int", _number("attempt"), lambda entry, _: entry.task.attempt),
    Column(
        "LastStarted", "date", _moment("executionInfo/startTime"),
        lambda entry, shown: shown.date(entry.task.started_at),
    ),
    Column("ProgressPercent", "int", _number("percent"), lambda entry, _: entry.percent),
    Column("ProgressDescription", "string", _text("stage"), _shown(lambda entry: entry.task.stage or "")),
    Column("updatedBy", "associate", _number(_fact("updated_by")), lambda entry, _: entry.updated_by),
    Column(
        "updatedDate", "date", _moment("lastModifiedTime"),
        lambda entry, shown: shown.utc_date(entry.task.modified_at),
    ),
    Column("registeredBy", "associate", _ASSOCIATE, lambda entry, _: entry.associate),
    Column(
        "registeredDate", "date", _moment("creationTime"),
        lambda entry, shown: shown.utc_date(entry.task.created_at),
    ),
)  # fmt: skip
COLUMNS = {column.name.lower(): column for column in _TABLE}
DEFAULT = tuple(column for column in _TABLE if column.kind != "bool")
"""What an answer has when no columns are named."""


def column(name: str) -> Column:
    """The column of that name. InvalidColumn."""
    found = COLUMNS.get(name.strip().lower())
    if found is None:
        raise InvalidColumn(f"The archive {ARCHIVE} has no column {name.strip()!r}.")
    return found


def derived(owners: Mapping[str, int]) -> dict[str, Derived]:
    """The columns as the store searches them; `owners` are the numbers of users by their names, in lower case."""
    by_owner = Numbered("owner", dict(owners))
    found = {name: column.derived for name, column in COLUMNS.items() if column.kind != "bool"}
    made = (_fact("associate"), by_owner)
    return {
        **found,
        ID: Derived(kind="number", of=("accountAlias",)),
        "registeredby": _number(*made),
        "updatedby": _number(_fact("updated_by"), *made),
    }
