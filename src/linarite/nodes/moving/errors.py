"""What can go wrong when a file is moved. Each becomes a `Problem`, in the engine's words."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from linarite.engine.launching import Problem


class MovingError(Exception):
    """A file was not moved: `problem` tells it."""

    def __init__(self, code: str, message: str, details: Mapping[str, object], *, user: bool = True) -> None:
        """Keep the facts of the report; `details` that are None are left out."""
        super().__init__(message)
        known = {name: str(value) for name, value in details.items() if value is not None}
        self.problem = Problem(code=code, message=message, user=user, details=known)


class TransientError(MovingError):
    """Worth another try: the other side may be starting again."""


class CancelledMoveError(Exception):
    """Nobody waits for the file any more."""


class Stop:
    """A sign that moving shall end: set for one part of an errand, or for all of it at the `outer` sign."""

    def __init__(self, outer: Stop | None = None) -> None:
        """Not set yet."""
        self._event = threading.Event()
        self._outer = outer

    def set(self) -> None:
        """Give the sign; callable from any thread."""
        self._event.set()

    def is_set(self) -> bool:
        """Tell whether the sign was given, here or further out."""
        return self._event.is_set() or (self._outer is not None and self._outer.is_set())

    def check(self) -> None:
        """Raise CancelledMoveError once the sign was given."""
        if self.is_set():
            raise CancelledMoveError

    def pause(self, seconds: float) -> None:
        """Let `seconds` pass, or less when the sign is given. Raises CancelledMoveError then."""
        self._event.wait(seconds)
        self.check()


def public_url(url: str) -> str:
    """Give the URL without its query, fragment and user part, which may hold secrets."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}{parts.path}"


@contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Tell of what the node's disk refuses while the file `path` is written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MovingError("disk-full", "The node's disk is full.", {"FilePath": path}, user=False) from error
        message = f"The file path {path!r} cannot be written: {error.strerror}."
        raise MovingError("fetch-path", message, {"FilePath": path}) from error
