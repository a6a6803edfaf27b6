"""Where the files of a task or of a node stand, and the operating system's errors as refusals.

Paths come from clients and files from tasks: everything goes through `Beneath`, rooted at the node, so that neither a
path nor a link leads out of it. Source: Batch NOTES sections 9 and 10.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from linarite.engine import layout
from linarite.engine.effects import node_ref
from linarite.engine.errors import FilesUnavailable, NotFound, PathRefused
from linarite.engine.finding import find_node, find_task
from linarite.engine.model import Node, Task, TaskState
from linarite.engine.ports import Transaction
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal
from linarite.fs.beneath import Beneath, Escapes


class Place(NamedTuple):
    """A folder of files: a node's root, or `prefix` below it; `url` is the address of the folder's files."""

    tree: Beneath
    prefix: str
    url: str

    def path(self, name: str) -> str:
        """The path of a name in this folder below the node's root. PathRefused for one that no file can have."""
        if name.startswith("/") or "\0" in name or any(part in {".", ".."} for part in name.split("/")):
            raise PathRefused(f"The path {name!r} leads nowhere below its root.")
        return f"{self.prefix}/{name}" if self.prefix else name


async def node_place(call: Call) -> Place:
    """The files of a node."""
    pool, name = call.parameters["poolId"], call.parameters["nodeId"]
    _, node = await call.engine.ask(lambda tx: find_node(tx, call.account, pool, name))
    return Place(Beneath(call.engine.nodes.root(node_ref(node))), "", call.url("pools", pool, "nodes", name, "files"))


async def task_place(call: Call) -> Place:
    """The files of a task. FilesUnavailable when it has none: not started, node gone, cleaned up."""
    job, name = call.parameters["jobId"], call.parameters["taskId"]

    def find(tx: Transaction) -> tuple[str, Task, Node | None]:
        home, task = find_task(tx, call.account, job, name)
        node = None if task.node_key is None else tx.nodes.by_key(task.node_key)
        return layout.task_directory(home.spec.id, task.spec.id), task, node

    directory, task, node = await call.engine.ask(find)
    if task.state is TaskState.ACTIVE:
        reason = "The files of the specified task cannot be accessed as the task state is still active"
        raise FilesUnavailable(reason, reason="active")
    if node is None:
        gone = task.node_key is not None
        raise FilesUnavailable("The task has no node.", reason="node gone" if gone else "never ran")
    tree = Beneath(call.engine.nodes.root(node_ref(node)))
    if not tree.exists(directory):
        over = task.state is TaskState.COMPLETED
        raise FilesUnavailable("The task has no directory.", reason="cleaned up" if over else "not made yet")
    return Place(tree, directory, call.url("jobs", job, "tasks", name, "files"))


_MISSING = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENXIO,
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EISDIR,
    errno.ENODEV,
}


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn what the operating system says of `name` into the refusals of the engine's family."""
    try:
        yield
    except Escapes as error:
        raise PathRefused(f"The path {name!r} leads out of its root.") from error
    except OSError as error:
        if error.errno in _MISSING or isinstance(error, FileNotFoundError | IsADirectoryError):
            raise NotFound("file", name) from error
        if error.errno == errno.ENOTEMPTY:
            reason = "A directory that is not empty is deleted with recursive=true."
            raise Refusal("OperationInvalidForCurrentState", Reason=reason) from error
        if error.errno in {errno.EACCES, errno.EPERM}:
            raise Refusal("IOError", Reason="The server may not do that with this file.") from error
        raise
