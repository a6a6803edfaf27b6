"""What the service runs on nodes, in a store: found by node, by job and by what is still to be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.contract.records import ACCOUNT, NOW

from linarite.engine.filtering import Compare
from linarite.engine.launching import RunExited, RunFailed, RunLost, Usage
from linarite.engine.model import (
    Ending,
    Failure,
    FailureCategory,
    Named,
    NodeCommand,
    NodeTask,
    NodeTaskKind,
    TaskResult,
    TaskState,
)
from linarite.engine.ports import Transaction
from linarite.store import SqlStore

Play = Callable[[Callable[[SqlStore], Awaitable[None]]], None]
START, PREPARATION, RELEASE = NodeTaskKind.START, NodeTaskKind.PREPARATION, NodeTaskKind.RELEASE
COORDINATION = NodeTaskKind.COORDINATION


def node_task(kind: NodeTaskKind, node: int = 1, job: int | None = None, **fields: Any) -> NodeTask:
    values = {"command": NodeCommand(id=kind.value, command="c"), "directory": f"d/{kind.value}", "state_at": NOW}
    return NodeTask(
        account=ACCOUNT, kind=kind, node_key=node, node=f"Node{node}", pool="pool", job_key=job, created_at=NOW,
        **{**values, **fields},
    )  # fmt: skip


async def kept(store: SqlStore, *records: NodeTask) -> None:
    await store.write(lambda tx: tx.node_tasks.insert(records))


def test_node_task_comes_back_as_it_was(play: Play) -> None:
    async def story(store: SqlStore) -> None:
        command = NodeCommand(
            id="x", command="c", environment=(Named("A", "B"),), max_retries=-1, wait_for_success=False
        )
        failure = Failure(category=FailureCategory.USER, code="exit-code", message="m")
        own = node_task(
            PREPARATION, job=7, command=command, state=TaskState.COMPLETED, attempt=3, retries=2, retried_at=NOW + 1,
            started_at=NOW + 2, ended_at=NOW + 3, exit_code=4, result=TaskResult.FAILURE, failure=failure,
            ending=Ending.TIMEOUT, deadline=NOW + 5, cleanup_at=NOW + 6,
        )  # fmt: skip
        await kept(store, own)
        assert own.key == 1
        assert await store.read(lambda tx: tx.node_tasks.by_keys([1, 2])) == [own]
        own.state, own.exit_code = TaskState.RUNNING, None
        await store.write(lambda tx: tx.node_tasks.update([own]))
        assert await store.read(lambda tx: tx.node_tasks.of_job(7)) == [own]
        await store.write(lambda tx: tx.node_tasks.delete([1]))
        assert await store.read(lambda tx: tx.node_tasks.of_node(1, PREPARATION)) == []

    play(story)


def test_instance_of_a_task_comes_back_as_it_was(play: Play) -> None:
    """With what its task's own run came to, whichever way that ended."""

    async def story(store: SqlStore) -> None:
        ends = (
            RunExited(run="7.1", code=3, started_at=NOW, at=NOW + 1, usage=Usage(user_seconds=1.5)),
            RunFailed(run="7.1", code="ended", message="m", at=NOW, details={"FilePath": "x"}),
            RunLost(run="7.1", at=NOW),
        )  # fmt: skip
        for end in ends:
            own = node_task(
                COORDINATION, task_key=7, instance=0, held_report=end, attempt=0, state=TaskState.PREPARING,
                previous_state=TaskState.RUNNING, previous_state_at=NOW - 1,
            )  # fmt: skip
            await kept(store, own)
            assert await store.read(lambda tx, own=own: tx.node_tasks.by_keys([own.key])) == [own]

    play(story)


