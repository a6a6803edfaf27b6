"""Application packages as tasks, pools and nodes know them: references, and what those meant when they were used.

Source: ApplicationPackageReference of 2025-06-01; 'Azure Batch runtime environment variables' on learn.microsoft.com.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

_NO_NAME = re.compile(r"[^A-Za-z0-9_]")


class PackageReference(msgspec.Struct, frozen=True):
    """A package that a task or a pool asks for; without `version` the application's default one."""

    application: str
    version: str | None = None


class Package(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a reference meant when it was used: the content of `digest`, empty when there is no such package.

    `by_default`: no version was named.
    """

    application: str
    version: str = ""
    digest: str = ""
    by_default: bool = False

    @property
    def directory(self) -> str:
        """Where a node keeps it, relative to the node's root; another content of the same version is elsewhere."""
        return f"applications/{self.application.lower()}/{self.version.lower()}/{self.digest[:16]}"

    @property
    def label(self) -> str:
        """Name and version, as messages tell them."""
        return f"{self.application}:{self.version}" if self.version else self.application

    def variables(self) -> Iterable[str]:
        """The names of the variables that tell of its folder: in lower case as on Linux, and as the id is written."""
        names = [f"{self.application}_{self.version}"] + ([self.application] if self.by_default else [])
        flat = [_NO_NAME.sub("_", name) for name in names]
        return dict.fromkeys(f"AZ_BATCH_APP_PACKAGE_{name}" for one in flat for name in (one.lower(), one))
