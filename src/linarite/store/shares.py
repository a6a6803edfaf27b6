"""Shares, facts of files and permissions. Implements `engine.sharing.ports.ShareRecords`.

A fact's row is found by the directory (`parent`) and the name in it, so that a listing reads one range of rows. One
that is displaced stands in a directory of its own (`ports.DISPLACED`), by a name that says nothing. `lost` is a moment
in microseconds.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Select,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)  # fmt: skip
from sqlalchemy import text as sql
from sqlalchemy.sql import ColumnElement

from linarite.engine.sharing.ports import DISPLACED, Spot
from linarite.engine.sharing.records import Facts, Share
from linarite.store.counters import take
from linarite.store.schema import NUMBER, TEXT, key_column, metadata, number, packed, text

# `position` sorts a share after its snapshots: the snapshot's moment, or "~" for the share itself. `version` is that of
# a deleted share that is kept until `expires_at`, "" for all others.
file_shares = Table(
    "file_shares",
    metadata,
    key_column(),
    text("account"),
    text("name"),
    text("version"),
    text("position"),
    number("expires_at", null=True),
    packed("record"),
    UniqueConstraint("account", "name", "version", "position"),
    Index("ix_file_shares_expiring", "expires_at", sqlite_where=sql("expires_at IS NOT NULL")),
    Index("ix_file_shares_deleted", "key", sqlite_where=sql("expires_at IS NOT NULL")),
)
file_facts = Table(
    "file_facts",
    metadata,
    Column("share", NUMBER, primary_key=True, autoincrement=False),
    Column("parent", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    number("born", null=True),
    text("mark"),
    number("lost", null=True),
    packed("record"),
    Index(None, "share", "born"),
    Index(None, "share", "mark"),
)
file_permissions = Table(
    "file_permissions",
    metadata,
    Column("share", NUMBER, primary_key=True, autoincrement=False),
    Column("permission", TEXT, primary_key=True),
    text("descriptor"),
)

SELF = "~"
AFTER_SLASH = chr(ord("/") + 1)
_shares, _facts = file_shares.c, file_facts.c
_share_of = msgspec.json.Decoder(Share).decode
_facts_of = msgspec.json.Decoder(Facts).decode
_pack = msgspec.json.Encoder().encode

_NAMED = and_(
    _shares.account == bindparam("account"), _shares.name == bindparam("name"), _shares.version == bindparam("version")
)
_GET = select(_shares.record).where(_NAMED, _shares.position == bindparam("position"))
_BY_KEY = select(_shares.record).where(_shares.key == bindparam("key"))
_SNAPSHOTS = select(_shares.record).where(_NAMED, _shares.position != SELF).order_by(_shares.position)
_ORDER = (_shares.name, _shares.version, _shares.position)
_PAGE = select(_shares.record).where(_shares.account == bindparam("account")).order_by(*_ORDER)
_KEPT = _shares.expires_at.is_not(None)
_EXPIRED = select(_shares.record).where(_KEPT, _shares.expires_at <= bindparam("now")).order_by(_shares.expires_at)
_NEXT = select(func.min(_shares.expires_at)).where(_KEPT)
_DELETED = select(_shares.record).where(_KEPT, _shares.key > bindparam("after")).order_by(_shares.key)
_AT = and_(_facts.share == bindparam("key"), _facts.parent == bindparam("above"), _facts.name == bindparam("last"))
_FACTS = select(_facts.record).where(_AT)
_FACTS_IN = select(_facts.name, _facts.record).where(
    _facts.share == bindparam("key"),
    _facts.parent == bindparam("above"),
    _facts.name >= bindparam("first"),  # no BETWEEN: PostgreSQL takes none with a collation
    _facts.name <= bindparam("last"),
)
_PUT = sql(
    "INSERT INTO file_facts (share, parent, name, born, mark, record)"
    " VALUES (:key, :above, :last, :born, :mark, :record) ON CONFLICT (share, parent, name)"
    " DO UPDATE SET born = excluded.born, mark = excluded.mark, lost = NULL, record = excluded.record"
)
_BORN = select(_facts.parent, _facts.name).where(
    _facts.share == bindparam("key"), _facts.born == bindparam("born"), _facts.parent != DISPLACED
)
_MARK = select(_facts.mark).where(_AT)
_MARKED = select(_facts.parent, _facts.name, _facts.record).where(
    _facts.share == bindparam("key"), _facts.mark == bindparam("mark")
)
_SPOT = (_facts.share, _facts.parent, _facts.name)
_SOME = select(*_SPOT, _facts.lost).order_by(*_SPOT)
_PERMISSION = select(file_permissions.c.descriptor).where(
    file_permissions.c.share == bindparam("key"), file_permissions.c.permission == bindparam("permission")
)


class Shares:
    """The repository, over one transaction's connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, account: str, name: str, snapshot: str = "", version: str = "") -> Share | None:
        values = {"account": account, "name": name, "version": version, "position": snapshot or SELF}
        record = self._connection.execute(_GET, values).scalar()
        return None if record is None else _share_of(record)

    def by_key(self, key: int) -> Share | None:
        record = self._connection.execute(_BY_KEY, {"key": key}).scalar()
        return None if record is None else _share_of(record)

    def insert(self, share: Share) -> None:
        """Store a new share and set its key."""
        share.key = take(self._connection, "file_shares")
        self._connection.execute(insert(file_shares).values(key=share.key, **_row(share)))

    def update(self, share: Share) -> None:
        self._connection.execute(update(file_shares).where(_shares.key == share.key).values(_row(share)))

    def delete(self, key: int) -> None:
        """Forget a share with its facts and permissions."""
        self._connection.execute(delete(file_facts).where(_facts.share == key))
        self._connection.execute(delete(file_permissions).where(file_permissions.c.share == key))
        self._connection.execute(delete(file_shares).where(_shares.key == key))

    def page(
        self, account: str, prefix: str, marker: tuple[str, ...], limit: int, *, snapshots: bool, deleted: bool
    ) -> list[Share]:
        """Shares by name from `marker` (name, version, snapshot) on.

        A share's snapshots stand before it, deleted ones of its name after it.
        """
        query = _PAGE.limit(limit)
        if prefix:
            query = query.where(_shares.name.startswith(prefix, autoescape=True))
        if not snapshots:
            query = query.where(_shares.position == SELF)
        if not deleted:
            query = query.where(_shares.version == "")
        if marker:
            name, version, snapshot = marker
            query = query.where(tuple_(*_ORDER) >= tuple_(literal(name), literal(version), literal(snapshot or SELF)))
        return [_share_of(record) for record in self._connection.execute(query, {"account": account}).scalars()]

    def snapshots(self, account: str, name: str, version: str = "") -> list[Share]:
        """A share's snapshots, the oldest first."""
        return self._all(_SNAPSHOTS, account=account, name=name, version=version)

    def expired(self, now: int, limit: int) -> list[Share]:
        """Deleted shares and their snapshots whose time is over."""
        return self._all(_EXPIRED.limit(limit), now=now)

    def next_expiry(self) -> int | None:
        """When the next of them is."""
        found: int | None = self._connection.execute(_NEXT).scalar()
        return found

    def deleted(self, after: int, limit: int) -> list[Share]:
        """Deleted shares and their snapshots by key, from the one after `after` on."""
        return self._all(_DELETED.limit(limit), after=after)

    def copy(self, source: int, target: int) -> None:
        """Give share `target` the facts and permissions of `source`."""
        for table in (file_facts, file_permissions):
            others = [column for column in table.c if column.name != "share"]
            rows = select(literal(target), *others).where(table.c.share == source)
            if table is file_facts:
                rows = rows.where(_facts.parent != DISPLACED)
            names = ["share", *(column.name for column in others)]
            self._connection.execute(insert(table).from_select(names, rows))

    def facts(self, key: int, path: str) -> Facts | None:
        record = self._connection.execute(_FACTS, _spot(key, path)).scalar()
        return None if record is None else _facts_of(record)

    def born(self, key: int, born: int) -> str | None:
        """The path of the file that was born then."""
        found = self._connection.execute(_BORN, {"key": key, "born": born}).first()
        return None if found is None else _path(*found)

    def facts_in(self, key: int, directory: str, first: str, last: str) -> dict[str, Facts]:
        """The facts of everything right in a directory, by name."""
        found = self._connection.execute(_FACTS_IN, {"key": key, "above": directory, "first": first, "last": last})
        return {name: _facts_of(record) for name, record in found}

    def put_facts(self, key: int, path: str, facts: Facts) -> None:
        self._connection.execute(_PUT, _packed(key, path, facts))

    def put_facts_of_links(self, key: int, facts: Facts) -> None:
        """Store them for all names of the file that was born as they say."""
        names = update(file_facts).where(_facts.share == key, _facts.born == facts.born)
        self._connection.execute(names.values(mark=facts.mark, record=_pack(facts)))

    def delete_facts(self, key: int, path: str) -> None:
        """Forget the facts of a path; those of marked files that were below it are displaced."""
        self._connection.execute(delete(file_facts).where(_AT), _spot(key, path))
        if self.has_below(key, path):
            self._displace(_below(key, path))
            self._connection.execute(delete(file_facts).where(_below(key, path)))

    def move_facts(self, key: int, source: str, target: str) -> None:
        """Facts of a path, and of what is below it, go with it; those that stood there are displaced."""
        if source == target:
            return
        self.displace(key, target)
        self.delete_facts(key, target)
        self.hand_over(key, source, target, below=True)

    def displace(self, key: int, path: str) -> None:
        """Take its facts from a path that is another file's now: a mark alone finds them, without one they are gone."""
        spot = _spot(key, path)
        mark = self._connection.execute(_MARK, spot).scalar()
        if mark:
            self._displace(_AT, **spot)
        elif mark is not None:
            self._connection.execute(delete(file_facts).where(_AT), spot)

    def _displace(self, which: ColumnElement[bool], **values: object) -> None:
        token = literal(f"{uuid.uuid4().hex}:")
        name = token.concat(func.replace(_facts.parent, "/", ":")).concat(literal(":")).concat(_facts.name)
        away = update(file_facts).where(which, _facts.mark != "").values(parent=DISPLACED, name=name)
        self._connection.execute(away, values)

    def hand_over(self, key: int, source: str, target: str, *, below: bool) -> None:
        """As `move_facts`, to where none stand, of one path alone unless also what is `below` it moves."""
        above, _, last = target.rpartition("/")
        gone_on = update(file_facts).where(_AT).values(parent=above, name=last, lost=None)
        self._connection.execute(gone_on, _spot(key, source))
        if below:
            moved = literal(target).concat(func.substr(_facts.parent, len(source) + 1))
            self._connection.execute(update(file_facts).where(_below(key, source)).values(parent=moved))

    def has_below(self, key: int, path: str) -> bool:
        """Whether there are facts of anything below a path."""
        return self._connection.execute(select(_facts.share).where(_below(key, path)).limit(1)).first() is not None

    def marked(self, key: int, mark: str) -> list[tuple[str, Facts]]:
        """The paths whose facts name a mark, with these: several for a file of several names."""
        found = self._connection.execute(_MARKED, {"key": key, "mark": mark})
        return [(_path(above, last), _facts_of(record)) for above, last, record in found]

    def some_facts(self, after: Spot, limit: int) -> list[tuple[Spot, str, int | None]]:
        """Facts of all shares in the order of their spots, from `after` (excluded) on: spot, path, lost since when."""
        beyond = tuple_(*_SPOT) > tuple_(*map(literal, after))
        found = self._connection.execute(_SOME.where(beyond).limit(limit))
        return [((share, above, last), _path(above, last), lost) for share, above, last, lost in found]

    def note_lost(self, key: int, path: str, lost: int | None) -> None:
        """Note since when nothing is at a path that has facts; None: something is again."""
        self._connection.execute(update(file_facts).where(_AT).values(lost=lost), _spot(key, path))

    def forget_lost(self, key: int, path: str, lost: int) -> None:
        """Forget the facts of a path that is lost since just then."""
        self._connection.execute(delete(file_facts).where(_AT, _facts.lost == lost), _spot(key, path))

    def _all(self, query: Select[Any], **values: object) -> list[Share]:
        return [_share_of(record) for record in self._connection.execute(query, values).scalars()]

    def permission(self, key: int, permission: str) -> str | None:
        found: str | None = self._connection.execute(_PERMISSION, {"key": key, "permission": permission}).scalar()
        return found

    def put_permission(self, key: int, permission: str, text: str) -> None:
        """Keep a descriptor. Its key is made of its text: one that is there is the same."""
        if self.permission(key, permission) is None:
            row = {"share": key, "permission": permission, "descriptor": text}
            self._connection.execute(insert(file_permissions).values(row))


def _row(share: Share) -> dict[str, object]:
    return {
        "account": share.account,
        "name": share.name,
        "version": share.version,
        "position": share.snapshot or SELF,
        "expires_at": share.expires_at,
        "record": _pack(share),
    }


def _packed(key: int, path: str, facts: Facts) -> dict[str, object]:
    return {**_spot(key, path), "born": facts.born, "mark": facts.mark, "record": _pack(facts)}


def _path(above: str, last: str) -> str:
    return f"{above}/{last}" if above else last


def _spot(key: int, path: str) -> dict[str, object]:
    above, _, last = path.rpartition("/")
    return {"key": key, "above": above, "last": last}


def _below(key: int, path: str) -> ColumnElement[bool]:
    # By a span, not by LIKE: that ignores case in SQLite, and "a" may stand beside "A"; and a span is found by the key.
    inside = or_(_facts.parent == path, and_(_facts.parent > f"{path}/", _facts.parent < f"{path}{AFTER_SLASH}"))
    return and_(_facts.share == key, inside)