def test_instances_are_found_by_their_task_and_by_their_node(play: Play) -> None:
    async def story(store: SqlStore) -> None:
        await kept(
            store, node_task(COORDINATION, 1, task_key=7, instance=2), node_task(COORDINATION, 2, task_key=7),
            node_task(COORDINATION, 1, task_key=7, instance=1, state=TaskState.COMPLETED), node_task(START),
            node_task(COORDINATION, 1, task_key=8), node_task(COORDINATION, 1, task_key=9, instance=1),
        )  # fmt: skip

        def found(tx: Transaction) -> list[list[int]]:
            own = tx.node_tasks
            lists = [
                own.of_task(7), own.of_task(1), own.under_way(1), own.under_way(2), own.recent_subtasks(1, 9),
                own.recent_subtasks(1, 2), own.recent_subtasks(2, 9), own.of_node(1, START), own.of_node(1),
            ]  # fmt: skip
            return [[each.key for each in some] for some in lists]

        assert await store.read(found) == [
            [2, 3, 1], [], [1, 4, 5, 6], [2], [6, 3, 1], [6, 3], [], [4], [1, 3, 4, 5, 6],
        ]  # fmt: skip

    play(story)


def test_latest_is_told_by_node_kind_and_job(play: Play) -> None:
    async def story(store: SqlStore) -> None:
        await kept(
            store, node_task(START), node_task(START), node_task(START, node=2), node_task(PREPARATION, job=1),
            node_task(PREPARATION, job=2), node_task(RELEASE, job=1),
        )  # fmt: skip

        def keys(tx: Transaction) -> list[int | None]:
            asked = [(1, START, None), (1, PREPARATION, 1), (1, PREPARATION, 2), (1, RELEASE, 2), (3, START, None)]
            found = [tx.node_tasks.latest(*one) for one in asked]
            return [None if one is None else one.key for one in found]

        assert await store.read(keys) == [2, 4, 5, None, None]
        starts = await store.read(lambda tx: tx.node_tasks.start_tasks([1, 2, 3]))
        assert {node: own.key for node, own in starts.items()} == {1: 2, 2: 3}

    play(story)


def test_prepared_nodes_of_a_job_in_pages_with_their_last_release(play: Play) -> None:
    async def story(store: SqlStore) -> None:
        await kept(
            store, node_task(PREPARATION, 1, 1, exit_code=0), node_task(PREPARATION, 2, 1, exit_code=3),
            node_task(PREPARATION, 3, 9), node_task(RELEASE, 1, 1, exit_code=5), node_task(RELEASE, 1, 1, exit_code=6),
        )  # fmt: skip

        async def page(
            name: str = "", value: Any = None, after: int = 0, limit: int = 9
        ) -> list[tuple[int, int | None]]:
            where = Compare(name, "eq", value) if name else None
            found = await store.read(lambda tx: tx.node_tasks.page(1, where, after, limit))
            return [(one.key, other.key if other else None) for one, other in found]

        assert await page() == [(1, 5), (2, None)]
        assert await page(limit=1) == [(1, 5)]
        assert await page(after=1) == [(2, None)]
        assert await page("jobPreparationTaskExecutionInfo/exitCode", 3) == [(2, None)]
        assert await page("jobReleaseTaskExecutionInfo/exitCode", 6) == [(1, 5)]
        assert await page("jobReleaseTaskExecutionInfo/exitCode", 5) == []
        assert await page("nodeId", "NODE2") == [(2, None)]
        assert await page("poolId", "other") == []

    play(story)


def test_what_is_to_be_done_is_found_by_its_time(play: Play) -> None:
    async def story(store: SqlStore) -> None:
        await kept(
            store, node_task(START, deadline=NOW + 5), node_task(START, deadline=NOW + 3),
            node_task(START, state=TaskState.COMPLETED, cleanup_at=NOW + 2), node_task(START),
        )  # fmt: skip

        def found(tx: Transaction) -> list[Any]:
            own = tx.node_tasks
            lists = [own.unfinished(), own.due(NOW + 4, 9), own.to_clean(NOW + 1, 9), own.to_clean(NOW + 2, 9)]
            return [[one.key for one in some] for some in lists] + [own.next_moment()]

        assert await store.read(found) == [[1, 2, 4], [2], [], [3], NOW + 2]

    play(story)
