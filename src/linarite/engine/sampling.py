"""What a pool's autoscale formula sees, and what it came to. Read off counters and nodes: no task is ever scanned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from linarite.engine.autoscale.evaluation import Outcome, evaluate
from linarite.engine.autoscale.faults import Fault, SampleFault, SyntaxFault
from linarite.engine.autoscale.metrics import Facts, slot_of
from linarite.engine.autoscale.parsing import parse
from linarite.engine.autoscale.records import HISTORY, PERIOD, PoolSample, ScalingRun
from linarite.engine.effects import node_ref
from linarite.engine.launching import NodeUse
from linarite.engine.ledger import Ledger
from linarite.engine.model import Node, NodeState, Pool
from linarite.engine.node_life import STANDING
from linarite.engine.ports import Transaction

USABLE = {NodeState.IDLE, NodeState.RUNNING}


def measure(tx: Transaction, pool: Pool, nodes: Sequence[Node], now: int) -> PoolSample:
    """What the pool is like at this moment."""
    counts = tx.jobs.task_counts(pool.account, pool.spec.id, now)
    return PoolSample(
        pool_key=pool.key, slot=slot_of(now), active_tasks=counts.active, running_tasks=counts.running,
        succeeded_tasks=counts.succeeded, failed_tasks=counts.failed, dedicated_nodes=pool.current_dedicated,
        low_priority_nodes=pool.current_low_priority, nodes=len(nodes), task_slots=pool.spec.slots_per_node,
        usable_nodes=sum(node.state in USABLE and node.takes_tasks for node in nodes),
    )  # fmt: skip


def take(u: Ledger, pool: Pool) -> None:
    """Keep a sample of this moment, and let go those that are too old to be asked for."""
    sample = measure(u.tx, pool, u.nodes_of(pool), u.now)
    u.tx.samples.add(sample)
    u.tx.samples.prune(pool.key, sample.slot - HISTORY + 1)
    standing = [node_ref(node) for node in u.nodes_of(pool) if node.state in STANDING]
    if standing:
        u.effects.measure.append((standing, sample.slot))


def keep_uses(u: Ledger, uses: Sequence[NodeUse], slot: int) -> None:
    """Add what nodes used to their pools' samples of a slot: means of the nodes, and sums of what they moved."""
    of_pool: dict[int, list[tuple[Node, NodeUse]]] = defaultdict(list)
    for use in uses:
        node = u.node(use.node.key)
        if node is not None:
            of_pool[node.pool_key].append((node, use))
    for pool_key, found in of_pool.items():
        u.tx.samples.measured(_used(pool_key, slot, found))


def _used(pool_key: int, slot: int, found: Sequence[tuple[Node, NodeUse]]) -> PoolSample:
    """A node cannot be busier than all its processors: a machine tells how many, else as many as slots."""
    number = len(found)
    busy = sum(min(1.0, use.cores / node.core_count) for node, use in found) / number
    return PoolSample(
        pool_key=pool_key, slot=slot, cpu_millionths=round(busy * 1_000_000),
        memory_bytes=sum(use.memory_bytes for _, use in found) // number,
        disk_bytes=sum(use.disk_bytes for _, use in found) // number,
        read_bytes=sum(use.read_bytes for _, use in found), write_bytes=sum(use.write_bytes for _, use in found),
    )  # fmt: skip


def look(
    tx: Transaction, pool: Pool, nodes: Sequence[Node], formula: str, now: int, rand: Callable[[], float]
) -> ScalingRun:
    """What a formula would come to now; nothing changes."""
    history = tx.samples.of_pool(pool.key)
    facts = Facts(
        now=now, dedicated=pool.spec.target_dedicated, low_priority=pool.spec.target_low_priority, rand=rand,
        latest=measure(tx, pool, nodes, now), history=history,
        measured=[sample for sample in history if sample.cpu_millionths is not None],
    )  # fmt: skip
    outcome = _outcome(formula, facts)
    fault = outcome.fault
    return ScalingRun(
        at=now, dedicated=outcome.dedicated, low_priority=outcome.low_priority, option=outcome.option,
        variables=outcome.variables, error=_word(fault) if fault else None, detail=fault.text if fault else "",
    )  # fmt: skip


def _outcome(formula: str, facts: Facts) -> Outcome:
    try:
        return evaluate(parse(formula), facts)
    except SyntaxFault as fault:
        return Outcome(dedicated=facts.dedicated, low_priority=facts.low_priority, fault=fault)


def _word(fault: Fault) -> str:
    if isinstance(fault, SampleFault):
        return "too-few-samples"
    return "formula-syntax" if isinstance(fault, SyntaxFault) else "formula-evaluation"


def run(u: Ledger, pool: Pool) -> Pool:
    """The pool with the targets that its formula asks for; making and removing nodes is the caller's."""
    assert pool.spec.scaling is not None, "only a pool with a formula is ever asked what it comes to"
    found = look(u.tx, pool, u.nodes_of(pool), pool.spec.scaling.formula, u.now, u.rand)
    wanted = f"{found.dedicated} dedicated, {found.low_priority} low priority"
    u.event(pool.account, "pool", pool.key, "autoscaled", found.error or wanted)
    spec = replace(pool.spec, target_dedicated=found.dedicated, target_low_priority=found.low_priority)
    return replace(pool, spec=spec, scaling_run=found)


def begin(u: Ledger, pool: Pool) -> Pool:
    """The same for the first time: with a first sample, so that formulas find one, and from now on at its interval."""
    assert pool.spec.scaling is not None
    take(u, pool)
    return schedule(u, replace(run(u, pool), scaling_due=u.now + pool.spec.scaling.interval))


def schedule(u: Ledger, pool: Pool) -> Pool:
    """Have the pool looked after at its next sample or evaluation, whichever comes first."""
    due = pool.scaling_due
    assert due is not None
    tick = min(due, (slot_of(u.now) + 1) * PERIOD)
    u.effects.remind(tick)
    return replace(pool, scaling_tick=tick)
