"""Nodes that are machines, as clients see them: by the names and in the states that the cluster tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from azure.batch import BatchClient, models
from tests.faces.hpc_pack.site import ACCOUNT, Site, WallClock, pairs, rows
from tests.faces.hpc_pack.test_json import call, given
from tests.support.batch import MACHINE, batch_client, wait_task
from tests.support.server import data_home
from tests.support.standing import StandingNodes, machine

from linarite.engine.launching import Machine, MachineState
from linarite.faces.azure_batch import AzureBatch
from linarite.faces.dashboard import Dashboard
from linarite.identity.access import Identity

OFFLINE, UNUSABLE = MachineState.OFFLINE, MachineState.UNUSABLE


class Cluster(Site):
    """A server whose nodes are the machines n1, n2 and n3; `batch` is a client, `tell` what the cluster tells."""

    nodes: StandingNodes

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, pool=None, nodes=StandingNodes, **options)
        self.tell("n1", "n2", gpu=("n3",))
        identity = Identity(self.store, WallClock(), [], development=True)
        self.run(identity.start())
        url = self.run(self.serve(AzureBatch(self.engine, identity)))
        self.batch = batch_client(SimpleNamespace(urls={"batch": url}), ACCOUNT, retries=0)
        self.page = self.run(self.serve(Dashboard(self.engine, {}, development=True)))

    def tell(self, *names: str, gpu: tuple[str, ...] = (), **states: MachineState) -> None:
        told: list[Machine] = [machine(name) for name in names]
        told += [machine(name, groups=("long", "gpu"), features=("a100",)) for name in gpu]
        told += [machine(name, state, reason=f"{name} does not answer") for name, state in states.items()]
        self.run(self.engine.on_machines(told))

    def pool(self, name: str, nodes: int, size: str = "long", **options: Any) -> None:
        self.batch.create_pool(
            models.BatchPoolCreateOptions(
                id=name, vm_size=size, target_dedicated_nodes=nodes, virtual_machine_configuration=MACHINE, **options
            )
        )

    def states(self, name: str) -> dict[str, str]:
        return {str(node.id): models.BatchNodeState(node.state).value for node in self.batch.list_nodes(name)}

    def settled(self, name: str) -> dict[str, str]:
        """The nodes of a pool and their states, once it is steady."""
        self.until(lambda: self.batch.get_pool(name).allocation_state == "steady")
        return self.states(name)

    def hpc_names(self, **query: str) -> list[str]:
        return [item["Name"] for item in given(call(self, "GET", "cluster/nodes", params=query))]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with data_home() as home:
        site = Cluster(home)
        yield site
        site.batch.close()
        site.close()


def job(client: BatchClient, name: str, pool: str, *tasks: models.BatchTaskCreateOptions) -> None:
    client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=pool)))
    for task in tasks:
        client.create_task(name, task)


def test_azure_batch_calls_nodes_by_their_machines(cluster: Cluster) -> None:
    """Ids, addresses and files are those of the machines that the pool's size names; a task runs on one."""
    families = models.BatchPublicIpAddressConfiguration(ip_families=["IPv4", "IPv6"])
    network = models.NetworkConfiguration(public_ip_address_configuration=families)
    cluster.pool("p", 2, network_configuration=network)
    assert cluster.settled("p") == {"n1": "idle", "n2": "idle"}
    node = cluster.batch.get_node("p", "n1")
    assert (node.ip_address, node.affinity_id, node.vm_size, node.ipv6_address) == ("n1", "TVM:n1", "long", "n1")
    login = cluster.batch.get_node_remote_login_settings("p", "n1")
    assert (login.remote_login_ip_address, login.remote_login_port) == ("n1", 22)
    assert (login.ipv6_remote_login_ip_address, login.ipv6_remote_login_port) == ("n1", 22)
    where = models.BatchAffinityInfo(affinity_id="TVM:n2")
    line = "/bin/sh -c 'echo $AZ_BATCH_NODE_ID'"
    job(cluster.batch, "j", "p", models.BatchTaskCreateOptions(id="a", command_line=line, affinity_info=where))
    task = wait_task(cluster.batch, "j", "a")
    assert (task.node_info.node_id, task.execution_info.exit_code) == ("n2", 0)
    assert b"".join(cluster.batch.download_task_file("j", "a", "stdout.txt")) == b"n2\n"
    cluster.pool("q", 1, size="gpu")
    assert cluster.settled("q") == {"n3": "idle"}


def test_azure_batch_tells_of_machines_that_are_drained_or_down(cluster: Cluster) -> None:
    """Offline with scheduling enabled; unusable with the cluster's reason; back again."""
    cluster.pool("p", 2)
    cluster.settled("p")
    cluster.tell(n1=OFFLINE, n2=UNUSABLE)
    assert cluster.states("p") == {"n1": "offline", "n2": "unusable"}
    assert cluster.batch.get_node("p", "n1").scheduling_state == "enabled"
    (error,) = cluster.batch.get_node("p", "n2").errors or []
    assert (error.code, error.message) == ("NodeUnusable", "The machine is out of order: n2 does not answer.")
    cluster.tell("n1", "n2")
    assert cluster.states("p") == {"n1": "idle", "n2": "idle"}
    assert not cluster.batch.get_node("p", "n2").errors


