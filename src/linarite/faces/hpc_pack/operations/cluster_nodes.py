"""Nodes of the 2019 surface: lists, one node, what is done to it, numbers. Source: Swagger 2020-01-01.6.0, /cluster.

What is done to a node is begun, and its state tells when it is through. All of it stands in the operation log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from linarite.engine import node_life, pools
from linarite.engine.ledger import Ledger
from linarite.engine.model import Node, NodeState, OnRunning
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import cluster_nodes, groups, nodes, operation_log
from linarite.faces.hpc_pack.answers import Accepted, Answer, Data
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import NO_CODE, OUT_OF_RANGE, Refusal, bad
from linarite.faces.hpc_pack.operations.cluster import VERSION, find_nodes

MOST_TASKS = 10_000
CORES = "HPCCoresInUse"
KNOWN_METRICS = ("HPCCpuUsage", "HPCMemoryPaging", "HPCDiskThroughput", "HPCNetwork", CORES)
"""Names of the published description; of a node only the cores in use are measured here."""


def _one_of(call: Call, name: str, words: tuple[str, ...]) -> str | None:
    text = (call.query(name) or "").strip()
    if not text:
        return None
    found = next((word for word in words if word.lower() == text.lower()), None)
    if found is None:
        raise bad(OUT_OF_RANGE, f"{name} must be one of {', '.join(words)}, not {text[:32]!r}.")
    return found


def _of_jobs(tx: Transaction, call: Call, numbers: list[str]) -> set[str]:
    """The names of the nodes on which tasks of these jobs run, or ran last."""
    found = set()
    for number in numbers:
        job = tx.jobs.by_alias(call.account, int(number)) if number.isascii() and number.isdigit() else None
        if job is not None:
            tasks = tx.tasks.page(job.key, None, 0, MOST_TASKS)
            found |= {task.node for task in tasks if task.node is not None}
    return found


async def get_cluster_nodes(call: Call) -> Answer:
    """The nodes; names, jobs, group, state and health each leave some out."""
    state = _one_of(call, "state", cluster_nodes.STATES)
    health = _one_of(call, "health", cluster_nodes.HEALTHS)
    names, jobs, group = call.list_of("names"), call.list_of("jobs"), call.query("group")

    def question(tx: Transaction) -> list[Node]:
        found = nodes.of_account(tx, call.account)
        if names is not None:
            wanted = {name.lower() for name in names}
            found = [node for node in found if node.id.lower() in wanted]
        if jobs is not None:
            used = _of_jobs(tx, call, jobs)
            found = [node for node in found if node.id in used]
        return [node for node in found if groups.is_in(node, group)] if group else found

    found = await call.engine.ask(question)
    wanted = [
        cluster_nodes.shown(node, VERSION) for node in found
        if state in {None, cluster_nodes.state(node)} and health in {None, cluster_nodes.health(node)}
    ]  # fmt: skip
    return Data("Node", wanted)


async def get_cluster_node(call: Call) -> Answer:
    """One node."""
    node = await call.engine.ask(lambda tx: nodes.merged(find_nodes(tx, call, call.name)))
    return Data("Node", cluster_nodes.shown(node, VERSION))


Act = Callable[[Ledger, Node], object]


def _scheduling(*, enabled: bool) -> Act:
    def act(u: Ledger, node: Node) -> None:
        if node.scheduling is not enabled:
            pools.set_scheduling(
                u, node.account, node.pool, node.id, enabled=enabled, on_running=OnRunning.WAIT
            )  # fmt: skip

    return act


def _set_out(state: NodeState) -> Act:
    return lambda u, node: node_life.begin(u, node.account, node.pool, node.id, state=state)


ACTIONS: dict[str, tuple[str, Act]] = {
    "start": ("Start node", lambda u, node: node_life.start(u, node.account, node.pool, node.id)),
    "stop": ("Stop node", _set_out(NodeState.DEALLOCATING)),
    "shutdown": ("Shut down node", _set_out(NodeState.DEALLOCATING)),
    "reboot": ("Reboot node", _set_out(NodeState.REBOOTING)),
    "bringonline": ("Bring node online", _scheduling(enabled=True)),
    "takeoffline": ("Take node offline", _scheduling(enabled=False)),
}


async def operate_cluster_node(call: Call) -> Answer:
    """Start, stop, reboot, shutdown, bringOnline, takeOffline: begun when this answers. For administrators."""
    call.caller.may_administer()
    name, act = ACTIONS.get(call.operation.lower(), (None, None))
    if name is None or act is None:
        raise Refusal(404, NO_CODE, f"There is no operation {call.operation[:32]!r} of nodes.")

    def work(u: Ledger) -> None:
        found = find_nodes(u.tx, call, call.name)
        for node in found:
            act(u, node)
        operation_log.add(u, call.account, call.request.id, name, call.caller.name, found[0].id)

    await call.engine.do(work, who=call.caller.name)
    return Accepted()


async def get_cluster_node_metrics(call: Call) -> Answer:
    """What is measured of each node: the cores in use. A name that no version knows is refused."""
    asked = call.list_of("metricnames")
    known = {name.lower() for name in KNOWN_METRICS}
    unknown = [name for name in asked or () if name.lower() not in known]
    if unknown:
        raise bad(OUT_OF_RANGE, f"metricNames: there is no metric {unknown[0][:64]!r}.")
    shown = asked is None or CORES.lower() in map(str.lower, asked)
    found = await call.engine.ask(lambda tx: nodes.of_account(tx, call.account))
    return Data(
        "NodeMetric",
        [{"NodeName": node.id, "Metrics": {CORES: float(node.running_slots)} if shown else {}} for node in found],
    )


def _counted(words: tuple[str, ...], found: list[str]) -> Answer:
    counts = Counter(found)
    return Data("Stat", [{"Name": word, "Value": counts[word]} for word in words if counts[word]])


async def get_cluster_node_stat_of_state(call: Call) -> Answer:
    """How many nodes are in each state that any is in."""
    found = await call.engine.ask(lambda tx: nodes.of_account(tx, call.account))
    return _counted(cluster_nodes.STATES, [cluster_nodes.state(node) for node in found])


async def get_cluster_node_stat_of_health(call: Call) -> Answer:
    """How many nodes are of each health that any is of."""
    found = await call.engine.ask(lambda tx: nodes.of_account(tx, call.account))
    return _counted(cluster_nodes.HEALTHS, [cluster_nodes.health(node) for node in found])
