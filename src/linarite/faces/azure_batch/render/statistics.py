"""Statistics as the protocol shows them. Source: BatchTaskStatistics, BatchJobStatistics and BatchPoolStatistics.

An operation on a disk is a block of 512 bytes, as the operating system counts them. A node has as many cores as task
slots. Of the network and of disk space nothing is measured, so they are 0; the average of memory counts each run by its
highest. How much memory a run had is known when it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linarite.engine.model import Job, Pool, Task
from linarite.engine.recurrence.records import JobSchedule
from linarite.engine.usage import BLOCK, NOTHING, NodeSpan, Running, Spent, Totals
from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.render.jobs import job_url
from linarite.faces.azure_batch.render.pools import pool_url
from linarite.faces.azure_batch.render.scalars import duration, moment
from linarite.faces.azure_batch.render.tasks import task_url

GIB = 1024**3


class Shown:
    """What all statistics of an answer have in common: the address, the version and the time of asking."""

    def __init__(self, base: str, version: str, now: int) -> None:
        """`now` is the moment to which they reach."""
        self._base, self._version, self._now = base, version, now

    def task(self, task: Task, job: Job, used: Spent) -> dict[str, Any]:
        """What the runs of a task used, with those that still go on, and how long it waited for the last of them."""
        spent = (task.usage or NOTHING).plus(used)
        running = self._now - task.started_at if task.started_at is not None and task.ended_at is None else 0
        until = task.started_at or task.ended_at or self._now
        return {
            **self._range(task_url(self._base, job.spec.id, task.spec.id), task.created_at),
            **self._used(spent, spent.wall_time + max(0, running)),
            "waitTime": duration(max(0, until - task.created_at)),
        }  # fmt: skip

    def job(self, job: Job, totals: Totals | None, running: Running | None) -> dict[str, Any]:
        """What the tasks of a job used. Their waiting is told of whole accounts alone."""
        return self._jobs(job_url(self._base, job.spec.id), job.created_at, totals, running, wait=0)

    def schedule(self, schedule: JobSchedule, totals: Totals | None, running: Running | None) -> dict[str, Any]:
        """The same of all jobs that a schedule has made."""
        url = f"{self._base}/jobschedules/{schedule.spec.id}"
        return self._jobs(url, schedule.created_at, totals, running, wait=0)

    def all_jobs(self, created_at: int, totals: Totals | None, running: Running) -> dict[str, Any]:
        """The same of all jobs that an account ever had."""
        wait = totals.wait_time if totals else 0
        shown = self._jobs("", created_at, totals, running, wait=wait)
        return {**shown, "url": f"{self._base}/lifetimejobstats"}

    def pool(self, pool: Pool, totals: Totals | None, present: Sequence[NodeSpan]) -> dict[str, Any]:
        """The time of a pool's nodes and what ran on them; `present` are the spans of those that are there."""
        url = pool_url(self._base, pool.spec.id)
        return self._pools(url, pool.created_at, totals, present)

    def all_pools(self, created_at: int, totals: Totals | None, present: Sequence[NodeSpan]) -> dict[str, Any]:
        """The same of all pools that an account ever had."""
        return self._pools(f"{self._base}/lifetimepoolstats", created_at, totals, present)

    def _jobs(
        self, url: str, since: int, totals: Totals | None, running: Running | None, *, wait: int
    ) -> dict[str, Any]:  # fmt: skip
        used = totals or Totals()
        counts = {
            "numSucceededTasks": used.succeeded, "numFailedTasks": used.failed, "numTaskRetries": used.retries,
        }  # fmt: skip
        return {
            **self._range(url, since),
            **self._used(used, used.wall_time + (running.wall(self._now) if running else 0)),
            **{name: self._long(number) for name, number in counts.items()},
            "waitTime": duration(wait),
        }

    def _pools(self, url: str, since: int, totals: Totals | None, present: Sequence[NodeSpan]) -> dict[str, Any]:
        used, span = totals or Totals(), self._range(url, since)
        time = {True: used.dedicated, False: used.low_priority}
        for one in present:
            time[one.dedicated] += one.within(since, self._now)
        between = {name: span[name] for name in ("startTime", "lastUpdateTime")}
        return {
            **span,
            "usageStats": {**between, "dedicatedCoreTime": duration(time[True])},
            "resourceStats": {**between, **self._resources(used, sum(time.values()))},
        }

    def _resources(self, used: Totals, core_time: int) -> dict[str, Any]:
        busy = (used.user_time + used.kernel_time) / core_time * 100 if core_time else 0.0
        memory = used.memory * 1024 * 1000 / core_time / GIB if core_time else 0.0
        return {
            "avgCPUPercentage": round(min(100.0, busy), 6), "avgMemoryGiB": round(memory, 9),
            "peakMemoryGiB": round(used.peak / GIB, 9), "avgDiskGiB": 0.0, "peakDiskGiB": 0.0,
            "diskReadIOps": self._long(used.reads), "diskWriteIOps": self._long(used.writes),
            "diskReadGiB": used.reads * BLOCK / GIB, "diskWriteGiB": used.writes * BLOCK / GIB,
            "networkReadGiB": 0.0, "networkWriteGiB": 0.0,
        }  # fmt: skip

    def _range(self, url: str, since: int) -> dict[str, Any]:
        return {"url": url, "startTime": moment(since), "lastUpdateTime": moment(self._now)}

    def _used(self, used: Spent | Totals, wall: int) -> dict[str, Any]:
        return {
            "userCPUTime": duration(used.user_time), "kernelCPUTime": duration(used.kernel_time),
            "wallClockTime": duration(wall), "readIOps": self._long(used.reads), "writeIOps": self._long(used.writes),
            "readIOGiB": used.reads * BLOCK / GIB, "writeIOGiB": used.writes * BLOCK / GIB,
        }  # fmt: skip

    def _long(self, number: int) -> int | str:
        """A number of 64 bits, a text in versions that have them so."""
        return str(number) if self._version >= versions.LONG_AS_TEXT else number
