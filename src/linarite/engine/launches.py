"""From records to what the nodes are told: the launch of a task's run, and of what the service itself runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from linarite.engine import applications, certificates, instances, layout
from linarite.engine.addresses import host
from linarite.engine.bringing import fetches
from linarite.engine.containers import Container
from linarite.engine.effects import node_ref, node_run_name, run_name
from linarite.engine.launching import Fetch, Launch, RunUser, Together
from linarite.engine.layout import PREPARED, PREPARED_IN, SHARED
from linarite.engine.ledger import Ledger
from linarite.engine.model import SECOND, Job, Named, Node, NodeTask, Task
from linarite.engine.packages import Package
from linarite.engine.starting import is_announced

MASTER_PORT = 6000
"""Stands beside the address of a multi-instance task's own node, as the service writes it; nothing listens there."""


def task_launch(u: Ledger, job: Job, task: Task, node: Node) -> Launch:
    """The run of a task. One of several instances goes on in the directory where instance 0 has brought its files."""
    launch = _launch(u, job, task, node)
    if task.spec.multi_instance is None:
        return launch
    of_instance = _of_instance(u, job, task, launch, None)
    enters = None if launch.container is None else node_run_name(instances.of_task(u, task)[0])
    return replace(
        of_instance, fetches=(), announced=False, keeps_output=True, enters=enters,
        time_limit=None if task.deadline is None else max(0, task.deadline - u.now) / SECOND,
    )  # fmt: skip


def _launch(u: Ledger, job: Job, task: Task, node: Node) -> Launch:
    """The job's variables, the task's, then the service's own."""
    spec = task.spec
    variables = _variables(job.spec.environment, spec.environment)
    variables.update(u.environment(node, job, task))
    user, elevated = (None, spec.elevated) if spec.user is None else _user(u, node, spec.user)
    packages = node.packages
    if spec.packages:
        packages = (*packages, *applications.resolve(u.tx, job.account, spec.packages, u.now))
    return Launch(
        run=run_name(task), node=node_ref(node), directory=layout.task_directory(job.spec.id, spec.id),
        command=spec.command, shell=spec.shell, elevated=elevated, user=user, environment=variables,
        folders={**_folders(job), **_package_folders(packages)}, announced=is_announced(u, spec),
        packages=packages,
        container=_container(u, node, spec.container), contained=node.contained,
        fetches=fetches(u, job.account, spec.resource_files) if spec.resource_files else (),
        files=certificates.files(u.tx, node, u.now, start=False) if node.certificates else (),
        outputs=spec.output_files, slots=spec.required_slots, size=u.size_of(node),
        time_limit=_seconds(spec.max_wall_clock),
        stdin=spec.stdin, stdout=spec.stdout, stderr=spec.stderr, working_directory=spec.working_directory,
    )  # fmt: skip


def node_task_launch(u: Ledger, own: NodeTask, node: Node) -> Launch:
    """The run of a start, preparation, release or coordination task."""
    if own.task_key is not None:
        return _coordination_launch(u, own, own.task_key, node)
    command, job = own.command, None if own.job_key is None else u.job(own.job_key)
    variables = _variables(job.spec.environment if job else (), command.environment)
    variables.update(u.environment(node, job))
    if job is not None:
        variables["AZ_BATCH_TASK_ID"] = command.id
    user, elevated = (None, command.elevated) if command.user is None else _user(u, node, command.user)
    return Launch(
        run=node_run_name(own), node=node_ref(node), directory=own.directory, command=command.command,
        shell=command.shell, elevated=elevated, user=user, environment=variables,
        stdin=command.stdin, stdout=command.stdout, stderr=command.stderr,
        working_directory=command.working_directory,
        folders={**(_folders(job) if job else {}), **_package_folders(node.packages)}, packages=node.packages,
        container=_container(u, node, command.container), contained=node.contained if command.container else None,
        announced=is_announced(u, command), size=u.size_of(node), time_limit=_seconds(command.max_wall_clock),
        fetches=fetches(u, node.account, command.resource_files),
        files=certificates.files(u.tx, node, u.now, start=job is None) if node.certificates else (),
    )  # fmt: skip


