"""Pools and their nodes: adding, resizing, deleting, and coming to rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from linarite.engine import applications, instances, machines, sampling
from linarite.engine.endings import end_task
from linarite.engine.errors import AlreadyExists, InvalidValue, WrongState
from linarite.engine.finding import find_node, find_pool
from linarite.engine.ledger import SERVING, Ledger
from linarite.engine.model import (
    MINUTE,
    MOST_NODES,
    AllocationState,
    AutoPool,
    Ending,
    Facts,
    Failure,
    FailureCategory,
    Node,
    NodeState,
    OnRunning,
    Pool,
    PoolSpec,
    PoolState,
    PoolUser,
)  # fmt: skip
from linarite.engine.node_life import advance, leave, recall
from linarite.engine.usage import Owner

Check = Callable[[Pool], None]
RESIZE_TIMEOUT = 15 * MINUTE
MOVING = frozenset({NodeState.CREATING, NodeState.LEAVING})
"""The states of the nodes that a resize still waits for."""
_STOPPED = "The resize was stopped before the pool had its target number of nodes."
_TIMED_OUT = "Desired number of {} nodes could not be allocated as the resize timeout was reached"
_NOT_REMOVED = "Not all nodes could be removed from the pool before the resize timeout was reached"


def _checked(u: Ledger, account: str, pool_id: str, check: Check | None) -> Pool:
    pool = find_pool(u.tx, account, pool_id)
    if check:
        check(pool)
    return pool


def add(u: Ledger, account: str, spec: PoolSpec, facts: Facts) -> Pool:
    """Add a pool and begin to make its nodes. AlreadyExists, UnknownPackages."""
    if u.tx.pools.get(account, spec.id) is not None:
        raise AlreadyExists("pool", spec.id)
    applications.check(u.tx, account, spec.packages, u.now)
    return _add(u, account, spec, facts)


def _add(u: Ledger, account: str, spec: PoolSpec, facts: Facts) -> Pool:
    pool = Pool(
        account=account, spec=_numbered(u, spec, ()), created_at=u.now, modified_at=u.now, state_at=u.now,
        allocation_at=u.now, facts=facts,
    )  # fmt: skip
    u.tx.pools.insert(pool)
    u.event(account, "pool", pool.key, "created")
    return grow(u, pool if spec.scaling is None else sampling.begin(u, pool))


def add_auto(u: Ledger, account: str, automatic: AutoPool) -> Pool:
    """Add a pool that is made for a job or for a schedule; with packages that are not there its nodes are no use."""
    name = u.make_id("pool")
    name = f"{automatic.prefix}_{name}" if automatic.prefix else name
    return _add(u, account, replace(automatic.spec, id=name), automatic.facts)


def _numbered(u: Ledger, spec: PoolSpec, before: Sequence[PoolUser]) -> PoolSpec:
    """The spec with a number for each user: who was there before keeps theirs."""
    numbers = {user.name: user.number for user in before}
    users = [replace(user, number=numbers.get(user.name) or u.tx.accounts.take_number()) for user in spec.users]
    return replace(spec, users=tuple(users)) if users else spec


def grow(u: Ledger, pool: Pool, on_running: OnRunning = OnRunning.REQUEUE) -> Pool:
    """Make or remove nodes until the pool has its targets; it is resizing until they are all there."""
    nodes = [node for node in u.nodes_of(pool) if node.state is not NodeState.LEAVING]
    refused, lacking = list[Failure](), False
    for dedicated, target in ((True, pool.spec.target_dedicated), (False, pool.spec.target_low_priority)):
        present = [node for node in nodes if node.dedicated is dedicated]
        wanted = target - len(present)
        room = _room(u, pool.account, wanted)
        if wanted > room:
            refused.append(_over_quota(dedicated))
        lacking |= _make(u, pool, dedicated, room) < room
        for node in sorted(present, key=_loss)[: max(0, len(present) - target)]:
            leave(u, node, on_running)
    return settle_pool(u, replace(resizing(u, pool), resize_errors=tuple(refused), lacking=lacking))


def _room(u: Ledger, account: str, wanted: int) -> int:
    """How many of the nodes that are wanted the account may still have."""
    return 0 if wanted <= 0 else max(0, min(wanted, MOST_NODES - len(u.tx.nodes.of_account(account))))


def _over_quota(dedicated: bool) -> Failure:  # noqa: FBT001 - one of two kinds
    code = "quota" if dedicated else "low-priority-quota"
    text = f"The account has as many nodes as it may have: {MOST_NODES}."
    return Failure(category=FailureCategory.USER, code=code, message=text)


def resizing(u: Ledger, pool: Pool) -> Pool:
    """The pool at the begin of a resize, which has its time limit."""
    deadline = u.now + pool.spec.resize_timeout
    u.effects.remind(deadline)
    return replace(
        pool, allocation=AllocationState.RESIZING, allocation_at=u.now, deadline=deadline, resize_errors=(),
        lacking=False,
    )  # fmt: skip


def _loss(node: Node) -> tuple[int, int, int]:
    """What would be lost with a node: tasks that have one for themselves (job managers) last, then the fewest tasks."""
    return node.exclusive_tasks, node.running_tasks, -node.key


def _make(u: Ledger, pool: Pool, dedicated: bool, number: int) -> int:  # noqa: FBT001 - one of two kinds
    """Make so many nodes, or as many as there are machines for; gives their number.

    Which machines a pool may use is known where the cluster is spoken with; there the pool gets them.
    """
    if number <= 0:
        return 0
    if u.site.standing and not u.leads:
        u.effects.tend = True
        return 0
    if u.site.standing:
        found = machines.vacant(u, pool, number)
        nodes = [machines.described(_node(u, pool, dedicated, one.name), one) for one in found]
    else:
        kind = "dedicated" if dedicated else "low-priority"
        nodes = [_node(u, pool, dedicated, u.make_id(kind)) for _ in range(number)]
    if nodes:
        u.add_nodes(nodes)
    return len(nodes)


def _node(u: Ledger, pool: Pool, dedicated: bool, name: str) -> Node:  # noqa: FBT001 - one of two kinds
    return Node(
        account=pool.account, pool_key=pool.key, pool=pool.spec.id, id=name, dedicated=dedicated,
        slots=pool.spec.slots_per_node, state_at=u.now, created_at=u.now, boot_at=u.now,
    )  # fmt: skip


def _make_up(u: Ledger, pool: Pool) -> Pool:
    """Give a pool that waits for machines those that have come since."""
    lacking = False
    for dedicated in (True, False):
        room = _room(u, pool.account, _missing(u, pool, dedicated=dedicated))
        lacking |= _make(u, pool, dedicated, room) < room
    return replace(pool, lacking=lacking)


def _missing(u: Ledger, pool: Pool, *, dedicated: bool) -> int:
    """How many nodes of a kind are missing to the pool's target."""
    present = [node for node in u.nodes_of(pool) if node.state is not NodeState.LEAVING]
    target = pool.spec.target_dedicated if dedicated else pool.spec.target_low_priority
    return target - sum(node.dedicated is dedicated for node in present)


