"""The demo's work, as any user of Azure Batch and Azure Files would write it: their packages, our URL."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError
from azure.storage.fileshare import (
    FileSasPermissions,
    ShareClient,
    ShareSasPermissions,
    generate_file_sas,
    generate_share_sas,
)  # fmt: skip

SHARE, POOL, JOB, MERGE = "stdlib", "demo", "count-identifiers", "merge"
PATIENCE, PATIENCE_TO_END = 300.0, 10.0
"""Seconds in which all tasks are completed, and in which those that run have ended."""
END_RUNS = models.BatchJobDisableOptions(disable_tasks="terminate")
TASKS = Path(__file__).parent / "tasks"


class Size(NamedTuple):
    """The pool, and how its tasks reach their files: by the server's URLs, or where a share is `mounted` on nodes."""

    python: str
    nodes: int = 2
    slots: int = 2
    mounted: bool = False
    patience: float = PATIENCE


class Work:
    """One run of the demo against a server: `urls` by face, one account, its key."""

    def __init__(self, urls: dict[str, str], account: str, key: str, size: Size) -> None:
        """Make the two clients."""
        self.urls, self.account, self.key, self.size = urls, account, key, size
        # A server on this machine that does not answer has ended: no long row of retries.
        self.batch = BatchClient(urls["batch"], AzureNamedKeyCredential(account, key), retry_total=2)
        self.share = ShareClient(
            f"{urls['files']}/{account}", SHARE, credential={"account_name": account, "account_key": key}
        )

    def upload(self, modules: list[Path], done: Callable[[], Any]) -> None:
        """Put the sources and the tasks' programs on the share."""
        self.share.create_share()
        for name in ("sources", "counts", "programs"):
            self.share.create_directory(name)
        for program in sorted(TASKS.glob("*.py")):
            self._put(f"programs/{program.name}", program)
        with ThreadPoolExecutor(4) as pool:
            for _ in pool.map(lambda item: self._put(f"sources/{item[0]}.py", item[1]), enumerate(modules, 1)):
                done()

    def _put(self, path: str, source: Path) -> None:
        self.share.get_file_client(path).upload_file(source.read_bytes())

    def start_pool(self) -> None:
        """The nodes and their slots, and the share where they mount it."""
        machine = models.VirtualMachineConfiguration(
            image_reference=models.BatchVmImageReference(publisher="canonical", offer="ubuntu", sku="22_04-lts"),
            node_agent_sku_id="batch.node.ubuntu 22.04",
        )
        self.batch.create_pool(
            models.BatchPoolCreateOptions(
                id=POOL, vm_size="standard_d2_v3", virtual_machine_configuration=machine,
                target_dedicated_nodes=self.size.nodes, task_slots_per_node=self.size.slots,
                mount_configuration=[self._mount()] if self.size.mounted else None,
            )
        )  # fmt: skip

    def _mount(self) -> models.MountConfiguration:
        share = models.AzureFileShareConfiguration(
            account_name=self.account, azure_file_url=f"{self.urls['files']}/{self.account}/{SHARE}",
            account_key=self.key, relative_mount_path=SHARE,
        )  # fmt: skip
        return models.MountConfiguration(azure_file_share_configuration=share)

    def add_job(self, modules: list[Path]) -> None:
        """One task a module, and one that depends on all of them."""
        self.batch.create_job(
            models.BatchJobCreateOptions(
                id=JOB, display_name="Count identifiers", pool_info=models.BatchPoolInfo(pool_id=POOL),
                uses_task_dependencies=True,
            )
        )  # fmt: skip
        tasks = [self._count_task(number, path) for number, path in enumerate(modules, 1)]
        self.batch.create_tasks(JOB, [*tasks, self._merge_task(len(modules))])
        ending = models.BatchJobUpdateOptions(all_tasks_complete_mode="terminatejob")
        self.batch.update_job(JOB, ending)

    def _count_task(self, number: int, module: Path) -> models.BatchTaskCreateOptions:
        target, source = f"counts/{number}.json", f"sources/{number}.py"
        return models.BatchTaskCreateOptions(
            id=str(number), display_name=module.name, command_line=f"{self.size.python} count.py {module.name}",
            resource_files=[self._file("programs/count.py", "count.py"), self._file(source, module.name)],
            environment_settings=self._counts(target, self._file_sas(target, write=True)),
        )  # fmt: skip

    def _counts(self, path: str, signature: str) -> list[models.EnvironmentSetting]:
        """Where a task finds counts, or leaves them."""
        place = {"COUNTS_URL": self._url(path), "COUNTS_SAS": signature}
        if self.size.mounted:
            place = {"COUNTS_PATH": f"{SHARE}/{path}"}
        return [models.EnvironmentSetting(name=name, value=value) for name, value in place.items()]

    def _merge_task(self, number: int) -> models.BatchTaskCreateOptions:
        signature = generate_share_sas(
            self.account, SHARE, self.key, permission=ShareSasPermissions(read=True), expiry=_in_an_hour()
        )
        return models.BatchTaskCreateOptions(
            id=MERGE, display_name="Add the counts up", command_line=f"{self.size.python} merge.py {number}",
            resource_files=[self._file("programs/merge.py", "merge.py")],
            depends_on=models.BatchTaskDependencies(task_id_ranges=[models.BatchTaskIdRange(start=1, end=number)]),
            environment_settings=self._counts("counts", signature),
        )  # fmt: skip

    def _url(self, path: str) -> str:
        return f"{self.urls['files']}/{self.account}/{SHARE}/{path}"

    def _file(self, path: str, name: str) -> models.ResourceFile:
        return models.ResourceFile(http_url=f"{self._url(path)}?{self._file_sas(path)}", file_path=name)

    def _file_sas(self, path: str, *, write: bool = False) -> str:
        permission = FileSasPermissions(read=not write, create=write, write=write)
        return generate_file_sas(
            self.account, SHARE, path.split("/"), self.key, permission=permission, expiry=_in_an_hour()
        )

    def wait(self, total: int, progress: Callable[[int], Any]) -> None:
        """Follow the job's own counters until every task is completed."""
        deadline = time.monotonic() + self.size.patience
        while time.monotonic() < deadline:
            counts = self.batch.get_job_task_counts(JOB).task_counts
            progress(counts.completed)
            if counts.completed >= total or counts.failed:
                break
            time.sleep(0.1)
        failed = list(self.batch.list_tasks(JOB, filter="executionInfo/result eq 'failure'"))
        if failed:
            task = failed[0]
            ended = task.execution_info
            errors = self._text(task.id, "stderr.txt") if ended and ended.exit_code is not None else ""
            raise SystemExit(f"Task {task.id} failed: {ended and ended.failure_info}\n{errors}")
        if counts.completed < total:
            raise SystemExit(
                f"{total - counts.completed} tasks are not completed after {self.size.patience:.0f} seconds."
            )

    def end(self) -> None:
        """End what runs of the job, if it is there: before the server goes."""
        with contextlib.suppress(AzureError):
            self.batch.begin_disable_job(JOB, END_RUNS, polling_interval=1).wait(PATIENCE_TO_END)

    def _text(self, task: str, path: str) -> str:
        return b"".join(self.batch.download_task_file(JOB, task, path)).decode()

    def result(self) -> dict[str, Any]:
        """What the last task wrote, by Get Task File."""
        result: dict[str, Any] = json.loads(self._text(MERGE, "stdout.txt"))
        return result


def _in_an_hour() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
