"""Job schedules. Few; an update writes the whole record."""

from __future__ import annotations

from sqlalchemy import Connection, Table, bindparam, delete, func, select, update

from linarite.engine.filtering import Expression, Listed
from linarite.engine.recurrence.records import JobSchedule, ScheduleSpec, ScheduleState
from linarite.store.counters import take
from linarite.store.filters import Property
from linarite.store.listing import Listing
from linarite.store.rows import Codec, Rows, pack, pack_or_null, unpack_facts, unpacked, word
from linarite.store.schema import Partial, Whole, key_column, metadata, number, packed, text
from linarite.store.statements import Query, Statement, unique

schedules = Table(
    "job_schedules",
    metadata,
    key_column(),
    text("account"),
    text("id_key"),
    text("state"),
    number("state_at"),
    text("previous_state", null=True),
    number("previous_state_at", null=True),
    number("created_at"),
    number("modified_at"),
    number("not_before", null=True),
    number("not_after", null=True),
    number("next_run_at", null=True),
    number("opened_at", null=True),
    number("last_run_at", null=True),
    number("ended_at", null=True),
    number("due_at", null=True),
    number("runs"),
    number("job_key", null=True),
    text("recent_job", null=True),
    text("pool", null=True),
    packed("spec"),
    packed("facts", null=True),
)
KEYS = Whole("ix_job_schedules_keys", schedules.c.account, schedules.c.key)
IDS = Whole("ix_job_schedules_ids", schedules.c.account, schedules.c.id_key, unique=True)
DUE = Partial("ix_job_schedules_due", "due_at IS NOT NULL", schedules.c.due_at)


def _of_timetable(name: str) -> Codec:
    """A reader of a moment of the timetable, if there is one."""
    return lambda spec: getattr(spec.timetable, name, None)


_rows = Rows(
    JobSchedule,
    schedules,
    paths={"id_key": "spec.id", "not_before": "spec", "not_after": "spec"},
    write={
        "id_key": str.lower,
        "not_before": _of_timetable("not_before"),
        "not_after": _of_timetable("not_after"),
        "spec": pack,
        "facts": pack_or_null,
    },
    read={
        "state": word(ScheduleState),
        "previous_state": word(ScheduleState),
        "spec": unpacked(ScheduleSpec),
        "facts": unpack_facts,
    },
)
_insert = _rows.inserter()
_update = _rows.updater(_rows.names_but("account", "id_key"))
_remind = Statement(
    update(schedules).where(schedules.c.key == bindparam("of_key")).values(due_at=bindparam("moment")),
    ["moment", "of_key"],
)
_BY_ID = Query(
    _rows.select.where(schedules.c.account == bindparam("account"), schedules.c.id_key == bindparam("id"))
)  # fmt: skip
_DUE = Query(
    DUE.answers(_rows.select)
    .where(schedules.c.due_at <= bindparam("now"))
    .order_by(schedules.c.due_at)
    .limit(bindparam("limit"))
)
_NEXT = Query(DUE.answers(select(func.min(schedules.c.due_at))))

PROPERTIES = {
    "id": Property(schedules.c.id_key, folded=True),
    "state": Property(schedules.c.state),
    "stateTransitionTime": Property(schedules.c.state_at),
    "creationTime": Property(schedules.c.created_at),
    "lastModified": Property(schedules.c.modified_at),
    "executionInfo/endTime": Property(schedules.c.ended_at),
    "schedule/doNotRunUntil": Property(schedules.c.not_before),
    "schedule/doNotRunAfter": Property(schedules.c.not_after),
}

_listing = Listing(_rows, PROPERTIES, schedules.c.account, keys=KEYS, ids=IDS)


class SqlJobSchedules:
    """Implements `engine.ports.JobSchedules`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, account: str, schedule: str) -> JobSchedule | None:
        return _rows.one(self._connection, _BY_ID, account=account, id=schedule.lower())

    def insert(self, schedule: JobSchedule) -> None:
        """Store a new schedule and set its key."""
        schedule.key = take(self._connection, "job schedules")
        with unique("job schedule", schedule.spec.id):
            _insert(self._connection, [schedule])

    def update(self, schedule: JobSchedule) -> None:
        _update(self._connection, [schedule])

    def delete(self, key: int) -> None:
        self._connection.execute(delete(schedules).where(schedules.c.key == key))

    def page(self, account: str, where: Expression | None, after: int, limit: int) -> list[JobSchedule]:
        return _listing.page(self._connection, account, where, after, limit)

    def listed(
        self, account: str, where: Expression | None, position: str, limit: int
    ) -> Listed[JobSchedule]:  # fmt: skip
        return _listing.listed(self._connection, account, where, position, limit)

    def due(self, now: int, limit: int) -> list[JobSchedule]:
        return _rows.many(self._connection, _DUE, now=now, limit=limit)

    def remind(self, key: int, moment: int) -> None:
        _remind(self._connection, [(moment, key)])

    def next_moment(self) -> int | None:
        return _NEXT.value(self._connection)