def settle_pool(u: Ledger, pool: Pool) -> Pool:
    """Bring a pool forward: empty leaving nodes go, and it is steady once every node is where it should be."""
    for node in u.nodes_of(pool):
        advance(u, node)
    if pool.lacking:
        pool = _make_up(u, pool)
    left = u.nodes_of(pool)
    here = [node.dedicated for node in left if node.state is not NodeState.CREATING]
    pool = replace(pool, current_dedicated=sum(here), current_low_priority=len(here) - sum(here))
    if pool.state is PoolState.DELETING and not left:
        u.tx.pools.delete(pool.key)
        u.forget(Owner("pool", str(pool.key)))
        u.event(pool.account, "pool", pool.key, "deleted")
        return pool
    moves = pool.lacking or any(node.state in MOVING for node in left)
    if pool.allocation is not AllocationState.STEADY and not moves:
        pool = replace(pool, allocation=AllocationState.STEADY, allocation_at=u.now, deadline=None)
        u.event(pool.account, "pool", pool.key, "steady")
    u.tx.pools.update(pool)
    u.effects.wake = True
    return pool


def _by_hand(pool: Pool, action: str) -> None:
    """A pool that finds its own size is not given another. WrongState."""
    if pool.spec.scaling is not None:
        raise WrongState("pool", "scaling", action, "Automatic scaling is enabled on the pool.")


