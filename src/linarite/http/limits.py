"""How much and how long a client may send before its request begins: an unknown caller has cost us little by then."""

from __future__ import annotations

import asyncio

from linarite.http.spelling import SpellingProtocol

HEAD = 64 * 1024
"""Bytes that the first line and the header fields of a request may have together."""
SECONDS = 75.0
"""In which they must have come, counted from the connection or from the first byte of a later request."""
FAREWELL = 1.0
"""Seconds left to a client to take the end of an idle connection: one of https has to answer, and many do not look."""


class LimitedProtocol(SpellingProtocol):
    """Closes a connection whose next request has a head that is too long or too slow."""

    _received = 0
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._end_of_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless a head has no end."""
        super().data_received(data)
        if self._due is not None:
            self._received += len(data)
            if self._received > HEAD:
                self._end_of_head()
                self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        if self._due is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """The end of a head."""
        self._end_of_head()
        super().on_headers_complete()

    def shutdown(self) -> None:
        """Let a request in flight end, an idle connection now."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(FAREWELL, self.transport.abort)

    def _await_head(self) -> None:
        self._received = 0
        self._due = self.loop.call_later(SECONDS, self._too_slow)

    def _too_slow(self) -> None:
        if self.flow.read_paused:
            self._await_head()  # we are the ones who do not read: earlier requests are answered first
        else:
            self.timeout_keep_alive_handler()

    def _end_of_head(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
