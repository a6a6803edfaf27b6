"""Records come back as they were stored, are found without regard to case, and are changed by what writes them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.contract.records import ACCOUNT, NOW, insert, job, node, pool, task

from linarite.engine.errors import AlreadyExists
from linarite.engine.model import (
    Account,
    AllocationState,
    Counts,
    Dependencies,
    Ending,
    ExitCodes,
    ExitConditions,
    ExitOptions,
    Failure,
    FailureCategory,
    JobAction,
    JobState,
    Named,
    NodeState,
    OnRunning,
    Placement,
    PoolState,
    ResourceFile,
    TaskResult,
    TaskState,
)
from linarite.engine.outputs import OutputFile, UploadWhen
from linarite.engine.usage import Spent

FAILURE = Failure(category=FailureCategory.USER, code="gone", message="it went", details=(Named(name="a", value="b"),))
FACTS = {"hpc_pack": {"Progress": 5, "list": [1, "ü", None]}, "other": {}}


def changed(record: Any, but: tuple[str, ...]) -> None:
    """Give every plain field of a record a value of its own."""
    for place, field in enumerate(msgspec.structs.fields(record)):
        value = getattr(record, field.name)
        if field.name in but:
            continue
        if isinstance(value, bool):
            setattr(record, field.name, not value)
        elif isinstance(value, int) or (value is None and field.name.endswith("_at")):
            setattr(record, field.name, NOW + place)


FULL_POOL = {
    "state": PoolState.DELETING,
    "allocation": AllocationState.RESIZING,
    "resize_errors": (FAILURE, FAILURE),
    "facts": FACTS,
}
FULL_NODE = {"state": NodeState.UNUSABLE, "failure": FAILURE, "facts": FACTS}
FULL_JOB = {
    "state": JobState.DISABLING,
    "previous_state": JobState.ACTIVE,
    "terminate_reason": "because",
    "on_running": OnRunning.REQUEUE,
    "deadline": NOW + 99,
    "counts": Counts(**{field.name: 10 + place for place, field in enumerate(msgspec.structs.fields(Counts))}),
}
FULL_TASK = {
    "state": TaskState.COMPLETED,
    "previous_state": TaskState.RUNNING,
    "exit_code": -7,
    "result": TaskResult.FAILURE,
    "failure": FAILURE,
    "ending": Ending.TIMEOUT,
    "ending_reason": "too long",
    "node": "node1",
    "pool": "pool",
    "node_key": 77,
    "deadline": NOW + 98,
    "usage": Spent(user_time=250_000, peak=4096),
}
TASK_SPEC = {
    "display_name": "Größe",
    "environment": (Named(name="A", value="1"), Named(name="B")),
    "resource_files": (
        ResourceFile(url="http://x/", path="y", mode=0o755),
        ResourceFile(url="http://x/?s", container=True, prefix="p", identity="i"),
        ResourceFile(auto_storage="box"),
    ),
    "output_files": (
        OutputFile(pattern="f", url="http://x/c", path="p", headers=(("a", "b"), ("c", None)), when=UploadWhen.FAILURE),
        OutputFile(pattern="g", url="http://x/c", identity=""),
    ),
    "max_retries": -1,
    "retention": None,
    "required_slots": 3,
    "dependencies": Dependencies(ids=("a", "b"), ranges=((1, 5),)),
    "exit_conditions": ExitConditions(
        codes=(ExitCodes(start=1, end=2, options=ExitOptions(job_action=JobAction.DISABLE)),), default=ExitOptions()
    ),
    "valid_exit_codes": ((0, 0), (5, 9)),
}
JOB_SPEC = {
    "priority": -5,
    "not_before": NOW + 5,
    "parents": ("one", "TWO"),
    "owner": "Somebody",
    "placement": Placement(nodes=("a",), exclusive=True),
}
ROUND_TRIPS = {
    "pools": (pool("Pool-1", size="Small"), FULL_POOL),
    "nodes": (node("Node-1"), FULL_NODE),
    "jobs": (job("Job-1", spec=JOB_SPEC), FULL_JOB),
    "tasks": (task("Task-1", alias=5, spec=TASK_SPEC), FULL_TASK),
}
FIXED = ("key", "waiting", "pool_key", "job_key", "alias", "index", "account_alias", "created_at")


@pytest.mark.parametrize("area", list(ROUND_TRIPS))
@pytest.mark.parametrize("full", [False, True], ids=["new", "full"])
def test_insert_keeps_every_field(play, area, full):
    """What is read is equal to what was inserted, to the last field."""
    made, fields = ROUND_TRIPS[area]
    record = msgspec.structs.replace(made)
    if full:
        changed(record, FIXED)
        for name, value in fields.items():
            setattr(record, name, value)

    async def story(store):
        await insert(store, record)
        assert await store.read(lambda tx: getattr(tx, area).by_key(record.key)) == record

    play(story)


@pytest.mark.parametrize("area", list(ROUND_TRIPS))
def test_update_keeps_every_field_of_state(play, area):
    """An update writes all that may change; what it leaves alone stays."""
    made, fields = ROUND_TRIPS[area]
    record = msgspec.structs.replace(made)

    async def story(store):
        await insert(store, record)
        changed(record, FIXED)
        for name, value in fields.items():
            setattr(record, name, value)
        await store.write(lambda tx: getattr(tx, area).update([record] if area in {"nodes", "tasks"} else record))
        assert await store.read(lambda tx: getattr(tx, area).by_key(record.key)) == record

    play(story)


def test_rewrite_task_writes_specification_and_facts(play):
    """`update` leaves a task's specification and facts alone, `rewrite` writes nothing but them."""

    async def story(store):
        record = task("a")
        await insert(store, record)
        new = msgspec.structs.replace(record.spec, command="false", required_slots=4)
        record.spec, record.facts, record.attempt = new, FACTS, 9
        await store.write(lambda tx: tx.tasks.update([record]))
        found = await store.read(lambda tx: tx.tasks.by_key(record.key))
        assert (found.spec.command, found.facts, found.attempt) == ("true", {}, 9)
        record.attempt = 10
        await store.write(lambda tx: tx.tasks.rewrite([record]))
        found = await store.read(lambda tx: tx.tasks.by_key(record.key))
        assert (found.spec, found.facts, found.attempt) == (new, FACTS, 9)
        assert await store.read(lambda tx: tx.tasks.queue(1, 3, 0, 10)) == []

    play(story)