def resize(
    u: Ledger, account: str, pool_id: str, *, dedicated: int | None, low_priority: int | None,
    timeout: int | None = None, on_running: OnRunning = OnRunning.REQUEUE, check: Check | None = None,
) -> Pool:  # fmt: skip
    """Set new targets; None leaves one as it is. WrongState while the pool is resizing or being deleted."""
    pool = _checked(u, account, pool_id, check)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, "resize")
    _by_hand(pool, "resize")
    if pool.allocation is not AllocationState.STEADY:
        raise WrongState("pool", pool.allocation.value, "resize")
    for name, target in (("targetDedicatedNodes", dedicated), ("targetLowPriorityNodes", low_priority)):
        if target is not None and target < 0:
            raise InvalidValue(name, target, "must not be negative.")
    spec = replace(
        pool.spec, resize_timeout=RESIZE_TIMEOUT if timeout is None else timeout,
        target_dedicated=pool.spec.target_dedicated if dedicated is None else dedicated,
        target_low_priority=pool.spec.target_low_priority if low_priority is None else low_priority,
    )  # fmt: skip
    return grow(u, replace(pool, spec=spec, modified_at=max(u.now, pool.modified_at + 1)), on_running)


def update(
    u: Ledger, account: str, pool_id: str, change: Callable[[Pool], Pool], *, check: Check | None = None
) -> Pool:
    """Change a pool's spec or facts by a face's function; WrongState while it is being deleted, UnknownPackages."""
    pool = _checked(u, account, pool_id, check)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, "update")
    new = replace(change(pool), modified_at=max(u.now, pool.modified_at + 1))
    if new.spec.packages != pool.spec.packages:
        applications.check(u.tx, account, new.spec.packages, u.now)
    new = replace(new, spec=_numbered(u, new.spec, pool.spec.users))
    u.tx.pools.update(new)
    return new


def delete(u: Ledger, account: str, pool_id: str, *, check: Check | None = None) -> None:
    """Delete a pool: its running tasks are requeued, its nodes go; its jobs stay. WrongState when that goes on."""
    pool = _checked(u, account, pool_id, check)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, "delete")
    _delete(u, pool)


def _delete(u: Ledger, pool: Pool) -> None:
    pool = replace(pool, modified_at=max(u.now, pool.modified_at + 1), lacking=False)
    pool = u.move_pool(pool, PoolState.DELETING)
    for node in u.nodes_of(pool):
        leave(u, node, OnRunning.REQUEUE)
    settle_pool(u, pool)


def retire(u: Ledger) -> None:
    """Delete the pools whose jobs or schedules came to their end in this unit."""
    for account, name in u.orphans:
        pool = u.tx.pools.get(account, name)
        if pool is not None and pool.state is PoolState.ACTIVE:
            _delete(u, pool)


