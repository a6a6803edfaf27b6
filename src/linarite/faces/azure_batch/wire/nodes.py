"""What is done to nodes, as clients send it. Source: BatchNodeRebootOptions and its like of 2025-06-01."""

from __future__ import annotations

from linarite.engine.model import OnRunning
from linarite.faces.azure_batch.wire.decoding import Body
from linarite.faces.azure_batch.wire.values import word_of

OPTIONS = {
    "requeue": OnRunning.REQUEUE, "terminate": OnRunning.TERMINATE, "taskcompletion": OnRunning.WAIT,
    "retaineddata": OnRunning.RETAIN,
}  # fmt: skip
SCHEDULING_OPTIONS = {name: OPTIONS[name] for name in ("requeue", "terminate", "taskcompletion")}


class NodeReboot(Body):
    """The body of Reboot Node."""

    node_reboot_option: str | None = None


class NodeReimage(Body):
    """The body of Reimage Node."""

    node_reimage_option: str | None = None


class NodeDeallocate(Body):
    """The body of Deallocate Node."""

    node_deallocate_option: str | None = None


class NodeDisable(Body):
    """The body of Disable Node Scheduling."""

    node_disable_scheduling_option: str | None = None


def option(value: str | None, name: str, options: dict[str, OnRunning] = OPTIONS) -> OnRunning:
    """What becomes of the tasks of a node; `requeue` unless it is said."""
    return options[word_of(tuple(options), value, name) or "requeue"]
