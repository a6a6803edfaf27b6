"""From records to what the nodes are told: the launch of a task's run, and of what the service itself runs."""

from __future__ import annotations

from collections.abc import Sequence

from linarite.engine import layout
from linarite.engine.bringing import fetches
from linarite.engine.launching import Launch, RunUser
from linarite.engine.ledger import Ledger, node_ref, node_run_name, run_name
from linarite.engine.model import Job, Named, Node, NodeTask, Task

PREPARED, PREPARED_IN = "AZ_BATCH_JOB_PREP_DIR", "AZ_BATCH_JOB_PREP_WORKING_DIR"


def task_launch(u: Ledger, job: Job, task: Task, node: Node) -> Launch:
    """The run of a task: the job's variables, the task's, then the service's own."""
    spec = task.spec
    variables = _variables(job.spec.environment, spec.environment)
    variables.update(u.environment(node, job, task))
    user, elevated = (None, spec.elevated) if spec.user is None else _user(u, node, spec.user)
    return Launch(
        run=run_name(task), node=node_ref(node), directory=layout.task_directory(job.spec.id, spec.id),
        command=spec.command, shell=spec.shell, elevated=elevated, user=user, environment=variables,
        folders=_folders(job), announced=bool(spec.resource_files),
        fetches=fetches(u, job.account, spec.resource_files) if spec.resource_files else (),
        outputs=spec.output_files,
        stdin=spec.stdin, stdout=spec.stdout, stderr=spec.stderr, working_directory=spec.working_directory,
    )  # fmt: skip


def node_task_launch(u: Ledger, own: NodeTask, node: Node) -> Launch:
    """The run of a start, preparation or release task."""
    command, job = own.command, None if own.job_key is None else u.job(own.job_key)
    variables = _variables(job.spec.environment if job else (), command.environment)
    variables.update(u.environment(node, job))
    if job is not None:
        variables["AZ_BATCH_TASK_ID"] = command.id
    user, elevated = (None, command.elevated) if command.user is None else _user(u, node, command.user)
    return Launch(
        run=node_run_name(own), node=node_ref(node), directory=own.directory, command=command.command,
        elevated=elevated, user=user, environment=variables, folders=_folders(job) if job else {},
        announced=bool(command.resource_files), fetches=fetches(u, node.account, command.resource_files),
    )  # fmt: skip


def _user(u: Ledger, node: Node, name: str) -> tuple[RunUser, bool]:
    """The user of the node's pool by this name, and whether they are elevated."""
    pool = u.tx.pools.by_key(node.pool_key)
    for user in pool.spec.users if pool is not None else ():
        if user.name == name:
            return RunUser(name=name, number=user.number), user.elevated
    return RunUser(name=name, number=0), False


def _variables(*groups: Sequence[Named]) -> dict[str, str]:
    return {item.name: item.value for group in groups for item in group}


def _folders(job: Job) -> dict[str, str]:
    """The folder of the job's preparation task, for all that runs in such a job."""
    if job.spec.preparation is None:
        return {}
    directory = layout.task_directory(job.spec.id, job.spec.preparation.id)
    return {PREPARED: directory, PREPARED_IN: f"{directory}/wd"}