def remove_nodes(
    u: Ledger, account: str, pool_id: str, node_ids: Sequence[str], *, timeout: int | None = None,
    on_running: OnRunning = OnRunning.REQUEUE, check: Check | None = None,
) -> Pool:  # fmt: skip
    """Take these nodes out; the targets shrink with them. NotFound, WrongState unless the pool is steady."""
    pool = _checked(u, account, pool_id, check)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, "remove nodes")
    _by_hand(pool, "remove nodes")
    if pool.allocation is not AllocationState.STEADY:
        raise WrongState("pool", pool.allocation.value, "remove nodes")
    nodes = {node.key: node for node in (find_node(u.tx, account, pool_id, name)[1] for name in node_ids)}
    for node in nodes.values():
        leave(u, u.node(node.key) or node, on_running)
    dedicated = sum(node.dedicated for node in nodes.values())
    spec = replace(
        pool.spec, resize_timeout=RESIZE_TIMEOUT if timeout is None else timeout,
        target_dedicated=max(0, pool.spec.target_dedicated - dedicated),
        target_low_priority=max(0, pool.spec.target_low_priority - len(nodes) + dedicated),
    )  # fmt: skip
    return settle_pool(u, resizing(u, replace(pool, spec=spec, modified_at=max(u.now, pool.modified_at + 1))))


def stop_resize(u: Ledger, account: str, pool_id: str, *, check: Check | None = None) -> Pool:
    """Stop a resize where it is; the targets stay. A steady pool is left as it is."""
    pool = _checked(u, account, pool_id, check)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, "stop resize")
    if pool.allocation is AllocationState.STEADY:
        return pool
    stopped = Failure(category=FailureCategory.USER, code="resize-stopped", message=_STOPPED)
    pool = replace(
        pool, allocation=AllocationState.STOPPING, allocation_at=u.now, modified_at=max(u.now, pool.modified_at + 1)
    )
    return _halt(u, pool, (stopped,))


def time_out(u: Ledger, pool: Pool) -> Pool:
    """End a resize that has run out of time, telling what it did not come to."""
    nodes = u.nodes_of(pool)
    errors = [
        Failure(category=FailureCategory.SERVER, code="resize-timeout", message=_TIMED_OUT.format(kind))
        for kind, dedicated in (("dedicated", True), ("low priority", False))
        if any(node.state is NodeState.CREATING and node.dedicated is dedicated for node in nodes)
        or (pool.lacking and _missing(u, pool, dedicated=dedicated) > 0)
    ]
    if any(node.state is NodeState.LEAVING for node in nodes):
        errors.append(Failure(category=FailureCategory.SERVER, code="removal-timeout", message=_NOT_REMOVED))
    return _halt(u, pool, tuple(errors))


def _halt(u: Ledger, pool: Pool, errors: tuple[Failure, ...]) -> Pool:
    """Give up the nodes that are not there yet and keep those that have not begun to go; the rest goes its way."""
    for node in u.nodes_of(pool):
        if node.state is NodeState.CREATING:
            leave(u, node, OnRunning.REQUEUE)
        else:
            recall(u, node)
    return settle_pool(u, replace(pool, deadline=None, resize_errors=errors, lacking=False))


def set_scheduling(
    u: Ledger, account: str, pool_id: str, node_id: str, *, enabled: bool, on_running: OnRunning = OnRunning.REQUEUE
) -> Node:
    """Let a node take tasks, or take none any more. WrongState when it is so already."""
    _, node = find_node(u.tx, account, pool_id, node_id)
    node = u.node(node.key) or node
    if node.scheduling is enabled:
        raise WrongState("node", "enabled" if enabled else "disabled", "change scheduling")
    node = u.put_node(replace(node, scheduling=enabled))
    machines.hold(u, node, held=not enabled)
    if node.state in SERVING and node.state is not node.in_service:
        node = u.move_node(node, node.in_service)
    u.effects.wake = True
    if not enabled and on_running is not OnRunning.WAIT:
        ending = Ending.REQUEUED if on_running is OnRunning.REQUEUE else Ending.TERMINATED
        for task in instances.tasks_on(u, node):
            end_task(u, task, ending)
    return u.node(node.key) or node
