"""Taking a run's files away to blob containers, and telling in its directory how that went.

Only what is below the task's directory is read, and only what the carrier's user may read: a link that leads out is
none of the task's files. One file that cannot be sent keeps no other one back. Source of the two logs' names and of
what they tell: 'Persist task data to Azure Storage' on learn.microsoft.com.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import IO

import msgspec

from linarite.engine.outputs import OutputFile
from linarite.fs.beneath import Beneath, Escapes
from linarite.nodes.moving.blobs import Storage, send_blob
from linarite.nodes.moving.errors import MovingError, Stop, public_url
from linarite.nodes.moving.patterns import LeavesDirectoryError, Pattern, expanded, matches, read_pattern
from linarite.nodes.moving.working import Patience, each

LOG, ERRORS = "fileuploadout.txt", "fileuploaderr.txt"


class Journey:
    """All that is taken away of one run. The first problem of each file is told; the first of all is the run's."""

    def __init__(self, storage: Storage, patience: Patience, directory: str, variables: Mapping[str, str]) -> None:
        """`directory` is the task's (absolute), `variables` its environment."""
        self._storage, self._patience = storage, patience
        self._directory, self._variables = directory, variables
        self._tree = Beneath(directory)
        self._problems: list[MovingError] = []
        self._writing = threading.Lock()

    def send(self, outputs: Sequence[OutputFile], stop: Stop) -> None:
        """Send what matches. Raises MovingError when something did not go, CancelledMoveError."""
        with self._logs() as (self._log, self._errors):
            for output in outputs:
                self._send_output(output, stop)
        if self._problems:
            raise self._problems[0]

    def _send_output(self, output: OutputFile, stop: Stop) -> None:
        try:
            pattern = self._read(output)
        except MovingError as error:
            self._fail(output, "", error)
            return
        self._tell(f"Uploading all files matching pattern {self._directory}/{pattern.full}")
        found = matches(self._tree, pattern)
        each(found, partial(self._send_file, output, pattern), stop)

    def _read(self, output: OutputFile) -> Pattern:
        """The pattern, once it is known that anything of it may go."""
        if output.identity is not None:
            message = f"The nodes of this server have no managed identity, so they are not {output.identity!r}."
            raise MovingError("upload-refused", message, {"ContainerUrl": public_url(output.url)})
        try:
            return read_pattern(expanded(output.pattern, self._variables), self._directory)
        except LeavesDirectoryError:
            message = "The pattern means files outside the task's directory."
            raise MovingError("upload-failed", message, {"FilePattern": output.pattern}) from None

    def _send_file(self, output: OutputFile, pattern: Pattern, path: str, stop: Stop) -> None:
        began = time.monotonic()
        name = blob_name(output, pattern, path)
        try:
            size = self._patience.keep(stop, partial(self._send_once, output, path, name, stop))
        except Escapes:
            self._tell(f"Not uploaded: {self._directory}/{path} is a link out of the task's directory")
        except FileNotFoundError:
            self._tell(f"Not uploaded: {self._directory}/{path} is no file")
        except MovingError as error:
            self._fail(output, path, error)
        else:
            seconds = time.monotonic() - began
            self._tell(f"Uploaded {self._directory}/{path} to {name}: {size} bytes in {seconds:.3f} s")

    def _send_once(self, output: OutputFile, path: str, name: str, stop: Stop) -> int:
        try:
            descriptor = self._tree.open_file(path)
        except (Escapes, FileNotFoundError):
            raise
        except (IsADirectoryError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except OSError as error:
            message = f"The file cannot be read: {error.strerror}."
            raise MovingError("upload-failed", message, self._details(output, path)) from error
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            size = os.fstat(descriptor).st_size
            send_blob(self._storage, output, name, file, size, self._details(output, path), stop)
        return size

    def _details(self, output: OutputFile, path: str) -> dict[str, object]:
        return {"FilePath": f"{self._directory}/{path}", "ContainerUrl": public_url(output.url)}

    def _fail(self, output: OutputFile, path: str, error: MovingError) -> None:
        """Tell of what did not go, in a line of JSON."""
        line = {
            "code": error.problem.details.get("StorageErrorCode") or error.problem.code,
            "user_error": error.problem.user,
            "pattern": output.pattern,
            "file": f"{self._directory}/{path}" if path else "",
            "destination": public_url(output.url),
            "message": error.problem.message,
        }
        with self._writing:
            self._problems.append(error)
            self._errors.write(msgspec.json.encode(line).decode() + "\n")
        self._tell(f"Not uploaded: {line['file'] or output.pattern}: {error.problem.message}")

    def _tell(self, text: str) -> None:
        with self._writing:
            moment = datetime.now(UTC)
            self._log.write(f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03} {text}\n")

    @contextmanager
    def _logs(self) -> Iterator[tuple[IO[str], IO[str]]]:
        """Make the two logs anew; a task may have put anything in their places."""
        try:
            for name in (LOG, ERRORS):
                with suppress(FileNotFoundError):
                    self._tree.unlink(name)
            log, errors = (self._open(name) for name in (LOG, ERRORS))
        except OSError as error:
            message = f"The logs of the upload cannot be written: {error.strerror}."
            raise MovingError("upload-failed", message, {}, user=False) from error
        with log, errors:
            yield log, errors

    def _open(self, name: str) -> IO[str]:
        descriptor = self._tree.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        return os.fdopen(descriptor, "w", buffering=1, encoding="utf-8", errors="surrogateescape")


def blob_name(output: OutputFile, pattern: Pattern, path: str) -> str:
    """What the file `path` is called in its container."""
    given = (output.path or "").strip("/")
    if not pattern.parts:
        return given or path.rpartition("/")[2]
    below = path[len(pattern.base) :].lstrip("/")
    return f"{given}/{below}" if given else below
