"""The server's half of one host: keep it running while there is work, pass requests on, hear its reports.

A request stays pending until the host has answered it, and goes to a successor in the same order; the host's first
message tells what it knows already, so nothing is asked twice that would be done twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import TypeVar

import structlog

from linarite.engine.errors import Unavailable
from linarite.engine.launching import (
    NodeReady,
    NodeRef,
    NodeReport,
    NodeUnusable,
    Report,
    RunExited,
    RunFailed,
    RunLost,
    RunReturned,
    RunStarted,
    Usage,
)
from linarite.engine.ports import Listener
from linarite.nodes.channel import Channel, HostStarter, HostUnavailableError
from linarite.nodes.wire import (
    Acknowledge,
    EndRun,
    Hello,
    LaunchRun,
    MakeNode,
    Measure,
    Measured,
    MeasureRuns,
    Message,
    NodeFailed,
    NodeMade,
    Remove,
    Removed,
    Request,
    RootUse,
    RunsMeasured,
    Sweep,
)

T = TypeVar("T")
LONGEST_PAUSE = 30.0
_FIRST_PAUSE = 0.1
"""Seconds between tries when a host does not start or the listener fails; each is twice as long as the one before."""
_LOOK, _SOON = 10.0, 2.0
"""Seconds in which a host tells what its runs use: for a sample, which else lacks, and for who waits for an answer."""
_LASTING = 10.0
"""Seconds after which a host counts as sound."""

_log = structlog.get_logger(__name__)


def _nothing() -> None:
    """Follow a removal that an earlier server asked for."""


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("node_host_link_failed", host=task.get_name(), exc_info=error)


class HostLink:
    """One host, as the server sees it."""

    def __init__(self, starter: HostStarter, listener: Listener, on_idle: Callable[[HostLink], None]) -> None:
        """`starter` finds or starts the host; `listener` hears what it reports.

        `on_idle` is called whenever the host has told all and nothing is asked of it.
        """
        self._on_idle = on_idle
        self._starter = starter
        self._listener = listener
        self._channel: Channel | None = None
        self._pending: dict[tuple[str, str], Request] = {}
        self._nodes: dict[str, NodeRef] = {}
        self._after_removal: dict[str, Callable[[], None]] = {}
        self._runs: set[str] = set()
        self._asked: dict[int, asyncio.Future[Measured | RunsMeasured | None]] = {}
        self._numbers = count()
        self._work = asyncio.Event()
        self._stopping = asyncio.Event()
        self.greeted = asyncio.Event()
        self._task = asyncio.create_task(self._keep(), name=f"host {starter.place.folder}")
        self._task.add_done_callback(_tell_of_failure)

    def knows(self, run: str) -> bool:
        """Whether `run` was given to this host, or told by it, and has not been acknowledged."""
        return run in self._runs

    def visit(self) -> None:
        """Find the host, or start it where a predecessor left something to tell."""
        self._work.set()

    def make_node(self, node: NodeRef, request: MakeNode) -> None:
        """Ask for the folders of a node and what is to be there."""
        self._nodes[request.root] = node
        self._ask({("node", request.root): request})

    def launch(self, requests: Sequence[LaunchRun]) -> None:
        """Ask to start runs."""
        self._runs.update(request.launch.run for request in requests)
        self._ask({("launch", request.launch.run): request for request in requests})

    def end(self, runs: Sequence[str], grace: float, *, outputs: bool) -> None:
        """Ask to end runs."""
        self._ask({("end", run): EndRun(run, grace, outputs) for run in runs})

    def remove(self, request: Remove, then: Callable[[], None]) -> None:
        """Ask to remove a folder; `then` is called once it is out of the way."""
        self._after_removal[request.path] = then
        self._ask({("remove", request.path): request})

    def sweep(self, trash: str) -> None:
        """Ask to go on emptying a folder of removed folders; not repeated, the next start of the server asks again."""
        self._ask({("sweep", trash): Sweep(trash)})

    async def measure(self, roots: Sequence[str]) -> list[RootUse] | None:
        """What the runs on nodes use; nothing of a host that has none, None of one that does not answer in time."""
        if self._channel is None:
            return None if self._runs else []
        answer = await self._answer(self._channel, lambda number: Measure(number, list(roots)), _LOOK)
        return answer.uses if isinstance(answer, Measured) else None

    async def usages(self, runs: Sequence[str]) -> dict[str, Usage]:
        """What runs of this host have used, as far as it tells soon."""
        if self._channel is None:
            return {}
        answer = await self._answer(self._channel, lambda number: MeasureRuns(number, list(runs)), _SOON)
        return answer.usages if isinstance(answer, RunsMeasured) else {}

    async def _answer(
        self, channel: Channel, ask: Callable[[int], Request], patience: float
    ) -> Measured | RunsMeasured | None:
        """What the host says to a question that is asked once; None when it does not in so many seconds."""
        number = next(self._numbers)
        answer: asyncio.Future[Measured | RunsMeasured | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        channel.send([ask(number)])
        try:
            async with asyncio.timeout(patience):
                return await answer
        except TimeoutError:
            return None
        finally:
            self._asked.pop(number, None)

    async def stop(self) -> None:
        """Let go of the host; what the listener is being told is told to the end."""
        self._stopping.set()
        if self._channel is not None:
            self._channel.close()
        else:
            self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._starter.close()

    def let_go(self) -> None:
        """Let a host that has nothing to do leave; the next request starts it again."""
        if self._channel is not None and not self._needed:
            self._channel.close()
            self._channel = None

    def _ask(self, requests: dict[tuple[str, str], Request]) -> None:
        for key, request in requests.items():
            self._pending.pop(key, None)  # asked again, it comes behind what was asked in between
            self._pending[key] = request
        if self._channel is not None:
            self._send(self._channel, list(requests.values()))
        self._work.set()

    def _send(self, channel: Channel, requests: list[Request]) -> None:
        channel.send(requests)
        for request in requests:
            if isinstance(request, Sweep):
                self._pending.pop(("sweep", request.trash), None)

    async def _keep(self) -> None:
        """Hold a connection for as long as there is work."""
        pause = _FIRST_PAUSE
        while True:
            await self._work.wait()
            began = time.monotonic()
            try:
                reached = await self._starter.connect(needed=self._needed)
            except (HostUnavailableError, OSError) as error:
                await self._on_unavailable(str(error))
            else:
                if reached is not None:
                    await self._converse(*reached)
                self.greeted.set()
                if not self._needed:
                    self._work.clear()
            if self._stopping.is_set():
                return
            # A successor follows at once, but not without end when each dies of the same thing.
            if time.monotonic() - began > _LASTING or not self._work.is_set():
                pause = _FIRST_PAUSE
            else:
                await self._wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    @property
    def _needed(self) -> bool:
        return bool(self._pending or self._runs)

    async def _converse(self, channel: Channel, messages: list[Message]) -> None:
        """Hear the host until the connection ends."""
        self._learn(messages)
        # In one turn with the messages before: what is asked from here on is not among the pending ones sent now.
        self._channel = channel
        self._send(channel, list(self._pending.values()))
        self.greeted.set()
        try:
            while messages and not self._stopping.is_set():
                await self._deliver(channel, messages)
                if not self._needed:
                    self._on_idle(self)
                messages = await channel.receive()
                self._learn(messages)
        finally:
            self._channel = None
            channel.close()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_result(None)
        if self._needed and not self._stopping.is_set():
            _log.warning("node_host_gone", host=self._starter.place.folder, runs=len(self._runs))

    def _learn(self, messages: Sequence[Message]) -> None:
        """Note what is answered."""
        for message in messages:
            match message:
                case RunStarted() | RunReturned():
                    self._pending.pop(("launch", message.run), None)
                case RunExited() | RunFailed() | RunLost():
                    self._pending.pop(("launch", message.run), None)
                    self._pending.pop(("end", message.run), None)
                case Hello():
                    self._runs.update(message.runs)
                    for run in message.runs:
                        self._pending.pop(("launch", run), None)
                case Removed():
                    self._pending.pop(("remove", message.path), None)
                    self._after_removal.pop(message.path, _nothing)()
                case Measured() | RunsMeasured():
                    if (answer := self._asked.get(message.number)) is not None and not answer.done():
                        answer.set_result(message)
                case NodeMade() | NodeFailed():
                    self._pending.pop(("node", message.root), None)

    async def _deliver(self, channel: Channel, messages: Sequence[Message]) -> None:
        """Tell the listener, then let the host forget what has ended."""
        reports: list[Report] = [m for m in messages if isinstance(m, Report)]
        if reports and await self._tell(self._listener.on_reports, reports):
            ended = [report.run for report in reports if not isinstance(report, RunStarted | RunReturned)]
            self._runs.difference_update(ended)
            if ended:
                channel.send([Acknowledge(ended)])
        nodes = [report for m in messages if (report := self._node_report(m)) is not None]
        if nodes:
            await self._tell(self._listener.on_node_reports, nodes)

    def _node_report(self, message: Message) -> NodeReport | None:
        if not isinstance(message, NodeMade | NodeFailed) or (node := self._nodes.pop(message.root, None)) is None:
            return None
        if isinstance(message, NodeMade):
            return NodeReady(node=node)
        return NodeUnusable(node=node, message=message.message, code=message.code, details=message.details)

    async def _on_unavailable(self, message: str) -> None:
        """Tell of the nodes that wait for a host that cannot be had; everything else waits for a better time."""
        _log.error("node_host_unavailable", host=self._starter.place.folder, error=message)
        nodes: list[NodeReport] = [NodeUnusable(node=node, message=message) for node in self._nodes.values()]
        for root in self._nodes:
            self._pending.pop(("node", root), None)
        self._nodes.clear()
        if nodes:
            await self._tell(self._listener.on_node_reports, nodes)

    async def _tell(self, call: Callable[[Sequence[T]], Awaitable[None]], batch: Sequence[T]) -> bool:
        """Tell the listener until it has committed; False when we stop before: a later start tells it again."""
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                await call(batch)
            except Exception as error:  # noqa: BLE001 - whatever kept the listener from committing, it must hear this again
                _log_not_committed(error, len(batch), pause)
                await self._wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return True
        return False

    async def _wait(self, seconds: float) -> None:
        """Let `seconds` pass, or less when we stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def _log_not_committed(error: Exception, reports: int, pause: float) -> None:
    """A store that cannot be used, as on a full disk, is a line each time; anything else is told as it is."""
    if isinstance(error, Unavailable):
        why = str(error.__cause__ or error).partition("\n")[0]
        _log.warning("reports_not_committed", reports=reports, again_in_seconds=pause, why=why)
    else:
        _log.error("reports_not_committed", reports=reports, again_in_seconds=pause, exc_info=error)
