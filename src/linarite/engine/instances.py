"""The instances of multi-instance tasks, as records: which there are, and which tasks they bring to a node."""

from __future__ import annotations

from collections.abc import Collection

from linarite.engine.ledger import Ledger
from linarite.engine.model import Node, NodeTask, Task


def of_task(u: Ledger, task: Task) -> list[NodeTask]:
    """The instances of its last try, as this unit has them, in the order of their numbers."""
    return [u.node_task(own) for own in u.tx.node_tasks.of_task(task.key)]


def forget(u: Ledger, task: Task) -> None:
    """Take out all instances, which are over, with what the subtasks left on their nodes."""
    for own in of_task(u, task) if task.spec.multi_instance else ():
        u.drop_node_task(own, with_directory=own.is_subtask)


def forget_last_try(u: Ledger, task: Task, nodes: Collection[int]) -> None:
    """Take out the instances of the last try, with what they left on nodes that are none of these.

    On a node that has another one next it stays: it could be removed late, by another host than that which starts it.
    """
    for own in of_task(u, task):
        u.drop_node_task(own, with_directory=own.node_key not in nodes)


def kept_on(u: Ledger, node: Node) -> bool:
    """Tell whether files of a task or of a subtask are still to be kept on the node."""
    return u.tx.tasks.kept_on_node(node.key) or u.tx.node_tasks.kept_on_node(node.key)


def tasks_on(u: Ledger, node: Node) -> list[Task]:
    """Every task that has a process on the node or will have: its own ones, and those that have a subtask there."""
    tasks = u.tx.tasks.running_on_node(node.key) if node.running_tasks else []
    if len(tasks) < node.running_tasks:
        keys = {own.task_key for own in u.tx.node_tasks.under_way(node.key) if own.task_key is not None}
        tasks += u.tx.tasks.by_keys(sorted(keys.difference(task.key for task in tasks)))
    return [u.task(task) for task in tasks]
