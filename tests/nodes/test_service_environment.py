"""The variables that tell a task where it belongs."""

from __future__ import annotations

from linarite.engine.model import Counts, Job, JobSpec, Node, Task, TaskSpec
from linarite.nodes.service_environment import ServiceEnvironment

ENVIRONMENT = ServiceEnvironment("http://127.0.0.1:10010", "head", lambda task: f"token of {task.spec.id}")


def _variables(*, hpc: bool = False, dedicated: bool = True, token: bool = False) -> dict[str, str]:
    times = {"created_at": 0, "modified_at": 0, "state_at": 0}
    facts = {"hpc_pack": {}} if hpc else {}
    job = Job(account="team", alias=7, spec=JobSpec(id="job", pool="pool"), counts=Counts(), facts=facts, **times)
    spec = TaskSpec(id="task", command="x", required_slots=2, job_token=token)
    task = Task(job_key=1, account="team", alias=3, spec=spec, **times)
    node = Node(
        account="team", pool_key=1, pool="pool", id="node", dedicated=dedicated, state_at=0, created_at=0, boot_at=0
    )
    return ENVIRONMENT(node, job, task)


def test_every_task_is_told_its_account_pool_node_job_and_name() -> None:
    assert _variables(hpc=False) == {
        "AZ_BATCH_ACCOUNT_NAME": "team",
        "AZ_BATCH_ACCOUNT_URL": "http://127.0.0.1:10010",
        "AZ_BATCH_POOL_ID": "pool",
        "AZ_BATCH_NODE_ID": "node",
        "AZ_BATCH_NODE_IS_DEDICATED": "true",
        "AZ_BATCH_JOB_ID": "job",
        "AZ_BATCH_TASK_ID": "task",
    }
    assert _variables(hpc=False, dedicated=False)["AZ_BATCH_NODE_IS_DEDICATED"] == "false"


def test_a_task_of_hpc_pack_is_told_its_numbers_too() -> None:
    found = {name: value for name, value in _variables(hpc=True).items() if name.startswith("CCP_")}
    assert found == {
        "CCP_CLUSTER_NAME": "head",
        "CCP_SCHEDULER": "head",
        "CCP_JOBID": "7",
        "CCP_JOBNAME": "job",
        "CCP_TASKID": "3",
        "CCP_TASKINSTANCEID": "0",
        "CCP_NODES": "1 node 2",
        "CCP_NODES_CORES": "1 node 2",
        "CCP_NUMCPUS": "2",
    }


def test_a_task_that_asks_for_a_token_is_given_one() -> None:
    assert _variables(token=True)["AZ_BATCH_AUTHENTICATION_TOKEN"] == "token of task"
