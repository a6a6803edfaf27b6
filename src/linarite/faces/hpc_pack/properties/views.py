"""Whatever clients call a task: a task, a sweep, or a command on the job's nodes; how each is shown."""

from __future__ import annotations

from linarite.engine.model import Job, Sweep, Task
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import states
from linarite.faces.hpc_pack.properties import node_task_view
from linarite.faces.hpc_pack.properties.node_task_view import OnNodes, OnNodesView
from linarite.faces.hpc_pack.properties.task_view import Output, SweepView, TaskView

Target = Task | Sweep | OnNodes


def view_of(tx: Transaction, job: Job, found: Target, read_output: Output) -> TaskView:
    """What shows it."""
    match found:
        case Sweep():
            return SweepView(tx, job, found)
        case OnNodes():
            return OnNodesView(tx, job, found, read_output)
    return TaskView(tx, job, found, read_output)


def state_of(job: Job, found: Target) -> str:
    """Its state in the protocol's words."""
    match found:
        case Sweep():
            return states.sweep_state(job, found)
        case OnNodes():
            return node_task_view.state_of(job, found)
    return states.task_state(job, found)
