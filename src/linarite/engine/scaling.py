"""Pools that find their own size: enabling and disabling it, and what their formulas change as time goes by.

A formula is evaluated when it is set and then every interval, counted from there. What was missed while the server was
down is made up for once, not as often as it was missed.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from linarite.engine import pools, sampling
from linarite.engine.autoscale.records import Scaling, ScalingRun
from linarite.engine.errors import MissingValue, TooSoon, WrongState
from linarite.engine.finding import find_pool
from linarite.engine.ledger import Ledger
from linarite.engine.model import SECOND, AllocationState, NodeState, OnRunning, Pool, PoolState
from linarite.engine.ports import Transaction

APART = 30 * SECOND
"""Scaling of one pool may be asked for so often at most."""
TICKED = 50
"""Pools looked after in one pass at most; when there were as many, another pass follows."""
OPTIONS = {
    "requeue": OnRunning.REQUEUE, "terminate": OnRunning.TERMINATE, "taskcompletion": OnRunning.WAIT,
    "retaineddata": OnRunning.RETAIN,
}  # fmt: skip


def enable(
    u: Ledger, account: str, pool_id: str, *, formula: str | None, interval: int | None,
    check: pools.Check | None = None,
) -> Pool:  # fmt: skip
    """Let a pool follow a formula from now on, or change its formula or its interval; the formula is evaluated at once.

    TooSoon within 30 seconds of the last time, WrongState while the pool is resizing or being deleted, MissingValue.
    """
    pool = _checked(u, account, pool_id, "enable autoscale", check)
    if pool.scaling_asked_at is not None and u.now < pool.scaling_asked_at + APART:
        raise TooSoon(f"Autoscale of a pool can be enabled once in {APART // SECOND} seconds.")
    if pool.allocation is not AllocationState.STEADY:
        raise WrongState("pool", pool.allocation.value, "enable autoscale")
    new = replace(pool, spec=replace(pool.spec, scaling=_changed(pool.spec.scaling, formula, interval)))
    begun = sampling.begin(u, replace(new, scaling_asked_at=u.now))
    if interval is None and pool.scaling_due is not None:  # the schedule goes on as it was
        begun = sampling.schedule(u, replace(begun, scaling_due=pool.scaling_due))
    return _follow(u, pool, replace(begun, modified_at=max(u.now, pool.modified_at + 1)))


def _changed(now: Scaling | None, formula: str | None, interval: int | None) -> Scaling:
    if now is None:
        if formula is None:
            raise MissingValue("autoScaleFormula")
        return Scaling(formula=formula) if interval is None else Scaling(formula=formula, interval=interval)
    if formula is None and interval is None:
        raise MissingValue("autoScaleFormula")
    return Scaling(formula=formula or now.formula, interval=interval or now.interval)


def disable(u: Ledger, account: str, pool_id: str, *, check: pools.Check | None = None) -> Pool:
    """Let a pool keep the targets that it has; one that follows no formula is left as it is. WrongState."""
    pool = _checked(u, account, pool_id, "disable autoscale", check)
    if pool.spec.scaling is None:
        return pool
    pool = replace(
        pool, spec=replace(pool.spec, scaling=None), scaling_due=None, scaling_tick=None, scaling_run=None,
        modified_at=max(u.now, pool.modified_at + 1),
    )  # fmt: skip
    u.tx.pools.update(pool)
    return pool


def look(
    tx: Transaction, account: str, pool_id: str, formula: str, now: int, rand: Callable[[], float]
) -> tuple[Pool, ScalingRun]:
    """A pool, and what a formula would come to on it now. WrongState unless the pool follows a formula already."""
    pool = find_pool(tx, account, pool_id)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, "evaluate autoscale")
    if pool.spec.scaling is None:
        raise WrongState("pool", "fixed", "evaluate autoscale", "Automatic scaling is not enabled on the pool.")
    return pool, sampling.look(tx, pool, tx.nodes.of_pool(pool.key), formula, now, rand)


def tick(u: Ledger) -> None:
    """Take the samples and evaluate the formulas that are due."""
    due = u.tx.pools.ticking(u.now, TICKED)
    u.effects.tend |= len(due) == TICKED
    for pool in due:
        _tick(u, pool)


def _tick(u: Ledger, pool: Pool) -> None:
    if pool.state is PoolState.DELETING or pool.spec.scaling is None or pool.scaling_due is None:
        u.tx.pools.update(replace(pool, scaling_tick=None))
        return
    sampling.take(u, pool)
    if pool.scaling_due > u.now:
        u.tx.pools.update(sampling.schedule(u, pool))
        return
    missed = (u.now - pool.scaling_due) // pool.spec.scaling.interval
    due = pool.scaling_due + (missed + 1) * pool.spec.scaling.interval
    _follow(u, pool, sampling.schedule(u, replace(sampling.run(u, pool), scaling_due=due)))


def _follow(u: Ledger, before: Pool, pool: Pool) -> Pool:
    """Make and remove nodes as the formula asks. A resize that is still going on is given the new targets."""
    assert pool.scaling_run is not None, "it was evaluated just now"
    on_running = OPTIONS[pool.scaling_run.option]
    targets = (pool.spec.target_dedicated, pool.spec.target_low_priority)
    moved = targets != (before.spec.target_dedicated, before.spec.target_low_priority)
    if not moved and (pool.allocation is not AllocationState.STEADY or targets == _present(u, pool)):
        u.tx.pools.update(pool)
        return pool
    if moved:
        pool = replace(pool, modified_at=max(u.now, pool.modified_at + 1))
    return pools.grow(u, pool, on_running)


def _present(u: Ledger, pool: Pool) -> tuple[int, int]:
    """The nodes that stay, of each kind."""
    staying = [node for node in u.nodes_of(pool) if node.state is not NodeState.LEAVING]
    dedicated = sum(node.dedicated for node in staying)
    return dedicated, len(staying) - dedicated


def _checked(u: Ledger, account: str, pool_id: str, action: str, check: pools.Check | None) -> Pool:
    pool = find_pool(u.tx, account, pool_id)
    if check:
        check(pool)
    if pool.state is PoolState.DELETING:
        raise WrongState("pool", pool.state.value, action)
    return pool
