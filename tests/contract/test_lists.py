"""Lists: pages in the order of age, and the conditions that they may be filtered by."""

from __future__ import annotations

import pytest
from tests.contract.records import ACCOUNT, NOW, completed, insert, job, node, pool, running, task

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Both, Compare, Either
from linarite.engine.model import AllocationState, JobState, NodeState, TaskResult, TaskState


def ids(records):
    return [getattr(each, "spec", each).id for each in records]


def test_page_walks_all_tasks_while_others_are_added(play):
    """Every task that was there at the start comes once, whatever is added or deleted meanwhile."""

    async def story(store):
        await store.write(lambda tx: tx.tasks.insert([task(str(n)) for n in range(1, 101)]))
        seen, after, added = [], 0, 1000
        while page := await store.read(lambda tx, after=after: tx.tasks.page(1, None, after, 7)):
            seen += ids(page)
            after = page[-1].key
            await store.write(lambda tx, last=page[0].key: tx.tasks.delete([last]))
            if len(seen) <= 100:
                added += 1
                await insert(store, task(str(added)))
        assert seen[:100] == [str(n) for n in range(1, 101)]
        assert seen[100:] == [str(n) for n in range(1001, added + 1)]

    play(story)


@pytest.mark.parametrize("area", ["pools", "jobs", "nodes", "tasks"])
def test_page_gives_the_oldest_first_and_continues_after_a_key(play, area):
    """Records of one account, pool or job, by key."""
    make = {"pools": pool, "jobs": job, "nodes": node, "tasks": task}[area]
    elsewhere = {"nodes": {"pool_key": 2}, "tasks": {"job_key": 2}}.get(area, {"account": "beta"})
    scope = 1 if area in {"nodes", "tasks"} else ACCOUNT

    async def story(store):
        records = [make("c"), make("a", **elsewhere), make("b"), make("d")]
        await insert(store, *records)

        async def page(after, limit):
            return ids(await store.read(lambda tx: getattr(tx, area).page(scope, None, after, limit)))

        assert await page(0, 2) == ["c", "b"]
        assert await page(records[2].key, 2) == ["d"]
        assert await page(records[3].key, 2) == []

    play(story)


def test_of_account_walks_by_account_alias_and_state(play):
    """Tasks of all jobs of an account after an account alias, in one of the states if any are named."""

    async def story(store):
        await insert(store, task("1"), running("2", job_key=2), completed("3"), task("4", account="beta", job_key=3))

        async def aliases(*args):
            found = await store.read(lambda tx: tx.tasks.of_account(ACCOUNT, *args))
            return [each.account_alias for each in found]

        assert await aliases(0, 10) == [1, 2, 3]
        assert await aliases(1, 1) == [2]
        assert await aliases(0, 10, [TaskState.ACTIVE, TaskState.COMPLETED]) == [1, 3]

    play(story)


TASKS = [
    task("Alpha-1", modified_at=NOW + 3),
    running("alpha-2", started_at=NOW + 5, created_at=NOW + 1),
    completed("beta", exit_code=3, result=TaskResult.FAILURE, ended_at=NOW + 9, started_at=NOW),
    completed("z%_", exit_code=0, result=TaskResult.SUCCESS, ended_at=NOW + 7, state_at=NOW + 7, alias=55),
]