def test_azure_batch_disables_scheduling_with_the_cluster(cluster: Cluster) -> None:
    """The cluster is asked to hold the machine, and to let it go."""
    cluster.pool("p", 1)
    cluster.settled("p")
    cluster.batch.disable_node_scheduling(
        "p", "n1", models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    )
    assert (cluster.states("p"), cluster.nodes.held) == ({"n1": "offline"}, [("n1", True)])
    cluster.batch.enable_node_scheduling("p", "n1")
    assert (cluster.states("p"), cluster.nodes.held[1:]) == ({"n1": "idle"}, [("n1", False)])


def test_azure_batch_resize_beyond_the_cluster_times_out(cluster: Cluster) -> None:
    """The pool is resizing until its time-out, and then tells the protocol's error; what there is serves meanwhile."""
    cluster.pool("p", 2, size="gpu", resize_timeout="PT5M")
    cluster.until(lambda: cluster.states("p") == {"n3": "idle"})
    assert cluster.batch.get_pool("p").allocation_state == "resizing"
    job(cluster.batch, "j", "p", models.BatchTaskCreateOptions(id="a", command_line="true"))
    wait_task(cluster.batch, "j", "a")
    cluster.run(_past_deadlines(cluster))
    cluster.settled("p")
    (error,) = cluster.batch.get_pool("p").resize_errors or []
    assert error.code == "AllocationTimedout"


async def _past_deadlines(cluster: Cluster) -> None:
    """Let the time-out of every pool be over now: it is five minutes at least."""

    def hasten(u: Any) -> None:
        for pool in u.tx.pools.all():
            pool.deadline = u.now
            u.tx.pools.update(pool)
        u.effects.tend = True

    await cluster.engine.do(hasten)


def test_azure_batch_multi_instance_tasks_know_their_machines(cluster: Cluster) -> None:
    """The names of the hosts are the machines', the first is the cluster's first; the task waits for its turn."""
    cluster.pool("p", 3, enable_inter_node_communication=True)
    cluster.settled("p")
    settings = models.MultiInstanceSettings(number_of_instances=3, coordination_command_line="/bin/sh -c :")
    line = "/bin/sh -c 'echo $AZ_BATCH_HOST_LIST $AZ_BATCH_MASTER_NODE $CCP_NODES'"
    where = models.BatchAffinityInfo(affinity_id="TVM:n3")
    task = models.BatchTaskCreateOptions(
        id="m", command_line=line, multi_instance_settings=settings, affinity_info=where
    )
    job(cluster.batch, "j", "p", task)
    done = wait_task(cluster.batch, "j", "m")
    assert (done.node_info.node_id, done.execution_info.exit_code) == ("n1", 0)
    told = b"".join(cluster.batch.download_task_file("j", "m", "stdout.txt"))
    assert told == b"n1,n2,n3 n1:6000 3 n1 1 n2 1 n3 1\n"


def test_hpc_pack_lists_machines_with_their_cores_and_groups(cluster: Cluster) -> None:
    """Both surfaces: names, cores, memory, partitions and features, beside pools and groups that users made."""
    cluster.pool("p", 3)
    cluster.settled("p")
    node = given(call(cluster, "GET", "cluster/nodes/N3"))
    assert {key: node[key] for key in ("Name", "State", "Health", "Cores", "MemorySize", "Template")} == {
        "Name": "n3", "State": "Online", "Health": "OK", "Cores": 8, "MemorySize": 16_000, "Template": "p",
    }  # fmt: skip
    assert node["Groups"] == ["ComputeNodes", "LinuxNodes", "p", "long", "gpu", "a100"]
    told = dict(pairs(cluster.get("Node/n3")))
    assert (told["Name"], told["NumCores"], told["MemorySize"], told["State"]) == ("n3", "8", "16000", "Online")
    assert [row["Name"] for row in rows(cluster.get("Nodes"))] == ["n1", "n2", "n3"]
    groups = {row["Name"]: row["Description"] for row in rows(cluster.get("NodeGroups"))}
    assert {name: groups[name] for name in ("long", "gpu", "a100")} == dict.fromkeys(
        ("long", "gpu", "a100"), "Machines of the cluster"
    )
    assert given(call(cluster, "GET", "cluster/nodeGroups/GPU/nodes")) == ["n3"]
    assert cluster.hpc_names(group="gpu") == ["n3"]
    refused = given(call(cluster, "PUT", "cluster/nodeGroups/gpu", {"Name": "mine"}), 400)
    assert "managed by the server" in refused["Message"]
    given(call(cluster, "POST", "cluster/nodeGroups", {"Name": "GPU"}), 400)
    number = cluster.create(NodeGroups="a100")
    cluster.task(number, "hostname")
    cluster.submit(number)
    cluster.until_job(number, "Finished")
    assert cluster.job(number, "AllocatedNodes") == {"AllocatedNodes": "n3"}


