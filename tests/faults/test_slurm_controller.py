"""slurmctld is killed and started again under a server: nothing else has failed then."""

from __future__ import annotations

from collections.abc import Callable

from azure.batch import models
from tests.support.batch import MACHINE, batch_client
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
