"""What was done to nodes through this face, kept for some weeks. Source: Swagger 2020-01-01.6.0, OperationLog."""

from __future__ import annotations

from typing import Any

from linarite.engine.ledger import Ledger
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack.values import iso

KIND = "hpc_pack.operation"
LIFE = 30 * 24 * 3600 * 1_000_000
NAME = "Name"


def add(u: Ledger, account: str, id_: str, name: str, operator: str, node: str) -> None:
    """Note an operation."""
    value = {"Name": name, "Operator": operator, "Node": node, "at": u.now}
    u.tx.documents.put(KIND, f"{account}/{id_}", value, u.now + LIFE)


def shown(id_: str, value: dict[str, Any], *, detail: bool) -> dict[str, Any]:
    """One as the surface tells of it; it was carried out when it was committed."""
    moment = iso(value["at"])
    told = {
        "Id": id_, "Name": value["Name"], "State": "Committed", "Operator": value["Operator"], "Node": value["Node"],
        "Cancelable": False, "UpdateTime": moment,
    }  # fmt: skip
    if detail:
        message = f"{value['Name']} {value['Node']}."
        told["Entries"] = [
            {"Message": message, "Severity": "Information", "Source": value["Node"], "CreateTime": moment}
        ]
    return told


def of_account(tx: Transaction, account: str, now: int) -> list[tuple[str, dict[str, Any]]]:
    """All of an account with their ids, the latest first."""
    prefix = f"{account}/"
    found = tx.documents.all(KIND, now).items()
    mine = [(name.removeprefix(prefix), value) for name, value in found if name.startswith(prefix)]
    return sorted(mine, key=lambda one: one[1]["at"], reverse=True)


def one(tx: Transaction, account: str, id_: str, now: int) -> dict[str, Any] | None:
    """The one of that id."""
    found: dict[str, Any] | None = tx.documents.get(KIND, f"{account}/{id_}", now)
    return found
