"""The command line `az batch`, its commands invoked one after another in one process: `az.py URL ACCOUNT KEY`."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from lines import Refused, serve

CODE = re.compile(r"\((\w+)\)|^(\w+):|Code: (\w+)|\"?code\"?: ?\"?(\w+)", re.MULTILINE)
GROUPS = {"pool": "pool", "job": "job", "task": "task", "node": "node", "job_schedule": "job-schedule"}
FLAGS = {"job": "--job-id", "pool": "--pool-id", "task": "--task-id", "node": "--node-id"}
FLAGS["job_schedule"] = "--job-schedule-id"


class Told(logging.Handler):
    """What the command line says of its failure."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Client:
    def __init__(self, url: str, account: str, key: str) -> None:
        from azure.cli.core import get_default_cli

        self.make = get_default_cli
        os.environ |= {
            "AZURE_BATCH_ENDPOINT": url, "AZURE_BATCH_ACCOUNT": account, "AZURE_BATCH_ACCESS_KEY": key,
        }  # fmt: skip
        self.told = Told()
        logging.getLogger("cli").addHandler(self.told)

    def az(self, *words: str) -> Any:
        """One command: what it prints, as data."""
        out = io.StringIO()
        self.told.texts.clear()
        cli = self.make()
        try:
            status = cli.invoke(["batch", *words, "--output", "json"], out_file=out)
        except SystemExit as error:
            status = error.code
        failure = cli.result.error if cli.result else None
        if status or failure:
            text = "\n".join([str(failure), *self.told.texts])
            found = CODE.search(text)
            answer = getattr(failure, "status_code", None)
            raise Refused(answer, next((group for group in found.groups() if group), None) if found else text)
        return json.loads(out.getvalue()) if out.getvalue().strip() else None

    def from_json(self, body: Any, *words: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "body.json"
            file.write_text(json.dumps(body))
            return self.az(*words, "--json-file", str(file))

    @staticmethod
    def names(where: dict[str, str]) -> list[str]:
        return [word for kind, name in where.items() for word in (FLAGS[kind], name)]

    def create(self, kind: str, body: dict[str, Any], where: dict[str, str]) -> None:
        self.from_json(body, GROUPS[kind], "create", *self.names(where))

    def create_many(self, job: str, tasks: list[dict[str, Any]]) -> list[str]:
        return [result["status"] for result in self.from_json(tasks, "task", "create", "--job-id", job)]

    def get(self, kind: str, id: str, where: dict[str, str]) -> Any:
        return self.az(GROUPS[kind], "show", *self.names(where), FLAGS[kind], id)

    def list(self, kind: str, where: dict[str, str], max_results: int | None = None, **options: Any) -> Any:
        given = [word for name, value in options.items() for word in (f"--{name}", value)]
        return self.az(GROUPS[kind], "list", *self.names(where), *given)

    def jobs_of(self, schedule: str) -> Any:
        return self.az("job", "list", "--job-schedule-id", schedule)

    def act(self, action: str, kind: str, id: str, where: dict[str, str], body: dict[str, Any] | None = None) -> None:
        words = [GROUPS[kind], action, *self.names(where), FLAGS[kind], id]
        if action == "update":
            words[1] = "set"
            words += ["--priority", str(body["priority"])]
        elif (action, kind) == ("disable", "job"):
            words += ["--disable-tasks", body["disableTasks"]]
        elif (action, kind) == ("terminate", "job"):
            words[1] = "stop"
            words += ["--terminate-reason", body["terminateReason"]] if body else []
        elif action == "terminate":
            words[1] = "stop"
        elif action == "resize":
            words += ["--target-dedicated-nodes", str(body["targetDedicatedNodes"])]
        elif action == "delete":
            words += ["--yes"]
        self.az(*words)

    def auto_scale(self, action: str, pool: str, formula: str | None = None, interval: str | None = None) -> Any:
        given = {"--auto-scale-formula": formula, "--auto-scale-evaluation-interval": interval}
        words = [word for flag, value in given.items() if value is not None for word in (flag, value)]
        return self.az("pool", "autoscale", action, "--pool-id", pool, *words)

    def counts(self, job: str) -> Any:
        return self.az("job", "task-counts", "show", "--job-id", job)["taskCounts"]

    def read(self, job: str, task: str, path: str, first: int | None = None, last: int | None = None) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            words = ["--job-id", job, "--task-id", task, "--file-path", path, "--destination", str(file)]
            words += [] if first is None else ["--start-range", str(first), "--end-range", str(last)]
            self.az("task", "file", "download", *words)
            return file.read_text()

    def files(self, job: str, task: str) -> list[str]:
        found = self.az("task", "file", "list", "--job-id", job, "--task-id", task, "--recursive")
        return [file["name"] for file in found]

    def outcomes(self, job: str, tasks: list[dict[str, Any]]) -> list[str | None]:
        """What there is afterwards: told of an error, `az` fails at telling it further."""
        try:
            self.from_json(tasks, "task", "create", "--job-id", job)
        except Refused:
            there = {one["id"] for one in self.list("task", {"job": job})}
            return [None if task["id"] in there else "told to nobody" for task in tasks]
        return [None for _ in tasks]

    def job_if(self, id: str, none_match: str) -> Any:
        return self.az("job", "show", "--job-id", id, "--if-none-match", none_match)

    def change_priority(self, job: str, priority: int, match: str) -> None:
        self.az("job", "set", "--job-id", job, "--priority", str(priority), "--if-match", match)

    def properties(self, job: str, task: str, path: str) -> Any:
        """From the list: `az batch task file show` fails at its own answer."""
        found = self.az("task", "file", "list", "--job-id", job, "--task-id", task, "--recursive")
        for file in found:
            if file["name"] == path:
                length = int((file.get("properties") or {}).get("contentLength") or 0)
                return {"length": length, "directory": file["isDirectory"], "url": file["url"]}
        raise Refused(404, None)

    def delete_file(self, job: str, task: str, path: str) -> None:
        self.az("task", "file", "delete", "--job-id", job, "--task-id", task, "--file-path", path, "--yes")

    def node_files(self, pool: str, node: str, filter: str) -> list[str]:
        place = ("--pool-id", pool, "--node-id", node)
        return [one["name"] for one in self.az("node", "file", "list", *place, "--recursive", "--filter", filter)]

    def node_read(self, pool: str, node: str, path: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            place = ("--pool-id", pool, "--node-id", node, "--file-path", path)
            self.az("node", "file", "download", *place, "--destination", str(file))
            return file.read_text()

    def remove_nodes(self, pool: str, nodes: list[str]) -> None:
        self.az("node", "delete", "--pool-id", pool, "--node-list", *nodes)

    def stop_resize(self, pool: str) -> None:
        self.az("pool", "resize", "--pool-id", pool, "--abort")

    def reboot(self, pool: str, node: str) -> None:
        self.az("node", "reboot", "--pool-id", pool, "--node-id", node)

    def scheduling(self, pool: str, node: str, allowed: bool) -> None:
        self.az("node", "scheduling", "enable" if allowed else "disable", "--pool-id", pool, "--node-id", node)

    def user(self, action: str, pool: str, node: str, name: str) -> None:
        place = ["--pool-id", pool, "--node-id", node]
        if action == "create":
            self.az("node", "user", "create", *place, "--name", name)
        elif action == "replace":
            self.az("node", "user", "reset", *place, "--user-name", name, "--password", "other")
        else:
            self.az("node", "user", "delete", *place, "--user-name", name, "--yes")

    def node_counts(self) -> Any:
        return self.az("pool", "node-counts", "list")

    def images(self) -> int:
        return len(self.az("pool", "supported-images", "list"))

    def change_pool(self, pool: str, metadata: list[dict[str, str]]) -> None:
        items = [f"{item['name']}={item['value']}" for item in metadata]
        self.az("pool", "set", "--pool-id", pool, "--metadata", *items)

    def prepared(self, job: str) -> Any:
        return self.az("job", "prep-release-status", "list", "--job-id", job)

    def change_task(self, job: str, task: str, retries: int) -> None:
        self.az("task", "reset", "--job-id", job, "--task-id", task, "--max-task-retry-count", str(retries))

    def change_schedule(self, schedule: str, body: dict[str, Any]) -> None:
        self.from_json(body, "job-schedule", "set", "--job-schedule-id", schedule)

    def subtasks(self, job: str, task: str) -> Any:
        found = self.az("task", "subtask", "list", "--job-id", job, "--task-id", task)
        return found["value"] if isinstance(found, dict) else found


if __name__ == "__main__":
    client = Client(*sys.argv[1:])
    serve(lambda name: getattr(client, name))
