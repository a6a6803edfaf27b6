"""azure-batch 15 for Python, sync or async: `sdk15.py sync|async URL ACCOUNT KEY`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from azure.batch import BatchClient, aio, models
from azure.core import MatchConditions
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

    def outcomes(self, job: str, tasks: list[dict[str, Any]]) -> list[str | None]:
        async def settle() -> dict[str, str]:
            try:
                found = self.client.create_tasks(job, [models.BatchTaskCreateOptions(task) for task in tasks])
                _ = await found if hasattr(found, "__await__") else found
            except models.CreateTasksError as error:
                return {failed.task_id: failed.error.code for failed in error.failure_tasks}
            return {}

        wrong = self.loop.run_until_complete(settle())
        return [wrong.get(task["id"]) for task in tasks]

    def job_if(self, id: str, none_match: str) -> Any:
        changed = {"etag": none_match, "match_condition": MatchConditions.IfModified}
        return self.settled(self.client.get_job, id, **changed).as_dict()

    def change_priority(self, job: str, priority: int, match: str) -> None:
        same = {"etag": match, "match_condition": MatchConditions.IfNotModified}
        self.settled(self.client.update_job, job, models.BatchJobUpdateOptions(priority=priority), **same)

    def properties(self, job: str, task: str, path: str) -> Any:
        found = self.settled(self.client.get_task_file_properties, job, task, path)
        return {"length": int(found.content_length), "directory": found.is_directory, "url": found.url}

    def delete_file(self, job: str, task: str, path: str) -> None:
        self.settled(self.client.delete_task_file, job, task, path)

    def node_files(self, pool: str, node: str, filter: str) -> list[str]:
        return [
            one.name for one in self.settled(self.client.list_node_files, pool, node, filter=filter, recursive=True)
        ]

    def node_read(self, pool: str, node: str, path: str) -> str:
        return b"".join(self.settled(self.client.download_node_file, pool, node, path)).decode()

    def remove_nodes(self, pool: str, nodes: list[str]) -> None:
        self.settled(self.client.begin_remove_nodes, pool, models.BatchNodeRemoveOptions(node_ids=nodes), **POLLING)

    def stop_resize(self, pool: str) -> None:
        self.settled(self.client.begin_stop_pool_resize, pool, **POLLING)

    def reboot(self, pool: str, node: str) -> None:
        options = {"nodeRebootOption": "requeue"}
        self.settled(self.client.begin_reboot_node, pool, node, options, **POLLING)

    def scheduling(self, pool: str, node: str, allowed: bool) -> None:
        if allowed:
            self.settled(self.client.enable_node_scheduling, pool, node)
        else:  # without options the client itself fails
            options = models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
            self.settled(self.client.disable_node_scheduling, pool, node, options)

    def user(self, action: str, pool: str, node: str, name: str) -> None:
        if action == "create":
            self.settled(self.client.create_node_user, pool, node, models.BatchNodeUserCreateOptions(name=name))
        elif action == "replace":
            options = models.BatchNodeUserReplaceOptions(password="other")
            self.settled(self.client.replace_node_user, pool, node, name, options)
        else:
            self.settled(self.client.delete_node_user, pool, node, name)

    def node_counts(self) -> Any:
        return [one.as_dict() for one in self.settled(self.client.list_pool_node_counts)]

    def images(self) -> int:
        return len(self.settled(self.client.list_supported_images))

    def pool_exists(self, pool: str) -> bool:
        return self.settled(self.client.pool_exists, pool)

    def change_pool(self, pool: str, metadata: list[dict[str, str]]) -> None:
        items = [models.BatchMetadataItem(item) for item in metadata]
        self.settled(self.client.update_pool, pool, models.BatchPoolUpdateOptions(metadata=items))

    def prepared(self, job: str) -> Any:
        return [one.as_dict() for one in self.settled(self.client.list_job_preparation_and_release_task_status, job)]

    def change_task(self, job: str, task: str, retries: int) -> None:
        whole = models.BatchTask(constraints=models.BatchTaskConstraints(max_task_retry_count=retries))
        self.settled(self.client.replace_task, job, task, whole)

    def change_schedule(self, schedule: str, body: dict[str, Any]) -> None:
        self.settled(self.client.update_job_schedule, schedule, models.BatchJobScheduleUpdateOptions(body))

    def subtasks(self, job: str, task: str) -> Any:
        return [one.as_dict() for one in self.settled(self.client.list_subtasks, job, task)]


if __name__ == "__main__":
    client = Client(*sys.argv[1:])
    serve(lambda name: getattr(client, name))
