"""Get Job List, Get Task List, Get Node List. Source: the page of each in the HPC Pack REST reference."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import chain
from operator import attrgetter

from linarite.engine.filtering import Both, Compare, Expression
from linarite.engine.following import follow, in_run
from linarite.engine.model import Job, Node
from linarite.engine.ports import Transaction
from linarite.faces.hpc_pack import filters, nodes, output, states
from linarite.faces.hpc_pack.answers import Answer, Objects, Pairs
from linarite.faces.hpc_pack.callers import without_domain
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import UNIMPLEMENTED, bad
from linarite.faces.hpc_pack.lists import CHUNK, Listing, Query, answer, pages
from linarite.faces.hpc_pack.operations.finding import the_job
from linarite.faces.hpc_pack.properties import jobs as job_table
from linarite.faces.hpc_pack.properties import node_task_view
from linarite.faces.hpc_pack.properties import nodes as node_table
from linarite.faces.hpc_pack.properties import tasks as task_table
from linarite.faces.hpc_pack.properties.job_view import JobView
from linarite.faces.hpc_pack.properties.job_wanted import JobWanted
from linarite.faces.hpc_pack.properties.task_view import TaskView
from linarite.faces.hpc_pack.properties.task_wanted import TaskWanted
from linarite.faces.hpc_pack.properties.views import view_of

DONE = Compare("state", "eq", "completed")
COARSE: dict[str | None, Expression] = {
    "Configuring": Compare("state", "eq", "active"),
    "Queued": Compare("state", "eq", "active"),
    "Dispatching": Compare("state", "eq", "preparing"),
    "Running": Compare("state", "eq", "running"),
    "Finished": Both(left=DONE, right=Compare("executionInfo/result", "eq", "success")),
    "Failed": Both(left=DONE, right=Compare("executionInfo/result", "eq", "failure")),
}
"""What the store can already leave out for a task state; the state itself is told by `states`."""

PLAIN = Compare("index", "eq", 0)
"""Tasks that are of no sweep."""


def _query(call: Call, of: str, sort: str) -> Query:
    if call.wants_job_xml():
        raise bad(UNIMPLEMENTED, "Lists are rendered as RestPropRender only.")
    return Query(
        of=of, names=[], filter=call.filter(), by=(call.query(sort) or "").strip(),
        ascending=call.flag("asc", default=True),
    )  # fmt: skip


async def _jobs_on(call: Call, names: list[str]) -> Answer:
    """The jobs that run on nodes, whole; the rest of the query says nothing, and an unknown name neither."""
    wanted = {name.lower() for name in names}

    def question(tx: Transaction) -> list[Pairs]:
        there = [node for node in tx.nodes.of_account(call.account) if node.id.lower() in wanted]
        keys = sorted({task.job_key for node in there for task in tx.tasks.running_on_node(node.key)})
        found = [job for key in keys if (job := tx.jobs.by_key(key)) is not None]
        table = job_table.JOBS
        return [table.write(table.listed, JobView(tx, job, call.service.cluster)) for job in found]

    return Objects(await call.engine.ask(question))


async def get_jobs(call: Call) -> Answer:
    """Get Job List: the jobs of the account, of all owners or of one; on the JSON surface also those on some nodes."""
    names = call.list_of("nodenames") if call.json else None
    if names is not None:
        return await _jobs_on(call, names)
    query = _query(call, "jobs", "sortjobsby")
    query.owner = without_domain((call.query("owner") or "").strip()).lower()
    filters.parse(query.filter, filters.JOBS)

    def source(tx: Transaction, query: Query) -> Iterator[tuple[int, JobView]]:
        wanted = filters.parse(query.filter, filters.JOBS)
        of_owner = Compare("owner", "eq", query.owner) if query.owner else None
        for job in pages(lambda after: tx.jobs.page(call.account, of_owner, after, CHUNK), query.after):
            view = JobView(tx, job, call.service.cluster)
            if wanted.admits(states.job_state(job), view.changed_at, tuple(view.node_groups)):
                yield job.key, view

    await follow(call.engine, in_run(call.account))
    listing: Listing[JobView, JobWanted] = Listing(job_table.JOBS, "Id", source)
    return await answer(call, listing, query, job_table.LIST_DEFAULT)


async def get_tasks(call: Call) -> Answer:
    """Get Task List: the tasks of a job, for its owner and for administrators.

    A sweep stands for its subtasks when they are not to be expanded, and as long as it has none.
    """
    query = _query(call, f"tasks of {call.job}", "sorttasksby")
    query.expand = call.flag("expandparametric", default=True)
    terms = filters.JSON_TASKS if call.json else filters.TASKS
    filters.parse(query.filter, terms)

    def check(tx: Transaction) -> Job:
        job = the_job(tx, call)
        call.caller.may_see(job)
        return job

    key = (await call.engine.ask(check)).key
    read_output = output.reader(call.engine)

    def source(tx: Transaction, query: Query) -> Iterator[tuple[int, TaskView]]:
        wanted, job = filters.parse(query.filter, terms), check(tx)
        coarse = COARSE.get(wanted.state)
        kinds: Expression | None = coarse if query.expand else PLAIN if coarse is None else Both(PLAIN, coarse)
        found = pages(lambda after: tx.tasks.page(key, kinds, after, CHUNK), query.after)
        sweeps = (one for one in tx.sweeps.of_job(key, query.after) if not (query.expand and one.made))
        on_nodes = node_task_view.rows(tx, job, expand=query.expand) if query.after < 0 else []
        ahead = (one for one in on_nodes if one.key > query.after)
        for each in chain(ahead, merge(found, sweeps, key=attrgetter("key"))):
            view = view_of(tx, job, each, read_output)
            if wanted.admits_task(view.state, view.changed_at, view.task.alias, view.task.index):
                yield each.key, view

    listing: Listing[TaskView, TaskWanted] = Listing(task_table.TASKS, "TaskId", source)
    return await answer(call, listing, query, task_table.LIST_DEFAULT)


async def get_nodes(call: Call) -> Answer:
    """Get Node List: the nodes of the account's pools."""
    query = _query(call, "nodes", "sortnodesby")
    filters.parse(query.filter, filters.NODES)

    def source(tx: Transaction, query: Query) -> Iterator[tuple[int, Node]]:
        wanted = filters.parse(query.filter, filters.NODES)
        for node in sorted(nodes.of_account(tx, call.account), key=lambda node: node.key):
            if node.key > query.after and wanted.admits(states.node_state(node), node.state_at):
                yield node.key, node

    listing: Listing[Node, None] = Listing(node_table.NODES, "Id", source)
    return await answer(call, listing, query, node_table.LIST_DEFAULT)
