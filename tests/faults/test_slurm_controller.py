"""slurmctld is killed and started again under a server, or is not there when one starts: nothing else has failed."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from azure.batch import BatchClient, models
from tests.support.batch import MACHINE, batch_client, wait_task
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server

START = models.BatchStartTask(
    command_line="/bin/sh -c 'echo boot >> $AZ_BATCH_NODE_SHARED_DIR/boots'", wait_for_success=True
)


def test_controller_that_starts_again_boots_no_machine(slurm_cluster: Callable[..., SlurmCluster]) -> None:
    """It knows for some seconds of no machine how it is; their start tasks do not run again for that."""
    cluster = slurm_cluster(2, 2)
    with slurm_server(cluster) as server, batch_client(server) as client:
        client.create_pool(
            models.BatchPoolCreateOptions(
                id="pool", vm_size="any", target_dedicated_nodes=2, task_slots_per_node=1, start_task=START,
                virtual_machine_configuration=MACHINE,
            )
        )  # fmt: skip
        states = lambda: {str(node.id): node.state for node in client.list_nodes("pool")}  # noqa: E731
        eventually(lambda: states() == {"n1": "idle", "n2": "idle"}, 60, "the machines are not idle")
        cluster.kill_controller()
        cluster.start_controller()
        assert "unknown" in cluster.node_states().values()
        seen = set[str]()

        def settled() -> bool:
            seen.update(map(str, states().values()))
            return {*cluster.node_states().values()} == {"idle"}

        eventually(settled, 60, "the machines do not tell the controller how they are")
        for node in ("n1", "n2"):
            assert b"".join(client.download_node_file("pool", node, "shared/boots")) == b"boot\n"
        assert seen == {"BatchNodeState.IDLE"}, seen


def make_pool(client: BatchClient, nodes: int = 2) -> None:
    client.create_pool(
        models.BatchPoolCreateOptions(
            id="pool", vm_size="any", target_dedicated_nodes=nodes, virtual_machine_configuration=MACHINE
        )
    )
    client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))


def add(client: BatchClient, task: str, command: str) -> None:
    client.create_task("job", models.BatchTaskCreateOptions(id=task, command_line=f"/bin/sh -c '{command}'"))


def states(client: BatchClient) -> dict[str, str]:
    return {str(node.id): models.BatchNodeState(node.state).value for node in client.list_nodes("pool")}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_server_that_starts_while_the_controller_is_away_serves_at_once(
    slurm_cluster: Callable[..., SlurmCluster],
) -> None:
    """It tells what it knew, what ends there meanwhile, and goes on with the rest when slurmctld is there again.

    Slurm's commands would wait for a minute: its answers are not waited for, neither by the start nor by the end.
    """
    cluster = slurm_cluster(2, 1, MessageTimeout=60)
    home = cluster.home()
    with slurm_server(cluster, slurm_timeout=60, slurm_drain=True) as server, batch_client(server) as client:
        make_pool(client)
        eventually(lambda: states(client) == {"n1": "idle", "n2": "idle"}, 60, "the machines are not idle")
        client.disable_node_scheduling(
            "pool", "n2", models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
        )
        cluster.wait_node("n2", "drained")
        add(client, "goes", f"until [ -e {home}/go ]; do sleep 0.1; done; exit 3")
        wait_task(client, "job", "goes", "running")
        server.kill9()
        cluster.kill_controller()
        began = time.monotonic()
        server.start()
        assert time.monotonic() - began < 20, "it waited for slurmctld"
        assert client.get_pool("pool").current_dedicated_nodes == 2
        assert states(client) == {"n1": "running", "n2": "offline"}
        add(client, "waits", "echo ran")
        (home / "go").touch()
        assert wait_task(client, "job", "goes").execution_info.exit_code == 3
        began = time.monotonic()
        client.enable_node_scheduling("pool", "n2")
        assert time.monotonic() - began < 20, "a call waited for slurmctld"
        assert server.terminate() == 0
        server.start()
        cluster.start_controller()
        assert wait_task(client, "job", "waits").execution_info.exit_code == 0
        assert b"".join(client.download_task_file("job", "waits", "stdout.txt")) == b"ran\n"
        assert server.log.count("slurm_machines_not_seen") <= 2, "what was given up with the server is nobody's concern"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_first_start_while_the_controller_is_away(slurm_cluster: Callable[..., SlurmCluster]) -> None:
    """No machine is known: a pool waits for some, and has them as soon as slurmctld tells of them."""
    cluster = slurm_cluster(3, 1, partitions={"main": "n[1-2]", "other": "n3"})
    cluster.kill_controller()
    with slurm_server(cluster) as server, batch_client(server) as client:
        make_pool(client, nodes=3)
        add(client, "task", "echo ran")
        assert states(client) == {}
        cluster.start_controller()
        assert wait_task(client, "job", "task").execution_info.exit_code == 0
        assert states(client).keys() == {"n1", "n2"}, "n3 is not of the cluster's own partition"
