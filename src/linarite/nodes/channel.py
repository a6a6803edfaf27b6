"""Finding or starting a host, and the server's end of the connection to it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from linarite.nodes.environment import passed_on
from linarite.nodes.journal import read_history
from linarite.nodes.open_files import as_given
from linarite.nodes.places import HostPlace
from linarite.nodes.wire import Frames, Message, Request, WireError, pack

_CONNECT_DEADLINE = 10.0
_START_DEADLINE = 60.0
"""Seconds until a host must have said hello. A new one imports, outwaits its predecessor and ends its leftovers."""

_REQUESTS_A_FRAME = 64


class HostUnavailableError(Exception):
    """The host can be neither reached nor started."""


class Channel(asyncio.Protocol):
    """A connection to a host."""

    def __init__(self) -> None:
        """Wait for the event loop to connect it."""
        self._frames = Frames()
        self._received: list[Message] = []
        self._unsent: list[Request] = []
        self._closed = False
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what requests are written to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep the whole messages of it for `receive`; what is no message ends the connection."""
        self._frames.feed(data)
        try:
            self._received.extend(self._frames.messages())
        except WireError:
            self.close()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake `receive`: nothing more comes."""
        self._closed = True
        self._news.set()

    async def receive(self) -> list[Message]:
        """Give all that came since the last call, waiting for something; an empty list when the host is gone."""
        while not self._received and not self._closed:
            self._news.clear()
            await self._news.wait()
        received, self._received = self._received, []
        return received

    def send(self, requests: Sequence[Request]) -> None:
        """Send the requests, with all others of this turn of the event loop: each frame wakes the host."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += requests

    def _flush(self) -> None:
        """Write frames of a size that the host gets through quickly."""
        unsent, self._unsent = self._unsent, []
        if self._transport is not None and not self._closed:
            for at in range(0, len(unsent), _REQUESTS_A_FRAME):
                self._transport.write(pack(unsent[at : at + _REQUESTS_A_FRAME]))

    def close(self) -> None:
        """Let go of the host, once it was sent all that was asked."""
        if self._unsent:
            self._flush()
        if self._transport is not None:
            self._transport.close()


class HostStarter:
    """How one host is reached: over its socket where it runs, as a new process where it does not."""

    def __init__(self, place: HostPlace, ca_file: Path | None, patience: float) -> None:
        """`ca_file` and `patience` (seconds) are for the host's fetches."""
        self.place = place
        self._ca_file = ca_file
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._ends: set[int] = set()

    async def connect(self, *, needed: bool) -> tuple[Channel, list[Message]] | None:
        """Reach the host and give its first messages. Raises HostUnavailableError, OSError.

        Where none runs one is started, if it is `needed` or a predecessor left something to tell; otherwise None.
        """
        connection = self._find()
        if connection is not None:
            greeted = await self._greet(connection, _CONNECT_DEADLINE)
            if greeted is not None:
                return greeted
            # It was just leaving.
        if not needed and not read_history(Path(self.place.folder)).runs:
            return None
        greeted = await self._greet(self._start(), _START_DEADLINE)
        if greeted is None:
            raise HostUnavailableError(f"The node host in {self.place.folder} does not start; see its file `log`.")
        return greeted

    async def _greet(self, connection: socket.socket, deadline: float) -> tuple[Channel, list[Message]] | None:
        """Wait for the host's first messages; None when it has gone away. Raises HostUnavailableError."""
        _, channel = await asyncio.get_running_loop().create_unix_connection(Channel, sock=connection)
        try:
            async with asyncio.timeout(deadline):
                first = await channel.receive()
        except TimeoutError:
            channel.close()
            self._discard()
            raise HostUnavailableError(f"The node host in {self.place.folder} says nothing.") from None
        except asyncio.CancelledError:
            channel.close()
            raise
        if not first:
            channel.close()
        return (channel, first) if first else None

    def _find(self) -> socket.socket | None:
        """Connect to the socket of a running host."""
        try:
            folder = os.open(self.place.folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(0)
        try:
            # The path of a socket has at most 107 bytes, that of a data folder may have more.
            connection.connect(f"/proc/self/fd/{folder}/s")
        except OSError:
            connection.close()
            return None
        else:
            return connection
        finally:
            os.close(folder)

    def _start(self) -> socket.socket:
        """Start a host that is connected from the first: no socket has to be waited for."""
        place = self.place
        os.makedirs(place.folder, mode=0o700, exist_ok=True)
        command = [sys.executable, "-P", "-s", "-m", "linarite.nodes.host", "--folder", place.folder]
        command += ["--patience", str(self._patience)]
        who = (("--uid", place.uid), ("--gid", place.gid), ("--owner", place.owner))
        for option, value in (*who, ("--ca-file", self._ca_file)):
            command += [] if value is None else [option, str(value)]
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        environment = passed_on()
        with theirs, open(f"{place.folder}/log", "ab") as log:
            self._process = subprocess.Popen(
                as_given(command), stdin=theirs.fileno(), stdout=log, stderr=log, cwd="/", env=environment,
                start_new_session=True,
            )  # fmt: skip
        self._watch(self._process)
        return ours

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Take note of the end of the process when it comes, so that it stays no zombie."""
        loop = asyncio.get_running_loop()
        end = os.pidfd_open(process.pid)

        def on_end() -> None:
            loop.remove_reader(end)
            os.close(end)
            process.poll()
            self._ends.discard(end)

        self._ends.add(end)
        loop.add_reader(end, on_end)

    def close(self) -> None:
        """Leave what was started to itself."""
        for end in self._ends:
            asyncio.get_running_loop().remove_reader(end)
            os.close(end)
        self._ends.clear()

    def _discard(self) -> None:
        """Kill a process of ours that never said hello: it started no run, and may hold the folder's lock."""
        if self._process is not None:
            self._process.kill()
            self._process = None
