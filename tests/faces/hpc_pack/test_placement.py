"""Properties that say where a job runs and how much it may have: each takes effect."""

from __future__ import annotations

from typing import Any

import pytest
from tests.faces.hpc_pack.site import Site, body
from tests.faces.hpc_pack.test_job_files import create as create_from
from tests.faces.hpc_pack.test_json import call, given
from tests.faces.hpc_pack.test_tasks import code

CALCULATED = {"AutoCalculateMin": "False", "AutoCalculateMax": "False"}


def placement(site: Site, **properties: str) -> Any:
    return site.record(site.create(**properties)).spec.placement


@pytest.fixture
def nodes(site: Site) -> list[str]:
    """The names of the pool's node, once it serves."""
    return site.until(
        lambda: [node["Name"] for node in given(call(site, "GET", "cluster/nodes")) if node["Cores"] == 4]
    )


def test_bounds_of_cores(site: Site):
    """MinCores and MaxCores hold where they are not calculated."""
    found = placement(site, MinCores="2", MaxCores="3", **CALCULATED)
    assert (found.min_slots, found.max_slots, found.exclusive) == (2, 3, False)
    found = placement(site, MinCores="2", MaxCores="3")
    assert (found.min_slots, found.max_slots) == (0, -1)
    assert code(site.post("Jobs", body(MinCores="4", MaxCores="3", **CALCULATED)))[1] == "-2147220987"


@pytest.mark.parametrize("unit", ["Node", "Socket"])
def test_bounds_of_nodes_and_sockets(site: Site, unit: str):
    """Each task has a node for itself; so many at once."""
    job = site.create(UnitType=unit, **{f"Min{unit}s": "1", f"Max{unit}s": "2"}, **CALCULATED)
    spec = site.record(job).spec
    assert (spec.placement.exclusive, spec.placement.min_nodes, spec.max_parallel_tasks) == (True, 1, 2)
    assert site.job(job, "IsExclusive") == {"IsExclusive": "False"}


def test_max_cores_is_kept_to(site: Site):
    """Of three tasks two run at once."""
    job = site.create(MinCores="1", MaxCores="2", **CALCULATED)
    for _ in range(3):
        site.task(job, "sleep 60")
    site.submit(job)
    site.until_task(job, 2, "Running")
    assert site.of_task(job, 3, "State") == {"State": "Queued"}
    site.post(f"Job/{job}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Canceled")


def test_memory_and_cores_of_a_node(site: Site):
    """MinMemory, MaxMemory, EstimatedProcessMemory and the cores per node choose nodes."""
    assert placement(site).memory is None
    assert placement(site, MinMemory="5").memory == (5, 2**31 - 1)
    assert placement(site, MinMemory="5", EstimatedProcessMemory="9", MaxMemory="10").memory == (9, 10)
    assert placement(site, MinCoresPerNode="2", MaxCoresPerNode="8").slots_per_node == (2, 8)
    job = site.create(MinMemory="2000000000")
    site.task(job, "true")
    site.submit(job)
    fits = site.run_job("true", MinMemory="1", MinCoresPerNode="4")
    assert site.job(fits, "State") == {"State": "Finished"}
    assert site.job(job, "State") == {"State": "Queued"}
    site.post(f"Job/{job}/Cancel")


def test_memory_of_a_node_is_told(site: Site):
    """Get Node tells this machine's memory, once the node is there."""
    site.run_job("true")
    assert int(given(call(site, "GET", "cluster/nodes"))[0]["MemorySize"]) > 0


def test_order_by(site: Site):
    assert placement(site, OrderBy="Cores,-Memory").order == ("slots", "-memory")
    assert placement(site, OrderBy="").order == ()


def test_preemptable(site: Site):
    """Its tasks may be taken back for jobs of higher priority."""
    assert site.record(site.create(Preemptable="true")).spec.preemptible
    assert not site.record(site.create(Preemptable="false")).spec.preemptible


def test_excluded_nodes_of_a_job_file(site: Site):
    """Only a job file sets them."""
    job = create_from(site, '<Job ExcludedNodes="A,b"><Tasks/></Job>')
    assert site.record(job).spec.placement.excluded == ("a", "b")
    assert site.job(job, "ExcludedNodes") == {"ExcludedNodes": "a,b"}
    assert code(site.post("Jobs", body(ExcludedNodes="a")))[1] == "-2147220989"


def test_required_nodes_of_a_task(site: Site, nodes: list[str]):
    """A task runs on one of them."""
    job = site.create()
    site.task(job, "true", RequiredNodes=f"nobody,{nodes[0]}")
    site.task(job, "true", RequiredNodes="nobody")
    site.submit(job)
    site.until_task(job, 1, "Finished")
    assert site.of_task(job, 1, "AllocatedNodes", "RequiredNodes") == {
        "AllocatedNodes": nodes[0], "RequiredNodes": f"nobody,{nodes[0]}",
    }  # fmt: skip
    assert site.of_task(job, 2, "State") == {"State": "Queued"}
    site.post(f"Job/{job}/Cancel")


