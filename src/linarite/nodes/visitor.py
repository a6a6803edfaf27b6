"""What wakes a host's loop: its connection to the server, and a pipe for signals and threads."""

from __future__ import annotations

import os
import signal
import socket

from linarite.nodes.wire import Frames, Message, Request, pack


class Visitor:
    """The connection to the server: frames in, frames out, never blocking."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over the connection."""
        connection.settimeout(0)
        self.connection = connection
        self._frames = Frames()
        self._unsent = bytearray()

    def receive(self) -> list[Request] | None:
        """Give what the server asks; None when it is gone. Raises WireError."""
        try:
            data = self.connection.recv(1 << 18)
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        self._frames.feed(data)
        return list(self._frames.requests())

    def send(self, batch: list[Message]) -> bool:
        """Send the batch and what is left of earlier ones; False when the server is gone."""
        if batch:
            self._unsent += pack(batch)
        try:
            while self._unsent:
                del self._unsent[: self.connection.send(self._unsent)]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    @property
    def waits(self) -> bool:
        """Whether something is left to send."""
        return bool(self._unsent)


class Wake:
    """A pipe that ends the loop's waiting: on SIGCHLD, and when a thread has something."""

    def __init__(self) -> None:
        """Make the pipe and let signals write to it."""
        self.read_end, self._write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)

    def wake(self) -> None:
        """End the waiting; callable from any thread."""
        try:
            os.write(self._write_end, b"\0")
        except BlockingIOError:
            return

    def clear(self) -> None:
        """Read what was written."""
        try:
            os.read(self.read_end, 4096)
        except BlockingIOError:
            return