def _container(u: Ledger, node: Node, wanted: Container | None) -> Container | None:
    """The container, with its pool's registry where it comes from one and names none itself."""
    if wanted is None or wanted.registry is not None:
        return wanted
    pool = u.tx.pools.by_key(node.pool_key)
    containers = None if pool is None else pool.spec.containers
    return wanted if containers is None else replace(wanted, registry=containers.registry_of(wanted.image))


def _user(u: Ledger, node: Node, name: str) -> tuple[RunUser, bool]:
    """The user of the node's pool by this name, and whether they are elevated."""
    pool = u.tx.pools.by_key(node.pool_key)
    for user in pool.spec.users if pool is not None else ():
        if user.name == name:
            return RunUser(name=name, number=user.number), user.elevated
    return RunUser(name=name, number=0), False


def _coordination_launch(u: Ledger, own: NodeTask, task_key: int, node: Node) -> Launch:
    """The coordination command of an instance. The files common to all come to the directory of the task.

    On the task's own node its own files come too, below the working directory there.
    """
    task = u.tx.tasks.by_key(task_key)
    assert task is not None, "an instance goes with its task"
    task, job = u.task(task), u.job(task.job_key)
    settings = task.spec.multi_instance
    assert settings is not None, "it is an instance"
    brought = fetches(u, job.account, settings.files) if settings.files else ()
    if not own.instance and task.spec.resource_files:
        brought += tuple(map(_below_wd, fetches(u, job.account, task.spec.resource_files)))
    return replace(
        _of_instance(u, job, task, _launch(u, job, task, node), own.instance), run=node_run_name(own),
        directory=own.directory, command=own.command.command, shell=False, announced=u.site.standing, stays=True,
        outputs=(), fetches=brought, fetch_into=layout.task_directory(job.spec.id, task.spec.id),
    )  # fmt: skip


def _below_wd(fetch: Fetch) -> Fetch:
    return replace(fetch, path=f"wd/{fetch.path}")


def _of_instance(u: Ledger, job: Job, task: Task, launch: Launch, instance: int | None) -> Launch:
    """The same with what tells an instance of the others; None is the task's own run, on the node of instance 0.

    Source: 'Azure Batch runtime environment variables'.
    """
    members = instances.of_task(u, task)
    hosts = [host(own.node, own.node_key, machine=u.site.standing) for own in members]
    variables = {**launch.environment, **instance_variables(hosts, instance or 0, launch.slots)}
    directory = layout.task_directory(job.spec.id, task.spec.id)
    return replace(
        launch, environment=variables, folders={**launch.folders, SHARED: directory},
        together=Together(task=run_name(task), size=len(members), instance=instance),
    )  # fmt: skip


def instance_variables(hosts: Sequence[str], instance: int, cores: int = 1) -> dict[str, str]:
    """The variables of an instance of a task whose nodes are reached by these names, the task's own node first.

    A node counts as as many cores as the task has slots on it.
    """
    return {
        "AZ_BATCH_NODE_LIST": ";".join(hosts),
        "AZ_BATCH_HOST_LIST": ",".join(hosts),
        "AZ_BATCH_MASTER_NODE": f"{hosts[0]}:{MASTER_PORT}",
        "AZ_BATCH_IS_CURRENT_NODE_MASTER": "false" if instance else "true",
        "CCP_NODES": " ".join([str(len(hosts)), *(f"{each} {cores}" for each in hosts)]),
    }


def _seconds(limit: int | None) -> float | None:
    return None if limit is None else limit / SECOND


def _variables(*groups: Sequence[Named]) -> dict[str, str]:
    return {item.name: item.value for group in groups for item in group}


def _folders(job: Job) -> dict[str, str]:
    """The folder of the job's preparation task, for all that runs in such a job."""
    if job.spec.preparation is None:
        return {}
    directory = layout.task_directory(job.spec.id, job.spec.preparation.id)
    return {PREPARED: directory, PREPARED_IN: f"{directory}/wd"}


def _package_folders(packages: Iterable[Package]) -> dict[str, str]:
    """The folders of packages by the names of their variables; a package that is not there has none."""
    there = [package for package in packages if package.digest]
    return {name: package.directory for package in there for name in package.variables()}