def test_exclusive_task(site: Site):
    """Nothing else runs on its node."""
    job = site.create()
    site.task(job, "sleep 60", IsExclusive="true")
    site.task(job, "true")
    site.submit(job)
    site.until_task(job, 1, "Running")
    assert site.of_task(job, 2, "State") == {"State": "Queued"}
    assert site.of_task(job, 1, "IsExclusive") == {"IsExclusive": "True"}
    site.post(f"Job/{job}/Cancel", params={"Forced": "true"})
    site.until_job(job, "Canceled")


def test_node_groups_of_users(site: Site, nodes: list[str]):
    """Intersect, Union and Uniform of groups; a job waits as long as no node is in its groups."""
    for name in ("Red", "Blue"):
        given(call(site, "POST", "cluster/nodeGroups", {"Name": name}))

    def of(groups: str, operation: str) -> Any:
        return placement(site, NodeGroups=groups, NodeGroupOp=operation)

    assert of("Red,Blue,ComputeNodes", "Intersect").groups == ("red", "blue")
    union = of("Red,Blue", "Union")
    assert (union.groups, union.any_group) == (("red", "blue"), True)
    assert of("Red,ComputeNodes", "Union").groups == ()
    assert len(of("Red,Blue", "Uniform").groups) == 1
    job = site.create(NodeGroups="Red")
    site.task(job, "true")
    site.submit(job)
    assert site.job(job, "State") == {"State": "Queued"}
    change = {"GroupName": "Red", "Operation": "add", "NodeNames": [nodes[0]]}
    assert given(call(site, "PATCH", "cluster/nodeGroups/Red/nodes", change)) == [nodes[0]]
    assert site.until_job(job, "Finished", "Failed") == "Finished"
    assert code(site.post("Jobs", body(NodeGroups="nowhere")))[1] == "-2147220937"


def test_node_groups_that_share_no_node(site: Site):
    """Two pools have no node in common."""
    site.make_pool("second")
    assert code(site.post("Jobs", body(NodeGroups="main,second")))[1] == "-2147220987"
    job = site.create(NodeGroups="main,second", NodeGroupOp="Union")
    assert site.job(job, "Pool") == {"Pool": "main"}


@pytest.mark.parametrize("where", ["SingleNode", "RequestedNodes", "IsExclusive"])
def test_where_a_jobs_tasks_run(site: Site, where: str):
    """On one node; on those that are named; on nodes where nothing else runs."""
    site.make_pool(where, target_dedicated=2, slots_per_node=2)
    first, second = site.until(lambda: serving(site, where))
    other = site.create(Pool=where, **{"IsExclusive": "true"} if where == "IsExclusive" else {})
    if where == "IsExclusive":
        site.task(other, "sleep 60")
        site.submit(other)
        site.until_task(other, 1, "Running")
    given_ = {"SingleNode": {"SingleNode": "true"}, "RequestedNodes": {"RequestedNodes": second}, "IsExclusive": {}}
    job = site.create(Pool=where, **given_[where])
    for _ in range(3):
        site.task(job, "sleep 60")
    site.submit(job)
    site.until(lambda: site.record(job).counts.running == 2)
    nodes_ = {site.of_task(job, task, "AllocatedNodes")["AllocatedNodes"] for task in (1, 2)}
    taken = site.of_task(other, 1, "AllocatedNodes")["AllocatedNodes"] if where == "IsExclusive" else None
    expected = {"RequestedNodes": {second}, "IsExclusive": {first, second} - {taken}}.get(where, nodes_)
    assert (nodes_, len(nodes_), site.of_task(job, 3, "State")) == (expected, 1, {"State": "Queued"})
    for each in (job, other):
        site.post(f"Job/{each}/Cancel", params={"Forced": "true"})
        site.until_job(each, "Canceled")


def serving(site: Site, pool: str) -> list[str]:
    """The names of a pool's two nodes, once they serve; else none."""
    found = [
        node["Name"] for node in given(call(site, "GET", "cluster/nodes", params={"group": pool, "state": "Online"}))
    ]
    return found if len(found) == 2 else []


def test_hold_until(site: Site):
    """A job that is submitted waits until then; the time can be set again while it does."""
    job = site.create()
    site.task(job, "true")
    site.put(f"Job/{job}", body(HoldUntil="9/30/2036 10:15:02 AM"))
    site.submit(job)
    assert site.until_job(job, "Queued", "Finished") == "Queued"
    assert site.job(job, "HoldUntil") == {"HoldUntil": "9/30/2036 10:15:02 AM"}
    before = site.run_job("true")
    assert site.job(job, "State") == {"State": "Queued"} != site.job(before, "State")
    assert site.put(f"Job/{job}", body(HoldUntil="9/30/2016 10:15:02 AM")).status_code == 200
    assert site.until_job(job, "Finished", "Failed") == "Finished"