def compare(name, operator, value):
    return Compare(name, operator, value)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (compare("id", "eq", "ALPHA-1"), ["Alpha-1"]),
        (compare("id", "ne", "alpha-1"), ["alpha-2", "beta", "z%_"]),
        (compare("id", "gt", "ALPHA-1"), ["alpha-2", "beta", "z%_"]),
        (compare("id", "le", "alpha-2"), ["Alpha-1", "alpha-2"]),
        (compare("id", "startswith", "ALPHA"), ["Alpha-1", "alpha-2"]),
        (compare("id", "startswith", ""), ["Alpha-1", "alpha-2", "beta", "z%_"]),
        (compare("id", "startswith", "%"), []),
        (compare("id", "startswith", "z%"), ["z%_"]),
        (compare("id", "startswith", "z_"), []),
        (compare("state", "eq", "completed"), ["beta", "z%_"]),
        (compare("state", "ne", "completed"), ["Alpha-1", "alpha-2"]),
        (compare("stateTransitionTime", "ge", NOW + 7), ["z%_"]),
        (compare("creationTime", "gt", NOW), ["alpha-2"]),
        (compare("lastModifiedTime", "eq", NOW + 3), ["Alpha-1"]),
        (compare("lastModified", "eq", NOW + 3), ["Alpha-1"]),
        (compare("executionInfo/startTime", "lt", NOW + 5), ["beta"]),
        (compare("executionInfo/startTime", "eq", None), ["Alpha-1", "z%_"]),
        (compare("executionInfo/startTime", "ne", None), ["alpha-2", "beta"]),
        (compare("executionInfo/endTime", "ge", NOW + 9), ["beta"]),
        (compare("executionInfo/exitCode", "eq", 3), ["beta"]),
        (compare("executionInfo/exitCode", "ne", 3), ["Alpha-1", "alpha-2", "z%_"]),
        (compare("executionInfo/exitCode", "lt", 3.5), ["beta", "z%_"]),
        (compare("executionInfo/result", "eq", "failure"), ["beta"]),
        (compare("alias", "eq", 55), ["z%_"]),
        (compare("accountAlias", "le", 2), ["Alpha-1", "alpha-2"]),
        (Both(compare("state", "eq", "completed"), compare("executionInfo/exitCode", "eq", 0)), ["z%_"]),
        (Either(compare("state", "eq", "active"), compare("state", "eq", "running")), ["Alpha-1", "alpha-2"]),
        (
            Both(
                Either(compare("state", "eq", "active"), compare("id", "eq", "beta")),
                Both(compare("id", "lt", "c"), compare("creationTime", "eq", NOW)),
            ),
            ["Alpha-1", "beta"],
        ),
        (
            Either(Both(compare("id", "eq", "beta"), compare("state", "eq", "active")), compare("id", "eq", "z%_")),
            ["z%_"],
        ),
    ],
)
def test_page_filters_tasks(play, condition, expected):
    """A condition picks what it says; a property without a value is unequal to all, neither less nor greater."""

    async def story(store):
        await store.write(lambda tx: tx.tasks.insert(TASKS))
        assert ids(await store.read(lambda tx: tx.tasks.page(1, condition, 0, 10))) == expected
        assert ids(await store.read(lambda tx: tx.tasks.page(1, condition, 0, 1))) == expected[:1]

    play(story)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (compare("id", "startswith", "J"), ["job1", "Job2"]),
        (compare("state", "eq", "disabled"), ["Job2"]),
        (compare("priority", "ge", 7), ["Job2"]),
        (compare("owner", "eq", "SOMEBODY"), ["Job2"]),
        (compare("alias", "eq", 1), ["job1"]),
        (compare("stateTransitionTime", "eq", NOW + 1), ["Job2"]),
        (compare("creationTime", "eq", NOW + 2), ["Job2"]),
        (compare("lastModified", "eq", NOW + 3), ["Job2"]),
        (compare("submitTime", "eq", NOW + 6), ["Job2"]),
        (compare("executionInfo/startTime", "eq", NOW + 4), ["Job2"]),
        (compare("executionInfo/endTime", "eq", NOW + 5), ["Job2"]),
        (compare("executionInfo/poolId", "eq", "OTHER"), ["Job2"]),
    ],
)
def test_page_filters_jobs(play, condition, expected):
    """Each property of jobs that a list may be filtered by."""
    second = job(
        "Job2",
        spec={"pool": "Other", "priority": 7, "owner": "Somebody"},
        state=JobState.DISABLED,
        state_at=NOW + 1,
        created_at=NOW + 2,
        modified_at=NOW + 3,
        started_at=NOW + 4,
        ended_at=NOW + 5,
        submitted_at=NOW + 6,
    )

    async def story(store):
        await insert(store, job("job1"), second)
        assert ids(await store.read(lambda tx: tx.jobs.page(ACCOUNT, condition, 0, 10))) == expected

    play(story)


