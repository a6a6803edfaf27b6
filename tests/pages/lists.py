"""docs/lists.md: how lists go on, what they are filtered by (from the code), and what statistics tell."""

from __future__ import annotations

from tests.pages.made import table

from linarite.faces.azure_batch import filters
from linarite.faces.azure_batch.operations.lists import LONGEST_PAGE
from linarite.faces.azure_batch.operations.pools import MOST_NODE_COUNTS
from linarite.faces.azure_batch.selecting import EXPANDABLE

LISTS = {
    "tasks": filters.TASKS,
    "jobs": filters.JOBS,
    "jobs of a schedule": filters.JOBS_OF_SCHEDULE,
    "job schedules": filters.JOB_SCHEDULES,
    "pools": filters.POOLS,
    "nodes": filters.NODES,
    "counts of nodes": filters.NODE_COUNTS,
    "preparation and release status": filters.PREPARED,
    "files": filters.FILES,
    "supported images": filters.IMAGES,
    "pool usage metrics": filters.POOL_USAGE,
}
INTRODUCTION = f"""
# Lists and statistics of Azure Batch

## Pages

A page has at most {LONGEST_PAGE} items, of node counts {MOST_NODE_COUNTS}; `maxresults` asks for fewer.
`odata.nextLink` is the address of the next page, and belongs to its list, its `$filter` and its times: elsewhere its
token is refused. What is added or deleted meanwhile moves nothing: an item that is there all the time comes once.

A page may be short, even empty, and have a link all the same. A list of a million tasks is answered by its indexes
where the filter lets it (by state, by failure, by exit codes other than 0, by the beginning of an id, by ids), else a
part at a time: the server looks at some ten thousand tasks, then gives what it found. Clients follow the links.

## Filters

`and`, `or`, parentheses; `eq ne gt ge lt le` and `startswith(name,'text')`; texts in single quotes, one in them
doubled; dates as `DateTime'2026-01-01T00:00:00Z'`, as a text or bare. Ids are compared without regard to case. A
property without a value is unequal to all, and neither less nor greater: `executionInfo/exitCode ne 0` finds also tasks
that have not ended.
"""
STATISTICS = f"""
## Choosing properties

`$select` names properties in their own letter case, `$expand=stats` adds statistics to
{", ".join(sorted(EXPANDABLE))}. A name that the kind of thing does not have is refused.

## Statistics

They are true at the moment of asking and kept with each change. What a run used is charged when it ends: to its task
(all tries together), its job, the job's schedule, its pool and the account; the wall clock of what still runs is added.

- Processors' time is the operating system's. An operation on a disk is a block of 512 bytes, as Linux counts them.
- A node counts as many cores as it has task slots. Its time counts from its creation until it leaves or is deallocated.
- Memory is the most that a run had, as far as it had more than the process that started it; the average counts each run
  by that.
- Nothing is measured of networks and of disk space: these are 0.
- How long tasks waited is told by task, and of all jobs of an account together; the statistics of one job say `PT0S`,
  for the service documents that they leave it out.

Pool usage metrics are told by the half hour, two hours after its end, for as long as history is kept (`events_days`).
"""


def page() -> str:
    """The whole page."""
    rows = [("List", "Property", "Operators")]
    for name, properties in LISTS.items():
        rows += [
            (name, f"`{each}`", " ".join(operator for operator in ORDER if operator in found.operators))
            for each, found in properties.items()
        ]
    return f"{INTRODUCTION}\n{table(*rows)}{STATISTICS}"


ORDER = ("eq", "ne", "gt", "ge", "lt", "le", "startswith")
