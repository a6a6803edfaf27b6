"""What the scheduler asks for: runnable jobs, the queue of a job, what runs, what is due, what is to be cleaned."""

from __future__ import annotations

from msgspec.structs import replace
from tests.contract.records import ACCOUNT, NOW, completed, insert, job, running, task

from linarite.engine.model import JobState, MultiInstance, TaskState


def ids(records):
    return [each.spec.id for each in records]


def test_runnable_gives_higher_priority_first_then_the_older(play):
    """Jobs with queued tasks, by priority and then by age."""

    async def story(store):
        for name, priority in (("a", 0), ("b", 10), ("c", -10), ("d", 10)):
            await insert(store, job(name, spec={"priority": priority}, queued=1))
        assert ids(await store.read(lambda tx: tx.jobs.runnable(ACCOUNT, "pool", NOW))) == ["b", "d", "a", "c"]

    play(story)


def test_runnable_leaves_out_what_may_not_start(play):
    """No job that has nothing queued, is not active, comes later, or belongs to another pool or account."""

    async def story(store):
        await insert(
            store,
            job("nothing-queued"),
            job("disabled", queued=1, state=JobState.DISABLED),
            job("later", queued=1, spec={"not_before": NOW + 1}),
            job("other-pool", queued=1, spec={"pool": "other"}),
            job("other-account", account="beta", queued=1),
            job("now", queued=1, spec={"not_before": NOW, "pool": "POOL"}),
        )
        assert ids(await store.read(lambda tx: tx.jobs.runnable(ACCOUNT, "Pool", NOW))) == ["now"]
        assert ids(await store.read(lambda tx: tx.jobs.runnable(ACCOUNT, "Pool", NOW + 1))) == ["later", "now"]

    play(story)


def test_runnable_follows_updates(play):
    """A job comes and goes with its counter, its state and its specification."""

    async def story(store):
        one = job("a")
        await insert(store, one)

        async def runnable_after(**fields):
            for name, value in fields.items():
                setattr(one, name, value)
            await store.write(lambda tx: tx.jobs.update(one))
            return len(await store.read(lambda tx: tx.jobs.runnable(ACCOUNT, "pool", NOW)))

        assert await runnable_after(queued=3) == 1
        assert await runnable_after(state=JobState.DISABLING) == 0
        assert await runnable_after(state=JobState.ACTIVE) == 1
        assert await runnable_after(spec=job("a", spec={"pool": "other"}).spec) == 0
        assert await runnable_after(spec=job("a").spec, queued=0) == 0

    play(story)


def test_waiting_pools_names_each_pool_with_a_runnable_job_once(play):
    """Account and pool of the jobs that could start a task now."""

    async def story(store):
        await insert(
            store,
            job("a", queued=1, spec={"pool": "One"}),
            job("b", queued=1, spec={"pool": "oNE"}),
            job("c", queued=1, spec={"pool": "two"}, account="beta"),
            job("d", queued=1, spec={"pool": "three", "not_before": NOW + 1}),
            job("e", spec={"pool": "four"}),
        )
        found = await store.read(lambda tx: tx.jobs.waiting_pools(NOW))
        assert sorted(found) == [(ACCOUNT, "one"), ("beta", "two")]

    play(story)


def test_preemptible_names_the_active_jobs_of_a_pool_that_may_be_taken_from(play):
    async def story(store):
        tame = {"preemptible": True}
        await insert(
            store, job("a", spec=tame), job("wild"), job("over", spec=tame, state=JobState.COMPLETED),
            job("elsewhere", spec={**tame, "pool": "other"}), job("b", "beta", spec=tame),
        )  # fmt: skip
        assert ids(await store.read(lambda tx: tx.jobs.preemptible(ACCOUNT, "POOL"))) == ["a"]

    play(story)