@pytest.mark.parametrize(
    "condition",
    [
        compare("id", "eq", "POOL2"),
        compare("allocationState", "eq", "resizing"),
        compare("allocationStateTransitionTime", "eq", NOW + 1),
        compare("stateTransitionTime", "eq", NOW + 2),
        compare("creationTime", "eq", NOW + 3),
        compare("lastModified", "eq", NOW + 4),
        compare("vmSize", "eq", "standard_d2"),
        Both(compare("state", "eq", "active"), compare("vmSize", "ne", "small")),
    ],
)
def test_page_filters_pools(play, condition):
    """Each property of pools that a list may be filtered by."""
    second = pool(
        "pool2",
        size="STANDARD_D2",
        allocation=AllocationState.RESIZING,
        allocation_at=NOW + 1,
        state_at=NOW + 2,
        created_at=NOW + 3,
        modified_at=NOW + 4,
    )

    async def story(store):
        await insert(store, pool("pool1", size="small"), second)
        assert ids(await store.read(lambda tx: tx.pools.page(ACCOUNT, condition, 0, 10))) == ["pool2"]

    play(story)


@pytest.mark.parametrize(
    "condition",
    [
        compare("id", "eq", "NODE2"),
        compare("state", "eq", "offline"),
        compare("stateTransitionTime", "eq", NOW + 1),
        compare("lastBootTime", "eq", NOW + 2),
        compare("allocationTime", "eq", NOW + 3),
    ],
)
def test_page_filters_nodes(play, condition):
    """Each property of nodes that a list may be filtered by."""
    second = node("node2", state=NodeState.OFFLINE, state_at=NOW + 1, boot_at=NOW + 2, created_at=NOW + 3)

    async def story(store):
        await insert(store, node("node1"), second)
        assert ids(await store.read(lambda tx: tx.nodes.page(1, condition, 0, 10))) == ["node2"]

    play(story)


@pytest.mark.parametrize(
    "condition",
    [
        compare("nobody", "eq", "x"),
        compare("id", "eq", 5),
        compare("id", "like", "x"),
        compare("state", "eq", True),
        compare("executionInfo/exitCode", "eq", "0"),
        compare("executionInfo/exitCode", "eq", 2**63),
        compare("executionInfo/exitCode", "startswith", 1),
        compare("executionInfo/endTime", "lt", None),
        compare("id; DROP TABLE tasks", "eq", "x"),
    ],
)
def test_page_refuses_a_condition_that_means_nothing(play, condition):
    """Unknown names, values of the wrong type and operators that do not apply are told by name."""

    async def story(store):
        with pytest.raises(InvalidValue) as caught:
            await store.read(lambda tx: tx.tasks.page(1, condition, 0, 10))
        assert caught.value.name == condition.name

    play(story)


def test_page_takes_long_conditions_and_refuses_endless_ones(play):
    """Hundreds of comparisons are answered, thousands refused, and neither breaks the store."""

    def chain(length):
        condition = compare("id", "eq", "0")
        for number in range(1, length):
            condition = Either(condition, compare("id", "eq", str(number)))
        return condition

    async def story(store):
        await insert(store, task("450"))
        assert ids(await store.read(lambda tx: tx.tasks.page(1, chain(500), 0, 10))) == ["450"]
        with pytest.raises(InvalidValue):
            await store.read(lambda tx: tx.tasks.page(1, chain(20_000), 0, 10))

    play(story)
