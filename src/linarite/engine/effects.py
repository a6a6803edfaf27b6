"""What the nodes shall hear of once a unit of work is on disk, and by which names they hear of nodes and runs."""

from __future__ import annotations

from linarite.engine.launching import Launch, NodeOrder, NodeRef
from linarite.engine.model import Node, NodeTask, Task

NODE_RUN = "n"
"""What the name of a run begins with when it is no task's."""


class Effects:
    """What the nodes shall do once the unit is committed. All of it may be repeated without harm."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.provision: list[NodeOrder] = []
        self.deallocate: list[NodeRef] = []
        self.release: list[NodeRef] = []
        self.launch: list[Launch] = []
        self.end: list[tuple[NodeRef, str, float, bool]] = []
        """Node, run, grace in seconds, and whether the run's files are taken away all the same."""
        self.remove: list[tuple[NodeRef, str]] = []
        self.hold: list[tuple[NodeRef, bool]] = []
        """Nodes, and whether something new may start on their machines no more or again."""
        self.measure: list[tuple[list[NodeRef], int]] = []
        """Nodes, and the slot of the sample that what they use is for."""
        self.pools: set[int] = set()
        self.wake = False
        self.tend = False
        self.notices = False
        self.due: int | None = None

    def remind(self, *moments: int | None) -> None:
        """Have the loop pass at the earliest of these moments, should it mean to sleep longer."""
        given = [moment for moment in (self.due, *moments) if moment is not None]
        self.due = min(given, default=None)

    @property
    def quiet(self) -> bool:
        """Tell whether the nodes have nothing to hear."""
        told = (self.provision, self.deallocate, self.release, self.launch, self.end, self.remove, self.measure)
        return not (any(told) or self.hold)


def node_ref(node: Node) -> NodeRef:
    """Where a node is, for the nodes' seam."""
    return NodeRef(account=node.account, pool=node.pool, node=node.id, key=node.key)


def run_name(task: Task) -> str:
    """The run that the task is in: its number and the number of the try. Unique for ever."""
    return f"{task.key}.{task.attempt}"


def node_run_name(own: NodeTask) -> str:
    """The same for what the service runs on a node."""
    return f"{NODE_RUN}{own.key}.{own.attempt}"
