"""Node groups of the 2019 surface: those that users make, beside the pools and the common ones.

Source: Swagger 2020-01-01.6.0, /cluster/nodeGroups. Managed groups are the server's own: they cannot be changed here.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from linarite.engine.ledger import Ledger
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import groups
from linarite.faces.hpc_pack.answers import Answer, Data, Nothing, Texts
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import NO_CODE, OUT_OF_RANGE, UNKNOWN_GROUP, Refusal, bad
from linarite.faces.hpc_pack.operations.cluster import find_nodes

NAME_LIMIT, TEXT_LIMIT = 64, 255


def _shown(group: groups.Group) -> dict[str, Any]:
    return {"Name": group.name, "Description": group.description, "Managed": group.managed}


def _unknown(name: str) -> Refusal:
    return Refusal(404, UNKNOWN_GROUP, f"No node group named {name[:80]!r}.")


def _find(tx: Transaction, call: Call) -> groups.Group:
    found = groups.find(tx, call.account, call.name)
    if found is None:
        raise _unknown(call.name)
    return found


def _own(tx: Transaction, call: Call) -> groups.Group:
    found = _find(tx, call)
    if found.managed:
        raise bad(NO_CODE, f"The node group {found.name} is managed by the server and cannot be changed.")
    return found


async def get_node_groups(call: Call) -> Answer:
    """All node groups."""
    found = await call.engine.ask(lambda tx: groups.all_groups(tx, call.account))
    return Data("NodeGroup", [_shown(group) for group in found])


async def get_node_group(call: Call) -> Answer:
    """One node group."""
    return Data("NodeGroup", _shown(await call.engine.ask(lambda tx: _find(tx, call))))


async def _wanted(call: Call) -> tuple[str, str]:
    body = await call.json_object()
    name, text = body.get("name", ""), body.get("description") or ""
    if not isinstance(name, str) or not isinstance(text, str):
        raise bad(OUT_OF_RANGE, "Name and Description of a node group are text.")
    if len(text) > TEXT_LIMIT or len(name) > NAME_LIMIT:
        raise bad(OUT_OF_RANGE, "The name or the description of the node group is too long.")
    return name.strip(), text


async def create_node_group(call: Call) -> Answer:
    """Make a group without nodes. For administrators."""
    call.caller.may_administer()
    name, text = await _wanted(call)
    if not name or "," in name:
        raise bad(OUT_OF_RANGE, "A node group needs a Name, without commas.")

    def work(u: Ledger) -> groups.Group:
        if groups.find(u.tx, call.account, name) is not None:
            raise bad(NO_CODE, f"There is a node group named {name!r} already.")
        return groups.keep(u.tx, call.account, name, text)

    return Data("NodeGroup", _shown(await call.engine.do(work, who=call.caller.name)))


async def update_node_group(call: Call) -> Answer:
    """Change a group's description, and its name. For administrators."""
    call.caller.may_administer()
    name, text = await _wanted(call)

    def work(u: Ledger) -> groups.Group:
        old = _own(u.tx, call)
        new = name or old.name
        if "," in new or (new.lower() != old.name.lower() and groups.find(u.tx, call.account, new) is not None):
            raise bad(NO_CODE, f"There is a node group named {new!r} already, or it holds a comma.")
        if new != old.name:
            _rename(u, call, old.name, new)
        groups.forget(u.tx, call.account, old.name)
        return groups.keep(u.tx, call.account, new, text)

    return Data("NodeGroup", _shown(await call.engine.do(work, who=call.caller.name)))


def _rename(u: Ledger, call: Call, old: str, new: str | None) -> None:
    """Let the nodes that are in a group bear its new name, or none any more."""
    for node in u.tx.nodes.of_account(call.account):
        current = u.node(node.key) or node
        if old in current.groups:
            kept = tuple(new or "" if name == old else name for name in current.groups)
            u.put_node(replace(current, groups=tuple(name for name in kept if name)))


async def delete_node_group(call: Call) -> Answer:
    """Delete a group; its nodes stay. For administrators."""
    call.caller.may_administer()

    def work(u: Ledger) -> None:
        group = _own(u.tx, call)
        _rename(u, call, group.name, None)
        groups.forget(u.tx, call.account, group.name)

    await call.engine.do(work, who=call.caller.name)
    return Nothing()


async def get_nodes_of_group(call: Call) -> Answer:
    """The names of a group's nodes."""
    found = await call.engine.ask(lambda tx: groups.members(tx, call.account, call.name, call.service.head))
    if found is None:
        raise _unknown(call.name)
    return Texts(found)


async def move_nodes_of_group(call: Call) -> Answer:
    """Put nodes into a group, or take them out; answers its nodes. For administrators."""
    call.caller.may_administer()
    body = await call.json_object()
    operation, names = str(body.get("operation", "")).lower(), body.get("nodenames")
    if operation not in {"add", "remove"} or not isinstance(names, list):
        raise bad(OUT_OF_RANGE, "The body must have an Operation, add or remove, and NodeNames.")
    if str(body.get("groupname") or call.name).lower() != call.name.lower():
        raise bad(OUT_OF_RANGE, "GroupName names another group than the address does.")

    def work(u: Ledger) -> list[str]:
        group = _own(u.tx, call)
        for name in names:
            for each in find_nodes(u.tx, call, str(name)):
                node = u.node(each.key) or each
                others = tuple(other for other in node.groups if other != group.name)
                u.put_node(replace(node, groups=(*others, group.name) if operation == "add" else others))
        u.effects.wake = True
        current = [u.node(each.key) or each for each in u.tx.nodes.of_account(call.account)]
        return [*dict.fromkeys(node.id for node in current if group.name in node.groups)]

    return Texts(await call.engine.do(work, who=call.caller.name))
