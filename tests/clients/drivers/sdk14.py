"""azure-batch 14.2.0 for Python, the last of its kind before the rewrite: `sdk14.py URL ACCOUNT KEY`."""

from __future__ import annotations

import sys
from typing import Any

from azure.batch import BatchServiceClient, models
from azure.batch.batch_auth import SharedKeyCredentials
from isodate import parse_duration
from lines import Refused, serve
from msrest.authentication import BasicTokenAuthentication

ADDED = {
    "pool": models.PoolAddParameter, "job": models.JobAddParameter, "task": models.TaskAddParameter,
    "job_schedule": models.JobScheduleAddParameter,
}  # fmt: skip
LIST_OPTIONS = {
    "pool": ("pool_list_options", models.PoolListOptions), "job": ("job_list_options", models.JobListOptions),
    "task": ("task_list_options", models.TaskListOptions),
    "node": ("compute_node_list_options", models.ComputeNodeListOptions),
    "job_schedule": ("job_schedule_list_options", models.JobScheduleListOptions),
}  # fmt: skip


class Client:
    def __init__(self, url: str, account: str, key: str) -> None:
        _, is_token, token = key.rpartition("Bearer ")
        credentials = BasicTokenAuthentication({"access_token": token}) if is_token else None
        self.client = BatchServiceClient(credentials or SharedKeyCredentials(account, key), batch_url=url)
        self.client.config.retry_policy.retries = 0

    def of(self, kind: str) -> Any:
        return self.client.compute_node if kind == "node" else getattr(self.client, kind)

    @staticmethod
    def called(call: Any, *args: Any, **options: Any) -> Any:
        try:
            return call(*args, **options)
        except models.BatchErrorException as error:
            raise Refused(error.response.status_code, error.error.code if error.error else None) from error

    def create(self, kind: str, body: dict[str, Any], where: dict[str, str]) -> None:
        self.called(self.of(kind).add, *where.values(), ADDED[kind].from_dict(body))

    def create_many(self, job: str, tasks: list[dict[str, Any]]) -> list[str]:
        added = self.called(self.client.task.add_collection, job, [ADDED["task"].from_dict(task) for task in tasks])
        return [result.status for result in added.value]

    def get(self, kind: str, id: str, where: dict[str, str]) -> Any:
        return self.called(self.of(kind).get, *where.values(), id).serialize(keep_readonly=True)

    def list(self, kind: str, where: dict[str, str], max_results: int | None = None, **options: Any) -> Any:
        name, type_ = LIST_OPTIONS[kind]
        given = {name: type_(**options, **({} if max_results is None else {"max_results": max_results}))}
        return self.called(
            lambda: [item.serialize(keep_readonly=True) for item in self.of(kind).list(*where.values(), **given)]
        )

    def jobs_of(self, schedule: str) -> Any:
        return [job.serialize(keep_readonly=True) for job in self.client.job.list_from_job_schedule(schedule)]

    def act(self, action: str, kind: str, id: str, where: dict[str, str], body: dict[str, Any] | None = None) -> None:
        of, names = self.of(kind), [*where.values(), id]
        if (action, kind) == ("disable", "job"):
            self.called(of.disable, *names, body["disableTasks"])
        elif (action, kind) == ("terminate", "job"):
            self.called(of.terminate, *names, terminate_reason=(body or {}).get("terminateReason"))
        elif action == "resize":
            self.called(of.resize, *names, models.PoolResizeParameter.from_dict(body))
        elif action == "update":
            self.called(of.patch, *names, models.JobPatchParameter.from_dict(body))
        else:
            self.called(getattr(of, action), *names)

    def auto_scale(self, action: str, pool: str, formula: str | None = None, interval: str | None = None) -> Any:
        given = {"auto_scale_formula": formula, "auto_scale_evaluation_interval": interval and parse_duration(interval)}
        call = getattr(self.client.pool, f"{action}_auto_scale")
        found = self.called(call, pool, **{name: value for name, value in given.items() if value is not None})
        return found and found.serialize(keep_readonly=True)

    def counts(self, job: str) -> Any:
        return self.called(self.client.job.get_task_counts, job).task_counts.serialize(keep_readonly=True)

    def read(self, job: str, task: str, path: str, first: int | None = None, last: int | None = None) -> str:
        ocp = None if first is None else models.FileGetFromTaskOptions(ocp_range=f"bytes={first}-{last}")
        found = self.called(self.client.file.get_from_task, job, task, path, file_get_from_task_options=ocp)
        return b"".join(found).decode()

    def files(self, job: str, task: str) -> list[str]:
        return [file.name for file in self.called(self.client.file.list_from_task, job, task, recursive=True)]

    def outcomes(self, job: str, tasks: list[dict[str, Any]]) -> list[str | None]:
        try:
            found = self.client.task.add_collection(job, [ADDED["task"].from_dict(task) for task in tasks])
        except models.CreateTasksErrorException as error:
            wrong = {failed.task_id: failed.error.code for failed in error.failure_tasks}
            return [wrong.get(task["id"]) for task in tasks]
        return [result.error.code if result.error else None for result in found.value]

    def job_if(self, id: str, none_match: str) -> Any:
        options = models.JobGetOptions(if_none_match=none_match)
        return self.called(self.client.job.get, id, options).serialize(keep_readonly=True)

    def change_priority(self, job: str, priority: int, match: str) -> None:
        options = models.JobPatchOptions(if_match=match)
        self.called(self.client.job.patch, job, models.JobPatchParameter(priority=priority), options)

    def properties(self, job: str, task: str, path: str) -> Any:
        found = self.called(self.client.file.get_properties_from_task, job, task, path, raw=True).headers
        is_directory = str(found["ocp-batch-file-isdirectory"]).lower() == "true"
        return {
            "length": int(found["Content-Length"]), "directory": is_directory, "url": found["ocp-batch-file-url"],
        }  # fmt: skip

    def delete_file(self, job: str, task: str, path: str) -> None:
        self.called(self.client.file.delete_from_task, job, task, path)

    def node_files(self, pool: str, node: str, filter: str) -> list[str]:
        options = models.FileListFromComputeNodeOptions(filter=filter)
        found = self.client.file.list_from_compute_node
        return [
            one.name
            for one in self.called(
                lambda: list(found(pool, node, recursive=True, file_list_from_compute_node_options=options))
            )
        ]

    def node_read(self, pool: str, node: str, path: str) -> str:
        return b"".join(self.called(self.client.file.get_from_compute_node, pool, node, path)).decode()

    def remove_nodes(self, pool: str, nodes: list[str]) -> None:
        self.called(self.client.pool.remove_nodes, pool, models.NodeRemoveParameter(node_list=nodes))

    def stop_resize(self, pool: str) -> None:
        self.called(self.client.pool.stop_resize, pool)

    def reboot(self, pool: str, node: str) -> None:
        self.called(self.client.compute_node.reboot, pool, node)

    def scheduling(self, pool: str, node: str, allowed: bool) -> None:
        self.called(getattr(self.client.compute_node, f"{'enable' if allowed else 'disable'}_scheduling"), pool, node)

    def user(self, action: str, pool: str, node: str, name: str) -> None:
        nodes = self.client.compute_node
        if action == "create":
            self.called(nodes.add_user, pool, node, models.ComputeNodeUser(name=name))
        elif action == "replace":
            change = models.NodeUpdateUserParameter(password="other")
            self.called(nodes.update_user, pool, node, name, change)
        else:
            self.called(nodes.delete_user, pool, node, name)

    def node_counts(self) -> Any:
        found = self.called(lambda: list(self.client.account.list_pool_node_counts()))
        return [one.serialize(keep_readonly=True) for one in found]

    def images(self) -> int:
        return len(self.called(lambda: list(self.client.account.list_supported_images())))

    def pool_exists(self, pool: str) -> bool:
        return self.called(self.client.pool.exists, pool)

    def change_pool(self, pool: str, metadata: list[dict[str, str]]) -> None:
        items = [models.MetadataItem.from_dict(item) for item in metadata]
        self.called(self.client.pool.patch, pool, models.PoolPatchParameter(metadata=items))

    def prepared(self, job: str) -> Any:
        found = self.called(lambda: list(self.client.job.list_preparation_and_release_task_status(job)))
        return [one.serialize(keep_readonly=True) for one in found]

    def change_task(self, job: str, task: str, retries: int) -> None:
        self.called(self.client.task.update, job, task, models.TaskConstraints(max_task_retry_count=retries))

    def change_schedule(self, schedule: str, body: dict[str, Any]) -> None:
        self.called(self.client.job_schedule.patch, schedule, models.JobSchedulePatchParameter.from_dict(body))

    def subtasks(self, job: str, task: str) -> Any:
        found = self.called(self.client.task.list_subtasks, job, task)
        return [one.serialize(keep_readonly=True) for one in found.value]


if __name__ == "__main__":
    client = Client(*sys.argv[1:])
    serve(lambda name: getattr(client, name))
