"""Nodes that stand, without a cluster: node hosts of this machine, called by the names that a test makes up.

Runs are real processes. What a cluster does beyond that (turns, drains, losses) is what the test tells.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.launching import Machine, MachineState, NodeRef
from linarite.engine.ports import ClusterListener
from linarite.nodes.local import LocalNodes


class StandingNodes(LocalNodes):
    """Implements `engine.ports.Nodes`; `machines` are told at the start. `held` is what was asked of them."""

    machines: tuple[Machine, ...] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.held: list[tuple[str, bool]] = []

    @property
    def standing(self) -> bool:
        return True

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        return not size or size in machine.groups

    async def hold(self, node: NodeRef, *, held: bool) -> None:
        self.held.append((node.node, held))

    async def start(self, listener: ClusterListener) -> None:
        await super().start(listener)
        await listener.on_machines(self.machines)


def machine(name: str, state: MachineState = MachineState.IDLE, **told: Any) -> Machine:
    """A machine of 8 processors and 16 GB."""
    return Machine(name=name, state=state, **{"cpus": 8, "memory_mb": 16_000, "groups": ("long",), **told})
