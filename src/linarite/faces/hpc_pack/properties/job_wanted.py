"""What a client wants of a job, on its way into the engine's spec and this face's facts, inside a unit of work."""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from linarite.engine.finding import first_pool
from linarite.engine.model import Job, JobSpec, Notify, OnAllTasksComplete, OnTaskFailure
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack.callers import FACE
from linarite.faces.hpc_pack.errors import (
    OUT_OF_RANGE,
    PROGRESS,
    TEMPLATE_NOT_FOUND,
    UNKNOWN_GROUP,
    Refusal,
    bad,
    no_job,
)  # fmt: skip
from linarite.faces.hpc_pack.groups import find, is_everywhere
from linarite.faces.hpc_pack.properties.job_view import SECOND, engine_priority
from linarite.faces.hpc_pack.values import LARGEST, exit_codes

TEMPLATE = "Default"
EXCLUSIVE = "IsExclusive"
_ADDRESS = re.compile(r"[^\s@,;:<>\"()]+@[^\s@,;:<>\"()]+")
BANDS = {"Lowest": 0, "BelowNormal": 1000, "Normal": 2000, "AboveNormal": 3000, "Highest": 4000}


class JobWanted:
    """A spec and facts being changed; `tx` finds other jobs and pools by the client's names."""

    def __init__(
        self, tx: Transaction, account: str, spec: JobSpec, facts: dict[str, Any], default_pool: str | None
    ) -> None:
        self.tx, self.account, self.spec, self.facts = tx, account, spec, facts
        self.default_pool = default_pool

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the record
        """Change the spec."""
        self.spec = replace(self.spec, **changes)

    def place(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the record
        """Change where the job's tasks may run."""
        self.set(placement=replace(self.spec.placement, **changes))

    def keep(self, name: str, value: Any) -> None:  # noqa: ANN401 - of the property's kind
        """Remember a property that the engine does not model; None forgets it."""
        if value is None:
            self.facts.pop(name, None)
        else:
            self.facts[name] = value

    def onto(self, job: Job) -> Job:
        """The job with what is wanted."""
        return replace(job, spec=self.spec, facts={**job.facts, FACE: self.facts})


def of_job(tx: Transaction, job: Job, default_pool: str | None) -> JobWanted:
    """Begin from a job as it is."""
    return JobWanted(tx, job.account, job.spec, dict(job.facts.get(FACE, {})), default_pool)


def compile_placement(wanted: JobWanted) -> None:
    """Bring into the spec what follows from several properties together: how much, on which nodes, in which order.

    Bounds are those of the job's unit, where they are not calculated. Of whole nodes and sockets (a node has one) each
    task has a node for itself, so that MaxNodes is how many run at once.
    """
    facts = wanted.facts
    unit = {"Socket": "Sockets", "Node": "Nodes"}.get(facts.get("UnitType", "Core"), "Cores")
    least = 0 if facts.get("AutoCalculateMin", True) else facts.get(f"Min{unit}", 1)
    most = -1 if facts.get("AutoCalculateMax", True) else facts.get(f"Max{unit}", 1)
    if 0 <= most < least:
        raise bad(OUT_OF_RANGE, f"Min{unit} must not be more than Max{unit}.")
    whole = unit != "Cores"
    memory = max(facts.get("MinMemory", 1), facts.get("EstimatedProcessMemory", 0))
    wanted.place(
        exclusive=facts.get(EXCLUSIVE, False) or whole,
        min_slots=0 if whole else least, min_nodes=least if whole else 0, max_slots=-1 if whole else most,
        memory=_bounds(memory, facts.get("MaxMemory", LARGEST)),
        slots_per_node=_bounds(facts.get("MinCoresPerNode", 1), facts.get("MaxCoresPerNode", LARGEST)),
        order=_order(facts.get("OrderBy") or ""),
    )  # fmt: skip
    wanted.set(max_parallel_tasks=most if whole else -1, preemptible=bool(facts.get("Preemptable", False)))
    wanted.set(notify=_notify(facts))
    _compile_groups(wanted)


def _notify(facts: dict[str, Any]) -> Notify | None:
    address, start, end = facts.get("EmailAddress"), facts.get("NotifyOnStart"), facts.get("NotifyOnCompletion")
    return (
        Notify(address=address, on_start=bool(start), on_completion=bool(end)) if address and (start or end) else None
    )


def set_email(wanted: JobWanted, text: str | None) -> None:
    """EmailAddress: one address."""
    if text and not _ADDRESS.fullmatch(text):
        raise bad(OUT_OF_RANGE, f"EmailAddress: {text[:80]!r} is no address of mail.")
    wanted.keep("EmailAddress", text or None)


def _order(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower().replace("cores", "slots") for part in text.split(",") if part.strip())


def _bounds(least: int, most: int) -> tuple[int, int] | None:
    """From and to, None where all is allowed."""
    return None if (least, most) <= (1, LARGEST) and most == LARGEST else (least, most)


def _compile_groups(wanted: JobWanted) -> None:
    """NodeGroups and NodeGroupOp: a job runs on the nodes of one pool, of which groups of users leave some out."""
    names: list[str] = wanted.facts.get("NodeGroups") or []
    pools = {pool.spec.id for name in names if (pool := wanted.tx.pools.get(wanted.account, name)) is not None}
    own = [name.lower() for name in names if not (is_everywhere(name) or name.lower() in {p.lower() for p in pools})]
    operation = wanted.facts.get("NodeGroupOp", "Intersect")
    if operation == "Intersect" and len(pools) > 1:
        raise bad(OUT_OF_RANGE, f"NodeGroups: no node is in all of {', '.join(sorted(pools))}.")
    if operation != "Intersect" and (pools or len(own) < len(names)):
        own = []  # all nodes of the pool are in one of them
    if own and not pools:
        _choose_pool_of(wanted, own)
    if operation == "Uniform" and own:
        own = [max(own, key=lambda name: len(_members(wanted, [name])))]
    wanted.place(groups=tuple(own), any_group=operation == "Union")


def _members(wanted: JobWanted, groups: list[str]) -> list[str]:
    """The pools of the nodes that are in one of the groups, one for each node."""
    nodes = wanted.tx.nodes.of_account(wanted.account)
    own = [(node.pool, {group.lower() for group in (*node.groups, *node.labels)}) for node in nodes]
    return [pool for pool, names in own if {*groups} & names]


def _choose_pool_of(wanted: JobWanted, groups: list[str]) -> None:
    """Take the pool that has most nodes of the groups, unless the job's own has any."""
    pools = _members(wanted, groups)
    if pools and wanted.spec.pool not in pools:
        wanted.set(pool=max(sorted(set(pools)), key=pools.count))


def set_exclusive(wanted: JobWanted, value: bool | None) -> None:  # noqa: FBT001 - the property's value
    """IsExclusive: nothing else runs on the nodes of the job's tasks."""
    wanted.keep(EXCLUSIVE, value or None)


def set_excluded_nodes(wanted: JobWanted, nodes: list[str] | None) -> None:
    """ExcludedNodes, which only a job file sets: the nodes that the tasks may not use."""
    wanted.place(excluded=tuple(name.lower() for name in nodes or []))


def set_runtime(wanted: JobWanted, seconds: int | None) -> None:
    """RuntimeSeconds; 0 is without limit."""
    wanted.set(max_wall_clock=seconds * SECOND if seconds else None)


def set_expanded_priority(wanted: JobWanted, number: int | None) -> None:
    """ExpandedPriority, 0 to 4000; the exact number is kept beside the engine's coarser one."""
    number = 2000 if number is None else number
    if not 0 <= number <= 4000:
        raise bad(OUT_OF_RANGE, f"ExpandedPriority must be 0 to 4000, not {number}.")
    wanted.set(priority=engine_priority(number))
    wanted.keep("ExpandedPriority", number)


def set_priority(wanted: JobWanted, value: int | None) -> None:
    """Priority: already an expanded number."""
    set_expanded_priority(wanted, value)


def set_run_until_canceled(wanted: JobWanted, value: bool | None) -> None:  # noqa: FBT001 - the property's value
    """RunUntilCanceled: what the job does when no task is left."""
    wanted.set(on_all_tasks_complete=OnAllTasksComplete.NO_ACTION if value else OnAllTasksComplete.TERMINATE)


def set_fail_on_task_failure(wanted: JobWanted, value: bool | None) -> None:  # noqa: FBT001 - the property's value
    """FailOnTaskFailure: the first failed task ends the job."""
    wanted.set(on_task_failure=OnTaskFailure.EXIT_OPTIONS if value else OnTaskFailure.NO_ACTION)


def set_pool(wanted: JobWanted, name: str | None) -> None:
    """Pool: one of the account's, by id; `Default` and an empty name leave the choice to the server."""
    if not name or name.lower() == "default":
        choose_pool(wanted)
        return
    pool = wanted.tx.pools.get(wanted.account, name)
    if pool is None:
        raise bad(UNKNOWN_GROUP, f"No pool named {name!r}.")
    wanted.set(pool=pool.spec.id)


def set_node_groups(wanted: JobWanted, groups: list[str] | None) -> None:
    """NodeGroups: the first that is a pool becomes the job's; the others must be known."""
    pools = []
    for name in groups or []:
        pool = wanted.tx.pools.get(wanted.account, name)
        if pool is not None:
            pools.append(pool.spec.id)
        elif find(wanted.tx, wanted.account, name) is None:
            raise bad(UNKNOWN_GROUP, f"No node group named {name!r}.")
    if pools:
        wanted.set(pool=pools[0])
    wanted.keep("NodeGroups", groups or None)


def choose_pool(wanted: JobWanted) -> None:
    """The pool of a job that names none: the configured one, else the account's first active one, else none yet."""
    pool = wanted.tx.pools.get(wanted.account, wanted.default_pool) if wanted.default_pool else None
    pool = pool or first_pool(wanted.tx, wanted.account)
    wanted.set(pool=pool.spec.id if pool else "")


def set_template(wanted: JobWanted, name: str | None) -> None:
    """JobTemplate: there is one."""
    if name and name.lower() != TEMPLATE.lower():
        raise Refusal(404, TEMPLATE_NOT_FOUND, f"No job template named {name!r}.")


def set_parents(wanted: JobWanted, numbers: list[int] | None) -> None:
    """ParentJobIds: jobs of the same account by their numbers."""
    ids = []
    for number in numbers or []:
        parent = wanted.tx.jobs.by_alias(wanted.account, number)
        if parent is None:
            raise no_job(number)
        if _waits_for(wanted, parent):
            raise bad(OUT_OF_RANGE, f"ParentJobIds: job {number} waits for this one, or is it.")
        ids.append(parent.spec.id)
    wanted.set(parents=tuple(ids))


def _waits_for(wanted: JobWanted, parent: Job) -> bool:
    """Tell whether the parent is the job itself or waits for it, directly or not: neither could ever start."""
    seen, rest = set[str](), [parent.spec.id]
    while rest:
        name = rest.pop().lower()
        job = None if name in seen else wanted.tx.jobs.get(wanted.account, name)
        seen.add(name)
        rest += job.spec.parents if job else ()
    return wanted.spec.id.lower() in seen


def set_valid_exit_codes(wanted: JobWanted, text: str | None) -> None:
    """JobValidExitCodes: kept as written, and as ranges."""
    wanted.set(valid_exit_codes=tuple(exit_codes(text)) if text else None)
    wanted.keep("JobValidExitCodes", text or None)


def set_requested_nodes(wanted: JobWanted, nodes: list[str] | None) -> None:
    """RequestedNodes: the nodes the tasks may use."""
    wanted.place(nodes=tuple(name.lower() for name in nodes or []))
    wanted.keep("RequestedNodes", nodes or None)


def set_progress(wanted: JobWanted, value: int | None) -> None:
    """Progress: the client's from now on, 0 to 100."""
    if value is not None and not 0 <= value <= 100:
        raise bad(PROGRESS, f"Progress must be 0 to 100, not {value}.")
    wanted.keep("Progress", value)


def set_progress_message(wanted: JobWanted, value: str | None) -> None:
    """ProgressMessage: the client's from now on."""
    wanted.keep("ProgressMessage", value)


def ignore(wanted: JobWanted, value: object) -> None:
    """Password: taken and never kept."""
