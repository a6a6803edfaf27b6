"""What the service gives every task: variables beside those that tell of its folders, ways to the account's storage.

Sources: 'Azure Batch runtime environment variables' on learn.microsoft.com; HPC Pack NOTES, variables set by the node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from linarite.engine.model import Job, Node, Task
from linarite.nodes.auto_storage import LinkedStorage

HPC_PACK = "hpc_pack"
"""The face whose jobs bear this name among their facts."""


class ServiceEnvironment:
    """Implements `engine.ledger.Environment`."""

    def __init__(self, batch_url: str, cluster: str, token: Callable[[Task], str]) -> None:
        """`batch_url` is the Batch face as tasks reach it, `cluster` the head node's name for HPC Pack.

        `token` makes what opens a task's job to it, for tasks that ask for it.
        """
        self._batch_url, self._cluster, self._token = batch_url, cluster, token

    def __call__(self, node: Node, job: Job | None = None, task: Task | None = None) -> dict[str, str]:
        """Names to values."""
        variables = {
            "AZ_BATCH_ACCOUNT_NAME": node.account,
            "AZ_BATCH_ACCOUNT_URL": self._batch_url,
            "AZ_BATCH_POOL_ID": node.pool,
            "AZ_BATCH_NODE_ID": node.id,
            "AZ_BATCH_NODE_IS_DEDICATED": "true" if node.dedicated else "false",
        }
        if job is not None:
            variables["AZ_BATCH_JOB_ID"] = job.spec.id
        if task is not None:
            variables["AZ_BATCH_TASK_ID"] = task.spec.id
        if task is not None and task.spec.job_token:
            variables["AZ_BATCH_AUTHENTICATION_TOKEN"] = self._token(task)
        if job is not None and HPC_PACK in job.facts:
            variables.update(self._hpc_pack(job))
            variables.update(self._hpc_pack_task(task, node) if task is not None else {})
        return variables

    def container_url(self, linked: Any, container: str, now: int) -> str:  # noqa: ANN401 - the protocol's
        """The address of a container of the linked storage. Raises ValueError."""
        return msgspec.convert(linked, LinkedStorage).container_url(container, now)

    def _hpc_pack(self, job: Job) -> dict[str, str]:
        return {
            "CCP_CLUSTER_NAME": self._cluster,
            "CCP_SCHEDULER": self._cluster,
            "CCP_JOBID": str(job.alias),
            "CCP_JOBNAME": job.spec.display_name or job.spec.id,
        }

    @staticmethod
    def _hpc_pack_task(task: Task, node: Node) -> dict[str, str]:
        """A sweep's task has its own CCP_TASKINSTANCEID, the value, among the user's variables."""
        slots = str(task.spec.required_slots)
        instance = {} if task.index else {"CCP_TASKINSTANCEID": "0"}
        nodes = f"1 {node.id} {slots}"
        own = {"CCP_TASKID": str(task.alias), "CCP_NODES": nodes, "CCP_NODES_CORES": nodes, "CCP_NUMCPUS": slots}
        return instance | own
