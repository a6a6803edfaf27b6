"""The beginning of what a task printed: the Response of a task that nobody gave another one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from msgspec.structs import replace

from linarite.engine.core import Engine
from linarite.engine.launching import NodeRef
from linarite.engine.layout import task_directory
from linarite.engine.model import TaskResult
from linarite.faces.superoffice.carrier import TEXT, Entry
from linarite.fs.beneath import Beneath


async def with_output(engine: Engine, entries: Sequence[Entry]) -> list[Entry]:
    """The same entries, those that need it with the beginning of their standard output."""
    return await asyncio.get_running_loop().run_in_executor(
        None, lambda: [replace(entry, output=_head(engine, entry)) if _needed(entry) else entry for entry in entries]
    )


def _needed(entry: Entry) -> bool:
    return entry.task.result is TaskResult.SUCCESS and "response" not in entry.facts


def _head(engine: Engine, entry: Entry) -> str:
    """Empty when the file is gone with its node, is empty, or is not where a task may write."""
    task = entry.task
    if task.node is None or task.pool is None or task.node_key is None:
        return ""
    node = NodeRef(account=task.account, pool=task.pool, node=task.node, key=task.node_key)
    path = f"{task_directory(entry.job.spec.id, task.spec.id)}/stdout.txt"
    try:
        descriptor = Beneath(engine.nodes.root(node)).open(path)
    except OSError:
        return ""
    try:
        data = os.pread(descriptor, TEXT * 4, 0)
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return data.decode("utf-8", "replace")[:TEXT]