def test_children_are_the_jobs_that_name_a_parent_now(play):
    """Parents are named without regard to case; a job that no longer names one is not its child."""

    async def story(store):
        child = job("child", spec={"parents": ("Parent", "other", "OTHER")})
        await insert(store, child, job("stranger", account="beta", spec={"parents": ("parent",)}))

        async def children(name):
            return ids(await store.read(lambda tx: tx.jobs.children(ACCOUNT, name)))

        assert (await children("PARENT"), await children("other"), await children("third")) == (
            ["child"],
            ["child"],
            [],
        )
        child.spec = job("child", spec={"parents": ("third",)}).spec
        await store.write(lambda tx: tx.jobs.update(child))
        assert (await children("parent"), await children("third")) == ([], ["child"])
        child.spec = job("child").spec
        await store.write(lambda tx: tx.jobs.update(child))
        assert await children("third") == []

    play(story)


def test_in_states_lists_jobs_of_all_accounts(play):
    """Jobs in one of the states, the oldest first."""

    async def story(store):
        await insert(
            store,
            job("a", state=JobState.DELETING),
            job("b"),
            job("c", account="beta", state=JobState.TERMINATING),
        )
        states = [JobState.TERMINATING, JobState.DELETING]
        assert ids(await store.read(lambda tx: tx.jobs.in_states(states))) == ["a", "c"]
        assert await store.read(lambda tx: tx.jobs.in_states([])) == []

    play(story)


def test_due_jobs_are_those_whose_deadline_has_passed(play):
    """A job that ends or has ended is not due."""

    async def story(store):
        await insert(
            store,
            job("later", deadline=NOW + 1),
            job("now", deadline=NOW),
            job("never"),
            job("ended", deadline=NOW, state=JobState.COMPLETED),
            job("before", deadline=NOW - 5, state=JobState.DISABLED),
        )
        assert ids(await store.read(lambda tx: tx.jobs.due(NOW))) == ["before", "now"]

    play(story)


def test_ended_before_lists_completed_jobs_the_oldest_first(play):
    """Jobs that ended before a moment, as many as asked for."""

    async def story(store):
        done = {"state": JobState.COMPLETED}
        await insert(store, *(job(f"job{n}", ended_at=NOW - n, **done) for n in range(4)), job("going"))
        assert ids(await store.read(lambda tx: tx.jobs.ended_before(NOW, 2))) == ["job3", "job2"]
        assert ids(await store.read(lambda tx: tx.jobs.ended_before(NOW - 2, 9))) == ["job3"]

    play(story)


def test_next_moment_of_jobs_is_the_earliest_to_come(play):
    """The earlier of the first deadline and the first start to come; nothing when there is neither."""

    async def story(store):
        async def next_moment():
            return await store.read(lambda tx: tx.jobs.next_moment(NOW))

        assert await next_moment() is None
        await insert(store, job("past", spec={"not_before": NOW - 1}), job("a", deadline=NOW + 9))
        assert await next_moment() == NOW + 9
        await insert(store, job("b", spec={"not_before": NOW + 5}))
        assert await next_moment() == NOW + 5
        await insert(store, job("over", deadline=NOW + 1, state=JobState.COMPLETED))
        assert await next_moment() == NOW + 5

    play(story)


def test_queue_gives_the_oldest_that_fit(play):
    """Queued tasks of the job that need no more slots than there are, the oldest first, as many as asked for."""

    async def story(store):
        await insert(
            store,
            task("c", spec={"required_slots": 1}),
            task("a", spec={"required_slots": 4}),
            task("b", spec={"required_slots": 2}),
            task("waits", queued=False, waiting=1),
            task("d"),
            task("other", job_key=2),
        )
        assert ids(await store.read(lambda tx: tx.tasks.queue(1, 2, 0, 10))) == ["c", "b", "d"]
        assert ids(await store.read(lambda tx: tx.tasks.queue(1, 4, 0, 2))) == ["c", "a"]
        assert ids(await store.read(lambda tx: tx.tasks.queue(3, 4, 0, 2))) == []

    play(story)


def test_queue_leaves_out_what_needs_too_many_nodes(play):
    """A task of one instance needs one for itself, which is more than none."""

    async def story(store):
        spread = [task(name, spec={"multi_instance": MultiInstance(instances=n)}) for n, name in enumerate("abc", 1)]
        await insert(store, *spread, task("d"))
        for most, expected in ((0, "d"), (1, "ad"), (2, "abd"), (3, "abcd")):
            found = await store.read(lambda tx, most=most: tx.tasks.queue(1, 1, most, 10))
            assert ids(found) == list(expected)
        spread[0].spec = replace(spread[0].spec, multi_instance=None)
        await store.write(lambda tx: tx.tasks.rewrite(spread[:1]))
        assert ids(await store.read(lambda tx: tx.tasks.queue(1, 1, 0, 10))) == ["a", "d"]

    play(story)