@pytest.mark.parametrize(
    ("state", "shown", "health", "reachable"),
    [(OFFLINE, "Offline", "OK", "True"), (UNUSABLE, "Offline", "Error", "False")],
)
def test_hpc_pack_tells_how_machines_are(
    cluster: Cluster, state: MachineState, shown: str, health: str, reachable: str
) -> None:
    """Drained is offline and well, down is offline and an error."""
    cluster.pool("p", 2)
    cluster.settled("p")
    cluster.tell("n1", n2=state)
    node = given(call(cluster, "GET", "cluster/nodes/n2"))
    assert (node["State"], node["Health"]) == (shown, health)
    told = dict(pairs(cluster.get("Node/n2")))
    assert (told["State"], told["Reachable"]) == (shown, reachable)
    assert cluster.hpc_names(state="Online") == ["n1"]
    assert {"Name": "Offline", "Value": 1} in given(call(cluster, "GET", "cluster/nodes/stats/state"))


def test_hpc_pack_drains_a_busy_machine(cluster: Cluster) -> None:
    """Draining as long as a task runs there, whoever drained it."""
    cluster.pool("p", 1)
    cluster.settled("p")
    number = cluster.create()
    task = cluster.task(number, "sleep 60")
    cluster.submit(number)
    cluster.until_task(number, task, "Running")
    cluster.tell(n1=OFFLINE)
    assert given(call(cluster, "GET", "cluster/nodes/n1"))["State"] == "Draining"
    assert dict(pairs(cluster.get("Node/n1")))["State"] == "Draining"
    cluster.post(f"Job/{number}/Cancel", params={"Forced": "true"})
    cluster.until(lambda: given(call(cluster, "GET", "cluster/nodes/n1"))["State"] == "Offline")


def test_hpc_pack_knows_a_machine_of_two_pools_as_one_node(cluster: Cluster) -> None:
    """It is listed once, is in both groups, and is taken offline and brought online for both."""
    cluster.pool("p", 3)
    cluster.pool("q", 1, size="gpu")
    cluster.settled("p"), cluster.settled("q")
    assert cluster.hpc_names() == ["n1", "n2", "n3"]
    assert [row["Name"] for row in rows(cluster.get("Nodes"))] == ["n1", "n2", "n3"]
    assert given(call(cluster, "GET", "cluster/nodeGroups/q/nodes")) == ["n3"]
    assert set(given(call(cluster, "GET", "cluster/nodes/n3"))["Groups"]) >= {"p", "q"}
    given(call(cluster, "POST", "cluster/nodeGroups", {"Name": "mine"}))
    sent = {"Operation": "add", "NodeNames": ["n3"]}
    assert given(call(cluster, "PATCH", "cluster/nodeGroups/mine/nodes", sent)) == ["n3"]

    def states() -> list[str]:
        return [cluster.states(pool)["n3"] for pool in ("p", "q")]

    operate: Callable[[str], Any] = lambda what: call(cluster, "POST", f"cluster/nodes/n3/operations/{what}")  # noqa: E731
    assert operate("takeOffline").status_code == 202
    assert (states(), cluster.hpc_names(state="Offline")) == (["offline", "offline"], ["n3"])
    assert operate("bringOnline").status_code == 202
    assert (states(), cluster.nodes.held[-1]) == (["idle", "idle"], ("n3", False))
    assert cluster.nodes.held.count(("n3", False)) == 1, "not before the second pool minds no more"


def test_dashboard_shows_the_capacity_of_the_cluster(cluster: Cluster) -> None:
    """Names, states, processors, and the slots that are in use."""
    cluster.pool("p", 2, task_slots_per_node=4)
    cluster.settled("p")
    slots = models.BatchTaskCreateOptions(id="a", command_line="sleep 60", required_slots=3)
    job(cluster.batch, "j", "p", slots)
    wait_task(cluster.batch, "j", "a", "running")
    cluster.tell("n1", n2=OFFLINE, n3=UNUSABLE)
    html = requests.get(cluster.page, timeout=30).text
    assert "Capacity of the cluster" in html
    for name, state, cpus, used in (("n1", "idle", 8, 3), ("n2", "offline", 8, 0), ("n3", "unusable", 8, 0)):
        assert f'<tr><th scope="row">{name}</th><td>{state}</td><td>{cpus}</td><td>{used}</td></tr>' in html
    assert '<tr><th scope="row">all 3</th><td></td><td>24</td><td>3</td></tr>' in html
    assert "does not answer" not in html, "why is not for everybody who can see the page"
    cluster.batch.terminate_task("j", "a")
    wait_task(cluster.batch, "j", "a")
