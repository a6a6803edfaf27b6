"""Nodes of pools."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Boolean, Column, Connection, Table, UniqueConstraint, bindparam, delete

from linarite.engine.certificates import CertificateUse
from linarite.engine.filtering import Expression, Listed
from linarite.engine.model import Failure, Node, NodeState, OnRunning
from linarite.engine.packages import Package
from linarite.store.counters import take
from linarite.store.filters import Property
from linarite.store.listing import Listing
from linarite.store.node_tasks import of_start
from linarite.store.rows import Rows, pack_or_null, unpack_facts, unpacked, word
from linarite.store.schema import Partial, Whole, key_column, metadata, number, packed, text
from linarite.store.statements import Query, unique

nodes = Table(
    "nodes",
    metadata,
    key_column(),
    text("account"),
    number("pool_key"),
    text("pool"),
    text("id"),
    text("id_key"),
    number("alias"),
    Column("dedicated", Boolean, nullable=False),
    number("slots"),
    text("state"),
    number("state_at"),
    number("created_at"),
    number("boot_at"),
    Column("scheduling", Boolean, nullable=False),
    Column("drained", Boolean, nullable=False),
    number("running_tasks"),
    number("running_slots"),
    number("total_tasks"),
    number("succeeded_tasks"),
    number("own_tasks"),
    text("on_running", null=True),
    Column("told", Boolean, nullable=False),
    number("exclusive_tasks"),
    packed("packages", null=True),
    packed("certificates", null=True),
    Column("contained", Boolean, nullable=False),
    packed("groups", null=True),
    packed("labels", null=True),
    number("cores"),
    number("memory_mb"),
    number("cpu_mhz"),
    packed("failure", null=True),
    packed("facts", null=True),
    UniqueConstraint("account", "alias"),
)
KEYS = Whole("ix_nodes_keys", nodes.c.pool_key, nodes.c.key)
IDS = Whole("ix_nodes_ids", nodes.c.pool_key, nodes.c.id_key, unique=True)
CHANGING = Partial("ix_nodes_changing", "on_running IS NOT NULL", nodes.c.key)

_packages = unpacked(tuple[Package, ...])
_names = unpacked(tuple[str, ...])
_certificates = unpacked(tuple[CertificateUse, ...])
_rows = Rows(
    Node,
    nodes,
    paths={"id_key": "id"},
    write={
        "id_key": str.lower,
        "packages": pack_or_null,
        "certificates": pack_or_null,
        "groups": pack_or_null,
        "labels": pack_or_null,
        "failure": pack_or_null,
        "facts": pack_or_null,
    },
    read={
        "state": word(NodeState),
        "on_running": word(OnRunning),
        "packages": lambda value: _packages(value) or (),
        "certificates": lambda value: _certificates(value) or (),
        "groups": lambda value: _names(value) or (),
        "labels": lambda value: _names(value) or (),
        "failure": unpacked(Failure),
        "facts": unpack_facts,
    },
)
_insert = _rows.inserter()
_update = _rows.updater(_rows.names_but("account", "pool_key", "pool", "id", "id_key", "alias"))
_BY_ID = Query(_rows.select.where(nodes.c.pool_key == bindparam("pool_key"), nodes.c.id_key == bindparam("id")))
_BY_KEY = Query(_rows.select.where(nodes.c.key == bindparam("key")))
_IN_POOL = _rows.select.where(nodes.c.pool_key == bindparam("pool_key")).order_by(nodes.c.key)
_OF_POOL = Query(_IN_POOL)
_OF_ACCOUNT = Query(_rows.select.where(nodes.c.account == bindparam("account")).order_by(nodes.c.alias))
_ALL = Query(_rows.select.order_by(nodes.c.key))
_CHANGING = Query(CHANGING.answers(_rows.select).order_by(nodes.c.key))

PROPERTIES = {
    "id": Property(nodes.c.id_key, folded=True),
    "state": Property(nodes.c.state),
    "stateTransitionTime": Property(nodes.c.state_at),
    "lastBootTime": Property(nodes.c.boot_at),
    "allocationTime": Property(nodes.c.created_at),
    "startTaskInfo/state": of_start("state", nodes.c.key),
    "startTaskInfo/result": of_start("result", nodes.c.key),
    "startTaskInfo/exitCode": of_start("exit_code", nodes.c.key),
    "startTaskInfo/startTime": of_start("started_at", nodes.c.key),
    "startTaskInfo/endTime": of_start("ended_at", nodes.c.key),
}

_listing = Listing(_rows, PROPERTIES, nodes.c.pool_key, keys=KEYS, ids=IDS)


class SqlNodes:
    """Implements `engine.ports.NodeRecords`. A node's ids, pool and account stay; an update writes the rest."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, pool_key: int, node: str) -> Node | None:
        return _rows.one(self._connection, _BY_ID, pool_key=pool_key, id=node.lower())

    def by_key(self, key: int) -> Node | None:
        return _rows.one(self._connection, _BY_KEY, key=key)

    def of_pool(self, pool_key: int) -> list[Node]:
        return _rows.many(self._connection, _OF_POOL, pool_key=pool_key)

    def of_account(self, account: str) -> list[Node]:
        return _rows.many(self._connection, _OF_ACCOUNT, account=account)

    def insert(self, nodes: Sequence[Node]) -> None:
        """Store new nodes and set the key and the alias of each."""
        for node in nodes:
            node.key = take(self._connection, "nodes")
            node.alias = take(self._connection, f"nodes of {node.account}")
        with unique("node", nodes[0].id if nodes else ""):
            _insert(self._connection, nodes)

    def update(self, nodes: Sequence[Node]) -> None:
        _update(self._connection, nodes)

    def delete(self, keys: Sequence[int]) -> None:
        self._connection.execute(delete(nodes).where(nodes.c.key.in_(keys)))

    def page(self, pool_key: int, where: Expression | None, after: int, limit: int) -> list[Node]:
        return _listing.page(self._connection, pool_key, where, after, limit)

    def listed(self, pool_key: int, where: Expression | None, position: str, limit: int) -> Listed[Node]:
        return _listing.listed(self._connection, pool_key, where, position, limit)

    def all(self) -> list[Node]:
        return _rows.many(self._connection, _ALL)

    def changing(self) -> list[Node]:
        return _rows.many(self._connection, _CHANGING)
