"""What is taken away once a command line has ended: a record of tasks, and a part of their launches."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class UploadWhen(StrEnum):
    """How the command line must have ended: with exit code 0, with another one, or anyhow."""

    SUCCESS = "success"
    FAILURE = "failure"
    COMPLETION = "completion"


class OutputFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The files that match `pattern` (relative to the working directory) go to the blob container at `url`.

    `path` is the blob's name when the pattern has no wildcard, else what comes before the names. `headers` go with each
    request; a value may be missing. `identity` names a managed identity that alone may write there.
    """

    pattern: str
    url: str
    path: str | None = None
    headers: tuple[tuple[str, str | None], ...] = ()
    when: UploadWhen = UploadWhen.COMPLETION
    identity: str | None = None

    def due(self, code: int) -> bool:
        """Tell whether the files go after exit code `code`."""
        return self.when is UploadWhen.COMPLETION or (self.when is UploadWhen.SUCCESS) is (code == 0)