def test_queue_follows_updates(play):
    """A claimed task leaves the queue; one that is put back keeps its place by age."""

    async def story(store):
        first = task("1")
        await insert(store, first, task("2"))
        first.queued, first.state = False, TaskState.PREPARING
        await store.write(lambda tx: tx.tasks.update([first]))
        assert ids(await store.read(lambda tx: tx.tasks.queue(1, 1, 0, 10))) == ["2"]
        first.queued, first.state = True, TaskState.ACTIVE
        await store.write(lambda tx: tx.tasks.update([first]))
        assert ids(await store.read(lambda tx: tx.tasks.queue(1, 1, 0, 10))) == ["1", "2"]

    play(story)


def test_running_tasks_are_found_by_job_by_node_and_all(play):
    """Preparing and running tasks, and no others."""

    async def story(store):
        await insert(
            store,
            running("1"),
            running("2", state=TaskState.PREPARING, node_key=2, started_at=None),
            running("3", job_key=2),
            completed("4", node_key=1),
            task("5"),
        )
        read = store.read
        assert ids(await read(lambda tx: tx.tasks.running_of_job(1))) == ["1", "2"]
        assert ids(await read(lambda tx: tx.tasks.running_of_job(1, after=1))) == ["2"]
        assert ids(await read(lambda tx: tx.tasks.running_of_job(1, limit=1))) == ["1"]
        assert ids(await read(lambda tx: tx.tasks.running_on_node(1))) == ["1", "3"]
        assert ids(await read(lambda tx: tx.tasks.unfinished_runs())) == ["1", "2", "3"]

    play(story)


def test_recent_on_node_gives_the_last_started_first(play):
    """Tasks that ever started on the node, running or completed."""

    async def story(store):
        await insert(
            store,
            running("1", started_at=NOW + 1),
            completed("2", node_key=1, started_at=NOW + 3),
            running("3", started_at=NOW + 2),
            running("4", node_key=2),
            running("5", state=TaskState.PREPARING, started_at=None),
        )
        assert ids(await store.read(lambda tx: tx.tasks.recent_on_node(1, 2))) == ["2", "3"]
        assert ids(await store.read(lambda tx: tx.tasks.recent_on_node(1, 9))) == ["2", "3", "1"]

    play(story)


def test_due_tasks_run_past_their_deadline(play):
    """Only what is under way can be due; the longest overdue first."""

    async def story(store):
        await insert(
            store,
            running("1", deadline=NOW),
            running("2", deadline=NOW - 1),
            running("3", deadline=NOW + 1),
            completed("4", deadline=NOW),
            running("5"),
        )
        assert ids(await store.read(lambda tx: tx.tasks.due(NOW, 10))) == ["2", "1"]
        assert ids(await store.read(lambda tx: tx.tasks.due(NOW, 1))) == ["2"]

    play(story)


def test_to_clean_gives_completed_tasks_whose_time_has_come(play):
    """The earliest first; not the ones that keep their directory, nor those that run again."""

    async def story(store):
        await insert(
            store,
            completed("1", cleanup_at=NOW),
            completed("2", cleanup_at=NOW - 1),
            completed("3", cleanup_at=NOW + 1),
            completed("4"),
            task("5", cleanup_at=NOW),
        )
        assert ids(await store.read(lambda tx: tx.tasks.to_clean(NOW, 10))) == ["2", "1"]

    play(story)


def test_next_moment_of_tasks_is_the_earliest_deadline_or_clean_up(play):
    """Nothing when no task has either."""

    async def story(store):
        async def next_moment():
            return await store.read(lambda tx: tx.tasks.next_moment())

        assert await next_moment() is None
        await insert(store, completed("1", cleanup_at=NOW + 9), completed("2", deadline=NOW))
        assert await next_moment() == NOW + 9
        await insert(store, running("3", deadline=NOW + 4))
        assert await next_moment() == NOW + 4

    play(story)
