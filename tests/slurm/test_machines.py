"""Nodes that are machines of a real Slurm, through real clients: their states, what waits there, and what is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.batch import BatchClient, models
from tests.support.batch import MACHINE, batch_client, wait_task
from tests.support.server import RunningServer
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server

START = models.BatchStartTask(
    command_line="/bin/sh -c 'echo boot >> $AZ_BATCH_NODE_SHARED_DIR/boots'", wait_for_success=True
)
DEV = ("dev", "linarite")


class Site:
    """A cluster, a server on it and its clients."""

    def __init__(self, cluster: SlurmCluster, server: RunningServer, batch: BatchClient) -> None:
        self.cluster, self.server, self.batch = cluster, server, batch

    def pool(self, name: str, nodes: int, slots: int = 1, **options: Any) -> None:
        self.batch.create_pool(
            models.BatchPoolCreateOptions(
                id=name, vm_size="any", target_dedicated_nodes=nodes, task_slots_per_node=slots,
                virtual_machine_configuration=MACHINE, **options,
            )
        )  # fmt: skip

    def states(self, pool: str) -> dict[str, str]:
        return {str(node.id): models.BatchNodeState(node.state).value for node in self.batch.list_nodes(pool)}

    def until(self, pool: str, **states: str) -> None:
        """Wait until these nodes of a pool are in these states."""
        eventually(lambda: self.states(pool).items() >= states.items(), 60, f"{states} do not come")

    def job(self, name: str, pool: str, *tasks: models.BatchTaskCreateOptions, **options: Any) -> None:
        self.batch.create_job(
            models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=pool), **options)
        )
        for task in tasks:
            self.batch.create_task(name, task)

    def tasks(self, job: str) -> dict[str, models.BatchTask]:
        return {str(task.id): task for task in self.batch.list_tasks(job)}

    def hpc(self, method: str, path: str, **options: Any) -> Any:
        answer = requests.request(method, f"{self.server.hpc}/hpc/{path}", auth=DEV, timeout=30, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def hpc_states(self) -> dict[str, tuple[str, str]]:
        return {node["Name"]: (node["State"], node["Health"]) for node in self.hpc("GET", "cluster/nodes")}


@pytest.fixture
def site(slurm_cluster: Callable[..., SlurmCluster]) -> Iterator[Site]:
    """Three machines of two processors, of which n3 is in a partition of its own too and has a feature."""
    with ExitStack() as stack:
        cluster = slurm_cluster(
            3, 2, partitions={"main": "n[1-3]", "gpu": "n3"}, node_options={"n3": "Features=a100"}, SlurmdTimeout=3,
            MessageTimeout=3,
        )  # fmt: skip
        pools = '{"fast": {"partition": "gpu"}}'
        server = stack.enter_context(slurm_server(cluster, slurm_drain=True, slurm_pools=pools))
        client = stack.enter_context(batch_client(server, retries=0))
        yield Site(cluster, server, client)


def line(id: str, command: str, **options: Any) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=id, command_line=f"/bin/sh -c '{command}'", **options)


def held(site: Site, number: int) -> tuple[list[models.BatchTaskCreateOptions], Path]:
    """Tasks that run until a file is there."""
    go = site.cluster.home() / "go"
    return [line(f"t{each}", f"until [ -e {go} ]; do sleep 0.1; done") for each in range(number)], go


def test_pools_have_the_machines_of_their_partitions(site: Site) -> None:
    """By their names; to want more is a resize that goes on; HPC Pack knows partitions and features as groups."""
    site.pool("p", 3)
    site.pool("fast", 2)
    site.until("p", n1="idle", n2="idle", n3="idle")
    site.until("fast", n3="idle")
    assert (site.batch.get_pool("p").allocation_state, site.batch.get_pool("fast").allocation_state) == (
        "steady", "resizing",
    )  # fmt: skip
    site.job("j", "fast", line("a", "echo $SLURMD_NODENAME $SLURM_JOB_PARTITION"))
    task = wait_task(site.batch, "j", "a")
    assert task.node_info.node_id == "n3"
    assert b"".join(site.batch.download_task_file("j", "a", "stdout.txt")) == b"n3 gpu\n"
    assert site.hpc_states() == dict.fromkeys(("n1", "n2", "n3"), ("Online", "OK"))
    node = site.hpc("GET", "cluster/nodes/n3")
    assert (node["Cores"], {*node["Groups"]} >= {"p", "fast", "main", "gpu", "a100"}) == (2, True)
    assert site.hpc("GET", "cluster/nodeGroups/a100/nodes") == ["n3"]
    page = requests.get(site.server.dashboard, timeout=30).text
    assert '<tr><th scope="row">all 3</th><td></td><td>6</td>' in page


def test_task_waits_for_its_turn_and_its_time_limit_counts_from_its_start(site: Site) -> None:
    """Somebody else has the machine: the task is preparing, without a start; what the machine ends has timed out."""
    other = site.cluster.submit("sleep 600", "-w", "n1", "-n", "2")
    site.cluster.wait_job(other, "RUNNING")
    site.pool("p", 1)
    site.until("p", n1="idle")
    limit = models.BatchTaskConstraints(max_wall_clock_time="PT2S")
    site.job("j", "p", line("a", "sleep 600", constraints=limit))
    task = wait_task(site.batch, "j", "a", "preparing")
    eventually(lambda: "Linarite" in site.cluster.run("squeue", "-h", "-t", "PD", "-o", "%j").title(), 30, "no job")
    assert task.execution_info.start_time is None
    site.cluster.run("scancel", str(other))
    info = wait_task(site.batch, "j", "a").execution_info
    assert (info.failure_info.code, info.failure_info.message) == (
        "TaskEnded", "The task ran longer than its maximum wall clock time.",
    )  # fmt: skip
    assert 1.5 < (info.end_time - info.start_time).total_seconds() < 60


def test_machine_that_is_drained_by_hand_or_through_a_protocol(site: Site) -> None:
    """Offline either way; what waits there goes elsewhere, what runs there ends in peace."""
    site.pool("p", 1, slots=3)
    site.until("p", n1="idle")
    tasks, go = held(site, 3)
    site.job("j", "p", *tasks)
    eventually(
        lambda: sorted(task.state.value for task in site.tasks("j").values()) == ["preparing", "running", "running"],
        30,
        "no two run",
    )
    site.cluster.drain("n1", "spring cleaning")
    site.until("p", n1="running")
    eventually(lambda: site.hpc_states()["n1"] == ("Draining", "OK"), 30, "it does not drain")
    (waiting,) = eventually(
        lambda: [task for task in site.tasks("j").values() if task.state == "active"], 30, "it is not taken back"
    )
    go.touch()
    site.until("p", n1="offline")
    assert site.batch.get_node("p", "n1").scheduling_state == "enabled"
    site.cluster.resume("n1")
    for name in site.tasks("j"):
        wait_task(site.batch, "j", name)
    assert {name: task.execution_info.requeue_count for name, task in site.tasks("j").items()} == {
        name: int(name == waiting.id) for name in ("t0", "t1", "t2")
    }
    site.hpc("POST", "cluster/nodes/n1/operations/takeOffline")
    site.cluster.wait_node("n1", "drained")
    assert "Scheduling was disab" in site.cluster.run("sinfo", "-h", "-R")
    site.until("p", n1="offline")
    assert site.batch.get_node("p", "n1").scheduling_state == "disabled"
    site.hpc("POST", "cluster/nodes/n1/operations/bringOnline")
    site.until("p", n1="idle")
    site.cluster.wait_node("n1", "idle")


def test_machine_that_dies_and_comes_back(site: Site) -> None:
    """Its tasks run elsewhere; the node is unusable and says why, then boots: its start task runs again."""
    site.pool("p", 2, slots=2, start_task=START)
    site.until("p", n1="idle", n2="idle")
    tasks, go = held(site, 4)
    site.job("j", "p", *tasks)
    eventually(lambda: {task.state.value for task in site.tasks("j").values()} == {"running"}, 30, "not all run")
    lost = {name for name, task in site.tasks("j").items() if task.node_info.node_id == "n2"}
    assert len(lost) == 2
    site.cluster.kill_node("n2", hard=True)
    site.until("p", n2="unusable")
    (error,) = site.batch.get_node("p", "n2").errors or []
    assert (error.code, error.message) == ("NodeUnusable", "The machine is out of order: Not responding.")
    assert site.hpc_states()["n2"] == ("Offline", "Error")
    go.touch()
    for name in site.tasks("j"):
        wait_task(site.batch, "j", name, seconds=90)
    assert {task.node_info.node_id for task in site.tasks("j").values()} == {"n1"}
    assert {name for name, task in site.tasks("j").items() if task.execution_info.requeue_count} == lost
    site.cluster.start_node("n2")
    site.until("p", n2="idle")
    assert b"".join(site.batch.download_node_file("p", "n2", "shared/boots")) == b"boot\nboot\n"
    assert b"".join(site.batch.download_node_file("p", "n1", "shared/boots")) == b"boot\n"


def test_job_ends_without_its_release_task_on_a_drained_machine(site: Site) -> None:
    """It would run when somebody resumes the machine, and the job would wait for that."""
    site.pool("p", 1)
    preparation = models.BatchJobPreparationTask(command_line="true")
    release = models.BatchJobReleaseTask(command_line="true")
    site.job("j", "p", line("a", "true"), job_preparation_task=preparation, job_release_task=release)
    wait_task(site.batch, "j", "a")
    site.cluster.drain("n1")
    site.until("p", n1="offline")
    site.batch.begin_terminate_job("j", {"terminateReason": "done"}, polling_interval=0.1).result()
    eventually(lambda: site.batch.get_job("j").state == "completed", 30, "the job does not end")


def test_instances_know_their_machines(site: Site) -> None:
    """One Slurm job of three machines; the command runs on the cluster's first, whatever node is preferred."""
    site.pool("p", 3, enable_inter_node_communication=True)
    site.until("p", n1="idle", n2="idle", n3="idle")
    settings = models.MultiInstanceSettings(
        number_of_instances=3, coordination_command_line="/bin/sh -c 'echo $SLURMD_NODENAME > $AZ_BATCH_TASK_DIR/here'"
    )
    told = "echo $SLURMD_NODENAME $SLURM_JOB_NUM_NODES $AZ_BATCH_HOST_LIST $AZ_BATCH_MASTER_NODE $CCP_NODES"
    where = models.BatchAffinityInfo(affinity_id="TVM:n3")
    site.job("j", "p", line("m", told, multi_instance_settings=settings, affinity_info=where))
    task = wait_task(site.batch, "j", "m", seconds=60)
    assert (task.node_info.node_id, task.execution_info.exit_code) == ("n1", 0)
    said = b"".join(site.batch.download_task_file("j", "m", "stdout.txt"))
    assert said == b"n1 3 n1,n2,n3 n1:6000 3 n1 1 n2 1 n3 1\n"
