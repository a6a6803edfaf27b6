"""azure-batch 15 for Python, sync or async: `sdk15.py sync|async URL ACCOUNT KEY`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from azure.batch import BatchClient, aio, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from lines import Refused, serve

POLLING = {"polling_interval": 0.05}
ACTIONS = {"update", "disable", "enable", "terminate", "reactivate", "resize", "delete"}
POLLED = {
    ("delete", "pool"), ("delete", "job"), ("delete", "job_schedule"), ("resize", "pool"), ("disable", "job"),
    ("enable", "job"), ("terminate", "job"), ("terminate", "job_schedule"),
}  # fmt: skip
BODIES = {
    "pool": models.BatchPoolCreateOptions, "job": models.BatchJobCreateOptions, "task": models.BatchTaskCreateOptions,
    "job_schedule": models.BatchJobScheduleCreateOptions,
}  # fmt: skip


class Client:
    """Each operation as the client's own call; what it gives is awaited where it must be."""

    def __init__(self, way: str, url: str, account: str, key: str) -> None:
        kind = BatchClient if way == "sync" else aio.BatchClient
        self.loop = asyncio.new_event_loop()
        self.client = kind(url, AzureNamedKeyCredential(account, key), retry_total=0)

    def settled(self, call: Any, *args: Any, **options: Any) -> Any:
        async def settle() -> Any:
            try:
                found = call(*args, **options)
                found = await found if hasattr(found, "__await__") else found
                if hasattr(found, "__aiter__"):
                    return [item async for item in found]
                if not isinstance(found, bytes) and hasattr(found, "result") and hasattr(found, "done"):
                    last = found.result()
                    return await last if hasattr(last, "__await__") else last
                return list(found) if hasattr(found, "__next__") or hasattr(found, "by_page") else found
            except HttpResponseError as error:
                raise Refused(error.status_code, getattr(error.error, "code", None)) from error
            except models.CreateTasksError as error:
                first = error.errors[0] if error.errors else None
                raise Refused(getattr(first, "status_code", None), getattr(first.error, "code", None)) from error

        return self.loop.run_until_complete(settle())

    def create(self, kind: str, body: dict[str, Any], where: dict[str, str]) -> None:
        self.settled(getattr(self.client, f"create_{kind}"), *where.values(), BODIES[kind](body))

    def create_many(self, job: str, tasks: list[dict[str, Any]]) -> list[str]:
        found = self.settled(self.client.create_tasks, job, [models.BatchTaskCreateOptions(task) for task in tasks])
        return [result.status for result in found.result_values]

    def get(self, kind: str, id: str, where: dict[str, str]) -> Any:
        return self.settled(getattr(self.client, f"get_{kind}"), *where.values(), id).as_dict()

    def list(self, kind: str, where: dict[str, str], **options: Any) -> Any:
        if "select" in options:
            options["select"] = options["select"].split(",")
        found = self.settled(getattr(self.client, f"list_{kind}s"), *where.values(), **options)
        return [item.as_dict() for item in found]

    def jobs_of(self, schedule: str) -> Any:
        return [job.as_dict() for job in self.settled(self.client.list_jobs_from_schedule, schedule)]

    def act(self, action: str, kind: str, id: str, where: dict[str, str], body: dict[str, Any] | None = None) -> None:
        assert action in ACTIONS
        polled = (action, kind) in POLLED
        name = f"{'begin_' if polled else ''}{action}_{kind}"
        bodies = () if body is None else (body,)
        self.settled(getattr(self.client, name), *where.values(), id, *bodies, **(POLLING if polled else {}))

    def auto_scale(self, action: str, pool: str, formula: str | None = None, interval: str | None = None) -> Any:
        body = {"autoScaleFormula": formula, "autoScaleEvaluationInterval": interval}
        given = () if action == "disable" else ({name: value for name, value in body.items() if value is not None},)
        found = self.settled(getattr(self.client, f"{action}_pool_auto_scale"), pool, *given)
        return found and found.as_dict()

    def counts(self, job: str) -> Any:
        return self.settled(self.client.get_job_task_counts, job).as_dict()["taskCounts"]

    def read(self, job: str, task: str, path: str, first: int | None = None, last: int | None = None) -> str:
        ocp = {} if first is None else {"ocp_range": f"bytes={first}-{last}"}
        return b"".join(self.settled(self.client.download_task_file, job, task, path, **ocp)).decode()

    def files(self, job: str, task: str) -> list[str]:
        return [file.name for file in self.settled(self.client.list_task_files, job, task, recursive=True)]


if __name__ == "__main__":
    client = Client(*sys.argv[1:])
    serve(lambda name: getattr(client, name))
