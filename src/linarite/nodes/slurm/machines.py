"""The machines of the cluster: how they are, and having them take nothing new.

Slurm is asked every few seconds; who listens hears of it when something has changed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import structlog

from linarite.engine.launching import Machine, MachineState, NodeRef, NodeUse
from linarite.nodes.slurm.commands import Host, Limits, Slurm, SlurmError
from linarite.nodes.slurm.options import Options

APART = 5.0
"""Seconds between two looks at least, unless the queue is looked at more than once a second."""
AT_START = 1.0
"""Seconds that a start waits for the first look: the server serves while slurmctld is away."""
DUPLICATE = "Duplicate jobid"
"""Why slurmctld drains a machine that still has a job by a number which a crash made it give out again."""

_log = structlog.get_logger(__name__)


class Machines:
    """The cluster's machines as `sinfo` told of them last, and those that are to be drained."""

    def __init__(self, slurm: Slurm, options: Options, told: Callable[[Sequence[Machine]], Awaitable[None]]) -> None:
        """`told` hears of the machines, all of them."""
        self._slurm, self._options, self._told = slurm, options, told
        self._hosts: dict[str, Host] = {}
        self._limits: Limits | None = None
        self._wanted: dict[str, bool] = {}
        self._asked, self._looked = asyncio.Event(), asyncio.Event()
        self._works: list[asyncio.Task[None]] = []

    async def start(self, limited: Callable[[Limits], None]) -> None:
        """Begin to look, and wait a moment for the first look. What the cluster allows is told to `limited`."""
        self._hosts, self._limits, self._wanted = {}, None, {}
        self._looked.clear()
        self._works = [asyncio.create_task(self._watch(limited)), asyncio.create_task(self._keep_held())]
        with suppress(TimeoutError):
            async with asyncio.timeout(AT_START):
                await self._looked.wait()

    async def stop(self) -> None:
        """Look no more."""
        for work in self._works:
            work.cancel()
        await asyncio.gather(*self._works, return_exceptions=True)

    async def _watch(self, limited: Callable[[Limits], None]) -> None:
        pause = max(APART, self._options.poll) if self._options.poll >= 1 else self._options.poll
        while True:
            await self._try(limited)
            self._looked.set()
            await asyncio.sleep(pause)

    async def _try(self, limited: Callable[[Limits], None]) -> None:
        try:
            if self._limits is None:
                self._limits = await self._slurm.limits()
                limited(self._limits)
            await self._look()
            if self._wanted:
                self._asked.set()
        except SlurmError as error:
            _log.warning("slurm_machines_not_seen", error=str(error))
        except Exception:  # noqa: BLE001 - the listener is another room; the next look comes soon
            _log.exception("slurm_machines_not_told")

    async def _look(self) -> None:
        """Tell of the machines where they are not as they were."""
        before, hosts = self._hosts, {host.machine.name: host for host in await self._slurm.hosts()}
        machines = [host.machine for host in hosts.values()]
        for machine in machines:
            if machine.state is MachineState.OFFLINE and machine.reason.startswith(DUPLICATE):
                await self._mend(machine, before)
        if machines != [host.machine for host in before.values()]:
            await self._told(machines)
        self._hosts = hosts

    async def _mend(self, machine: Machine, before: Mapping[str, Host]) -> None:
        """A machine that slurmctld drained after its own crash has nothing wrong with it: set it right, or say so."""
        if self._options.drains:
            _log.warning("slurm_machine_resumed", machine=machine.name, reason=machine.reason)
            await self._slurm.drain(machine.name, drained=False)
        elif machine.name not in before or before[machine.name].machine != machine:
            _log.error(
                "slurm_machine_drained", machine=machine.name, reason=machine.reason,
                hint=f"scontrol update nodename={machine.name} state=resume",
            )  # fmt: skip

    def hold(self, name: str, *, held: bool) -> None:
        """Have a machine drained or resumed, where the settings let us: at once, or when slurmctld answers again."""
        if self._options.drains:
            self._wanted[name] = held
            self._asked.set()

    async def _keep_held(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            for name, held in [*self._wanted.items()]:
                try:
                    await self._slurm.drain(name, drained=held, reason="Scheduling was disabled by a user of Linarite")
                except SlurmError as error:
                    _log.warning("slurm_machine_not_held", machine=name, error=str(error))
                    if not error.permanent:
                        continue
                if self._wanted.get(name) is held:
                    del self._wanted[name]

    def may_use(self, pool: str, size: str, machine: Machine) -> bool:
        """Whether the settings give the machine to the pool. Until the default partition is known, a named one must."""
        where = self._options.where(pool, size)
        if self._limits is None:
            return where.partition is not None and where.takes(machine, None)
        return where.takes(machine, self._limits.partition)

    def memory(self, name: str) -> int:
        """A machine's memory in MB, 0 when it is not known."""
        host = self._hosts.get(name)
        return 0 if host is None else host.machine.memory_mb

    def uses(self, nodes: Sequence[NodeRef], folder: str) -> list[NodeUse]:
        """What Slurm measured last on these nodes' machines, as far as they are known; the disk is that of `folder`."""
        disk = os.statvfs(folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        known = [(node, host) for node in nodes if (host := self._hosts.get(node.node)) is not None]
        return [
            NodeUse(
                node=node, cores=host.load, memory_bytes=host.used_bytes, disk_bytes=used, read_bytes=0, write_bytes=0
            )
            for node, host in known
        ]  # fmt: skip
