"""What a crash left on nodes: folders of nodes that are gone, directories whose tasks are gone or elsewhere.

A folder goes after the commit that lets it go, and a crash between the two leaves it there. Asked once after a start.
"""

from __future__ import annotations

from collections.abc import Sequence

from linarite.engine import layout
from linarite.engine.effects import node_ref
from linarite.engine.ledger import Ledger
from linarite.engine.model import Node

AT_ONCE = 100
"""Directories looked at in one unit of work."""


def sweep(u: Ledger, node_key: int, directories: Sequence[str]) -> None:
    """Have those of a node's task directories removed that belong to nothing."""
    node = u.node(node_key)
    if node is None:
        return
    own = [task.directory for task in u.tx.node_tasks.of_node(node_key)]
    for directory in directories:
        kept = any(f"{one}/".startswith(f"{directory}/") for one in own)
        if not kept and not _has_task(u, node, directory):
            u.effects.remove.append((node_ref(node), directory))


def _has_task(u: Ledger, node: Node, directory: str) -> bool:
    """Tell whether the directory is that of a task that is here, or may come back."""
    for job_id in layout.jobs_of(directory):
        job = u.tx.jobs.get(node.account, job_id)
        task = None if job is None else u.tx.tasks.get(job.key, layout.task_of(directory))
        if task is not None and task.node_key in {None, node.key}:
            return True
    return False
