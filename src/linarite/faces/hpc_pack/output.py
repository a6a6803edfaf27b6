"""A task's kept output: the first 4 KB of what it wrote. Source: ISchedulerTask.Output; NOTES 6."""

from __future__ import annotations

import os
from collections.abc import Callable

from linarite.engine import layout
from linarite.engine.core import Engine
from linarite.engine.launching import NodeRef
from linarite.engine.model import Job, Task
from linarite.fs import Beneath, Escapes

LIMIT = 4096


def reader(engine: Engine) -> Callable[[Job, Task], str]:
    """A function that reads the streams which went to no file of the user's own; empty when both did, or are gone."""

    def read(job: Job, task: Task) -> str:
        if task.node is None or task.pool is None or task.node_key is None:
            return ""
        node = NodeRef(account=task.account, pool=task.pool, node=task.node, key=task.node_key)
        tree = Beneath(engine.nodes.root(node))
        directory = layout.task_directory(job.spec.id, task.spec.id)
        data = b""
        for name, elsewhere in (("stdout.txt", task.spec.stdout), ("stderr.txt", task.spec.stderr)):
            if elsewhere is None:
                data += _head(tree, f"{directory}/{name}", LIMIT - len(data))
        return data.decode(errors="replace")

    return read


def _head(tree: Beneath, path: str, size: int) -> bytes:
    try:
        file = tree.open_file(path)
    except (OSError, Escapes):
        return b""
    try:
        return os.read(file, size) if size else b""
    finally:
        os.close(file)
