"""What this face asks of the engine: finding batch tasks by number or by what they are; start, stop, change, delete.

Every change is one unit of work. Source: SuperOffice NOTES sections 2, 3 and 13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import msgspec
import structlog
from msgspec.structs import replace

from linarite.engine.access import Access, Principal
from linarite.engine.core import Engine
from linarite.engine.errors import NotAllowed, TooMany
from linarite.engine.filtering import Both, Compare, Either, Expression, Order, Search
from linarite.engine.following import follow, in_run
from linarite.engine.model import Job, Role, Task
from linarite.engine.ports import Transaction
from linarite.faces.superoffice import changes
from linarite.faces.superoffice.carrier import Entry
from linarite.faces.superoffice.changes import Change, pair
from linarite.faces.superoffice.columns import ID, derived
from linarite.faces.superoffice.definitions import CannotStart, Definition, Start
from linarite.faces.superoffice.output import with_output
from linarite.faces.superoffice.starting import start_task
from linarite.faces.superoffice.states import BatchTaskState, own_facts

MOST = 10_000
"""The longest answer of a call that has no paging."""

SYSTEM, ALL_USERS = 0, -1

log = structlog.get_logger("linarite.superoffice")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks: `associates` are user numbers, 0 for system tasks and -1 for those of all users; empty is any.

    `name` is a definition's, in any case; None or blank is any.
    """

    associates: tuple[int, ...] = ()
    name: str | None = None
    state: BatchTaskState = BatchTaskState.All

    @property
    def where(self) -> Expression:
        """The condition on the columns of the archive."""
        found: Expression = Compare(ID, "gt", 0)
        users: list[Expression] = [
            Compare("registeredby", "gt", SYSTEM) if number == ALL_USERS else Compare("registeredby", "eq", number)
            for number in dict.fromkeys(self.associates)
        ]
        if users:
            found = Both(found, reduce(Either, users))
        if name := (self.name or "").strip():
            found = Both(found, Compare("definitionname", "eq", name))
        return found if self.state is BatchTaskState.All else Both(found, Compare("state", "eq", self.state.value))


class BatchTasks:
    """The tasks of an account as batch tasks."""

    def __init__(self, engine: Engine, access: Access, definitions: Mapping[str, Definition]) -> None:
        self._engine, self._access = engine, access
        self._definitions = {
            name.lower(): (number, name, definition)
            for number, (name, definition) in enumerate(sorted(definitions.items()), 1)
        }

    def now(self) -> int:
        """The moment, in microseconds since the epoch."""
        return self._engine.clock.now()

    # -- reading -----------------------------------------------------------------------------------------------------

    async def find(self, caller: Principal, id: int) -> Entry:
        """The task of that number in the caller's account. NotFound."""

        def ask(tx: Transaction) -> list[tuple[Job, Task]]:
            return [pair(tx, caller.account, id)]

        await follow(self._engine, ask)
        pairs = await self._engine.ask(ask)
        entries = await with_output(self._engine, await self._entries(pairs, {}))
        return entries[0]

    async def select(self, caller: Principal, wanted: Wanted) -> list[Entry]:
        """Every task that is wanted, by number. TooMany when they are more than such a call can answer."""
        found = await self.search(caller, wanted.where, limit=MOST + 1)
        if len(found) > MOST:
            raise TooMany(f"More than {MOST} tasks match: ask for a name, a state or an associate.", limit=MOST)
        return found

    async def search(
        self, caller: Principal, where: Expression | None, order: Sequence[Order] = (), skip: int = 0, *, limit: int
    ) -> list[Entry]:  # fmt: skip
        """Tasks of the caller's account by the columns of the archive, of equals the older first. InvalidValue."""
        await follow(self._engine, in_run(caller.account))
        owners = {user.name.lower(): user.number for user in await self._access.users_of(caller.account)}
        search = Search(columns=derived(owners), where=where, order=tuple(order), skip=skip, limit=limit)
        pairs = await self._engine.ask(_found(caller.account, search))
        return await with_output(self._engine, await self._entries(pairs, owners))

    async def _entries(self, pairs: Sequence[tuple[Job, Task]], numbers: dict[str, int]) -> list[Entry]:
        return [Entry(job=job, task=task, associate=await self._associate(job, task, numbers)) for job, task in pairs]

    async def _associate(self, job: Job, task: Task, numbers: dict[str, int]) -> int:
        """The number of the user who made the task: started here, or owner of its job; 0 for none."""
        own = own_facts(task).get("associate")
        owner = job.spec.owner
        if own is not None or not owner:
            return own or SYSTEM
        if owner.lower() not in numbers:
            user = await self._access.user(owner)
            numbers[owner.lower()] = SYSTEM if user is None else user.number
        return numbers[owner.lower()]

    # -- changing ----------------------------------------------------------------------------------------------------

    async def start(self, caller: Principal, start: Start) -> int:
        """Start a task of a definition; returns its number. CannotStart for a name that no definition has."""
        if caller.role is Role.READ:
            raise NotAllowed("The user may not start tasks.")
        found = self._definitions.get(start.name.strip().lower())
        if found is None:
            raise CannotStart(f"There is no batch task definition {start.name!r}.")
        number, name, definition = found
        task = await self._engine.do(
            start_task, caller.account, definition, replace(start, name=name, number=number), who=caller.name
        )
        log.info("batch task started", id=task.account_alias, definition=name, user=caller.name)
        return task.account_alias

    async def stop(self, caller: Principal, id: int) -> bool:
        """Ask a task to end; False when it has ended. NotAllowed, WrongState when it cannot be stopped."""
        await self._authorise(caller, id)
        return await self._engine.do(changes.stop, caller.account, id, who=caller.name)

    async def update(self, caller: Principal, id: int, change: Change) -> Entry:
        """Take over State, Description, Response and Request. NotAllowed, WrongState for a state that cannot be set."""
        await self._authorise(caller, id)
        await self._engine.do(changes.update, caller.account, id, change, who=caller.name)
        return await self.find(caller, id)

    async def delete(self, caller: Principal, ids: Sequence[int], *, all_there: bool = True) -> None:
        """Delete tasks with their files, all or none; NotFound for a missing one when `all_there` is asked for."""
        pairs = await self._engine.ask(lambda tx: changes.pairs(tx, caller.account, ids, all_there=all_there))
        self._check(caller, await self._entries(pairs, {}))
        await self._engine.do(changes.delete, caller.account, ids, all_there=all_there, who=caller.name)

    async def _authorise(self, caller: Principal, id: int) -> None:
        pairs = await self._engine.ask(lambda tx: [pair(tx, caller.account, id)])
        self._check(caller, await self._entries(pairs, {}))

    @staticmethod
    def _check(caller: Principal, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if not entry.changeable_by(caller):
                raise NotAllowed(f"The user may not change BatchTask {entry.id}.")


def _found(account: str, search: Search) -> Callable[[Transaction], list[tuple[Job, Task]]]:
    def ask(tx: Transaction) -> list[tuple[Job, Task]]:
        found = tx.tasks.search(account, search)
        homes = {key: tx.jobs.by_key(key) for key in {task.job_key for task in found}}
        return [(job, task) for task in found if (job := homes[task.job_key]) is not None]

    return ask