def test_get_finds_ids_without_regard_to_case(play):
    """Ids differ by more than case, and are shown as they were first written."""

    async def story(store):
        await insert(store, pool("Pool"), node("Node", pool_key=1), job("Job"), task("Task", job_key=1))
        assert (await store.read(lambda tx: tx.pools.get(ACCOUNT, "pOOL"))).spec.id == "Pool"
        assert (await store.read(lambda tx: tx.nodes.get(1, "nODE"))).id == "Node"
        assert (await store.read(lambda tx: tx.jobs.get(ACCOUNT, "jOB"))).spec.id == "Job"
        assert (await store.read(lambda tx: tx.tasks.get(1, "tASK"))).spec.id == "Task"
        assert await store.read(lambda tx: tx.tasks.existing(1, ["TASK", "task", "other"])) == {"task"}

    play(story)


@pytest.mark.parametrize(("area", "make"), [("pool", pool), ("node", node), ("job", job), ("task", task)])
def test_insert_refuses_an_id_that_differs_by_case_alone(play, area, make):
    """The second of two such ids exists already; elsewhere it is free."""

    async def story(store):
        await insert(store, make("Same"))
        with pytest.raises(AlreadyExists) as caught:
            await insert(store, make("sAME", **({"alias": 99} if area == "task" else {})))
        assert (caught.value.kind, caught.value.id) == (area, "sAME")
        elsewhere = {"task": {"job_key": 2}, "node": {"pool_key": 2}}.get(area, {"account": "beta"})
        await insert(store, make("sAME", **elsewhere))

    play(story)


def test_insert_tasks_refuses_all_for_one_duplicate(play):
    """A collection with one id that is taken changes nothing."""

    async def story(store):
        await insert(store, task("2"))
        with pytest.raises(AlreadyExists):
            await store.write(lambda tx: tx.tasks.insert([task("1"), task("2", alias=5), task("3")]))
        assert await store.read(lambda tx: tx.tasks.existing(1, ["1", "2", "3"])) == {"2"}

    play(story)


@pytest.mark.parametrize("area", list(ROUND_TRIPS))
def test_by_key_of_what_is_gone_is_none(play, area):
    """A deleted record is not found, neither by key nor by id."""

    async def story(store):
        record = {"pools": pool, "nodes": node, "jobs": job, "tasks": task}[area]("x")
        await insert(store, record)
        keys = [record.key] if area in {"nodes", "tasks"} else record.key
        await store.write(lambda tx: getattr(tx, area).delete(keys))
        assert await store.read(lambda tx: getattr(tx, area).by_key(record.key)) is None
        scope = {"pools": ACCOUNT, "jobs": ACCOUNT, "nodes": 1, "tasks": 1}[area]
        assert await store.read(lambda tx: getattr(tx, area).get(scope, "x")) is None

    play(story)


def test_accounts_keep_and_rotate_their_keys(play):
    """An account is found by its name in any case, and its keys change."""

    async def story(store):
        one = Account(key=0, name="Alpha", key1="a", key2="b", created_at=NOW)
        await store.write(lambda tx: tx.accounts.insert(one))
        assert one.key == 1
        one.key1 = "c"
        await store.write(lambda tx: tx.accounts.update(one))
        assert await store.read(lambda tx: tx.accounts.get("ALPHA")) == one
        assert await store.read(lambda tx: tx.accounts.all()) == [one]
        assert await store.read(lambda tx: tx.accounts.get("beta")) is None
        with pytest.raises(AlreadyExists):
            await store.write(
                lambda tx: tx.accounts.insert(Account(key=0, name="alpha", key1="", key2="", created_at=NOW))
            )

    play(story)


def test_nodes_are_listed_by_pool_and_by_account(play):
    """Nodes come in the order in which they were made."""

    async def story(store):
        await insert(store, node("b"), node("a"), node("c", pool_key=2), node("d", pool_key=3, account="beta"))
        read = store.read
        assert [each.id for each in await read(lambda tx: tx.nodes.of_pool(1))] == ["b", "a"]
        assert [each.id for each in await read(lambda tx: tx.nodes.of_account(ACCOUNT))] == ["b", "a", "c"]
        assert [each.id for each in await read(lambda tx: tx.nodes.all())] == ["b", "a", "c", "d"]

    play(story)


def test_pools_are_listed_over_all_accounts(play):
    """The whole of the pools, in the order in which they were made."""

    async def story(store):
        await insert(store, pool("b"), pool("a", account="beta"))
        assert [each.spec.id for each in await store.read(lambda tx: tx.pools.all())] == ["b", "a"]

    play(story)
