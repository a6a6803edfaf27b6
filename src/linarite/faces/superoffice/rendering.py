"""Rows of the archive as answers: flat or full for OData, with display values for the agent.

Source: SuperOffice NOTES section 5; Swagger-v1-ArchiveAgent, ArchiveListItem. The agent's display values are
texts, those of other types coded as `[I:40]` and `[DT:09/30/2026 10:15:02.0000000]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from linarite.engine.access import Principal
from linarite.faces.superoffice.carrier import Entry
from linarite.faces.superoffice.columns import COLUMNS, ENTITY, Column
from linarite.faces.superoffice.presentation import UNSET, Presentation

LINK = "batchtask:{}"


def rows(
    entries: Sequence[Entry], columns: Sequence[Column], shown: Presentation, *, full: bool, display: bool
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of an OData answer."""
    return [(_full if full else _flat)(entry, columns, shown, display) for entry in entries]


def _flat(entry: Entry, columns: Sequence[Column], shown: Presentation, display: bool) -> dict[str, Any]:  # noqa: FBT001
    values = {
        column.name: _display(column, entry, shown) if display else column.value(entry, shown) for column in columns
    }
    return {"PrimaryKey": str(entry.id), "EntityName": ENTITY, **values}


def _full(entry: Entry, columns: Sequence[Column], shown: Presentation, _: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "PrimaryKey": str(entry.id), "EntityName": ENTITY, "StyleHint": "", "LinkHint": LINK.format(entry.id),
        "TableRight": {"Mask": "Select", "Reason": ""},
        "Column": {
            column.name: {
                "RawValue": column.value(entry, shown), "DisplayValue": _display(column, entry, shown), "LinkHint": "",
                "TooltipHint": "",
            }
            for column in columns
        },
    }  # fmt: skip


def _display(column: Column, entry: Entry, shown: Presentation) -> str:
    """A value as a person reads it."""
    value = column.value(entry, shown)
    if column.name == "State":
        return entry.state.name
    if column.kind == "date":
        return shown.display_date(str(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def items(
    entries: Sequence[Entry], columns: Sequence[Column], shown: Presentation, caller: Principal
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of an agent's answer."""
    return [
        {
            "EntityName": ENTITY, "PrimaryKey": entry.id,
            "ColumnData": {
                column.name: {
                    "DisplayValue": _coded(column.value(entry, shown), column), "TooltipHint": "", "LinkHint": ""
                }
                for column in columns
            },
            "LinkHint": LINK.format(entry.id), "StyleHint": "",
            "TableRight": {"Mask": "FULL" if entry.changeable_by(caller) else "Select", "Reason": ""},
            "FieldProperties": {},
        }
        for entry in entries
    ]  # fmt: skip


def _coded(value: str | int | bool, column: Column) -> str:  # noqa: FBT001 - a value of a column
    if column.kind == "date":
        text = str(value)
        return "" if text.startswith(UNSET) else f"[DT:{datetime.fromisoformat(text):%m/%d/%Y %H:%M:%S}.0000000]"
    if isinstance(value, bool):
        return f"[B:{int(value)}]"
    return f"[I:{value}]" if isinstance(value, int) else value


def metadata() -> list[dict[str, Any]]:
    """The columns of the archive."""
    return [
        {"Name": column.name, "RestrictionType": column.kind, "CanRestrictBy": True, "CanOrderBy": column.sortable}
        for column in COLUMNS.values()
    ]
