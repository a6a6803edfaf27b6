"""Job schedules across a server that is killed: what was due meanwhile is made, what ended meanwhile has ended."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import time
from pathlib import Path

from azure.batch import models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.server import running_server


def test_schedules_go_on_after_a_server_that_was_killed():
    """A job whose time came while nobody was there is made late; a job whose manager ended meanwhile is over."""
    with running_server() as server:
        with batch_client(server) as client:
            make_pool(client, "p")
            manager = models.BatchJobManagerTask(id="manager", command_line="/bin/sleep 1")
            runs = models.BatchJobSpecification(
                pool_info=models.BatchPoolInfo(pool_id="p"), job_manager_task=manager
            )  # fmt: skip
            waits = models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id="nowhere"))
            at_once = models.BatchJobScheduleConfiguration()
            soon = models.BatchJobScheduleConfiguration(
                do_not_run_until=dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1.5),
                recurrence_interval=dt.timedelta(hours=1), start_window=dt.timedelta(minutes=5),
            )  # fmt: skip
            for name, schedule, specification in (("now", at_once, runs), ("soon", soon, waits)):
                client.create_job_schedule(
                    models.BatchJobScheduleCreateOptions(id=name, schedule=schedule, job_specification=specification)
                )
            wait_task(client, "now:job-1", "manager", "running")
            due = client.get_job_schedule("soon").execution_info.next_run_time
        server.kill9()
        while dt.datetime.now(dt.UTC) < due:
            time.sleep(0.02)
        server.restart()
        with batch_client(server) as client:
            wait_task(client, "now:job-1", "manager")
            deadline = time.monotonic() + 30
            while client.get_job_schedule("now").state != "completed" or not list(
                client.list_jobs_from_schedule("soon")
            ):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert client.get_job("now:job-1").execution_info.termination_reason == "JMComplete"
            info = client.get_job_schedule("soon").execution_info
            assert (info.recent_job.id, info.next_run_time - due) == ("soon:job-1", dt.timedelta(hours=1))
            assert client.get_job("soon:job-1").creation_time > due


def test_run_whose_window_closed_while_nobody_was_there_is_skipped():
    """The machine was off for two and a half hours: the next run is that of the next hour on the grid."""
    with running_server() as server:
        with batch_client(server) as client:
            schedule = models.BatchJobScheduleConfiguration(
                do_not_run_until=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1),
                recurrence_interval=dt.timedelta(hours=1), start_window=dt.timedelta(minutes=5),
            )  # fmt: skip
            runs = models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id="nowhere"))
            client.create_job_schedule(
                models.BatchJobScheduleCreateOptions(id="s", schedule=schedule, job_specification=runs)
            )
            due = client.get_job_schedule("s").execution_info.next_run_time
        server.kill9()
        _turn_back(server.data, dt.timedelta(hours=3.5))
        server.restart()
        with batch_client(server) as client:
            deadline = time.monotonic() + 30
            while (info := client.get_job_schedule("s").execution_info).next_run_time < dt.datetime.now(dt.UTC):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert info.next_run_time == due - dt.timedelta(minutes=30)
            assert list(client.list_jobs_from_schedule("s")) == []


def _turn_back(data: Path, span: dt.timedelta) -> None:
    """Have the schedule begun so much earlier: that is as if the clock had gone on meanwhile."""
    microseconds = span // dt.timedelta(microseconds=1)
    with sqlite3.connect(data / "server" / "linarite.db") as store:
        key, spec = store.execute("SELECT key, spec FROM job_schedules").fetchone()
        told = json.loads(spec)
        told["timetable"]["not_before"] -= microseconds
        store.execute(
            "UPDATE job_schedules SET spec = ?, not_before = not_before - ?, next_run_at = next_run_at - ?,"
            " due_at = due_at - ?, created_at = created_at - ? WHERE key = ?",
            [json.dumps(told).encode(), *[microseconds] * 4, key],
        )
