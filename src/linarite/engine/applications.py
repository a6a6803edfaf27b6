"""An account's applications with their versions, and what a reference to a package means now.

The zip files lie beside the store, by the digest of their content; a record here says which belongs to which version.
Source: BatchApplication of 2025-06-01; Batch NOTES section 13.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from linarite.engine.errors import AlreadyExists, InvalidValue, NotFound, UnknownPackages
from linarite.engine.packages import Package, PackageReference
from linarite.engine.ports import Transaction

MOST_APPLICATIONS, MOST_VERSIONS, MOST_ON_A_POOL = 20, 40, 10

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Version(msgspec.Struct, frozen=True):
    """One package of an application: its content's digest (SHA-256) and size in bytes, and when it was put there."""

    digest: str
    size: int
    added_at: int


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application. With `allow_updates` a version may be put there again with another content."""

    id: str
    display_name: str = ""
    allow_updates: bool = True
    default: str | None = None
    versions: dict[str, Version] = {}

    def version(self, name: str) -> str | None:
        """The version as it is written, found without regard to case."""
        return next((known for known in self.versions if known.lower() == name.lower()), None)


def _kind(account: str) -> str:
    return f"application:{account}"


def find(tx: Transaction, account: str, id: str, now: int) -> Application | None:
    """The application of that id, without regard to case."""
    value = tx.documents.get(_kind(account), id.lower(), now)
    return None if value is None else msgspec.convert(value, Application)


def everyone(tx: Transaction, account: str, now: int) -> list[Application]:
    """All applications of an account by their ids; there are few."""
    return [msgspec.convert(value, Application) for _, value in sorted(tx.documents.all(_kind(account), now).items())]


def get(tx: Transaction, account: str, id: str, now: int) -> Application:
    """The application. Raises NotFound."""
    found = find(tx, account, id, now)
    if found is None:
        raise NotFound("application", id)
    return found


def put(tx: Transaction, account: str, application: Application) -> Application:
    """Store an application, in place of the one of that id."""
    tx.documents.put(_kind(account), application.id.lower(), msgspec.to_builtins(application))
    return application


def add(tx: Transaction, account: str, id: str, name: str, version: Version) -> Application:
    """Put a version there, of a new or a known application. Raises InvalidValue, AlreadyExists."""
    for what, pattern, text in (("application", _ID, id), ("version", _VERSION, name)):
        if not pattern.fullmatch(text) or text in {".", ".."}:
            raise InvalidValue(
                what, text, "it has 1 to 64 letters, digits, hyphens and underscores, a version dots too"
            )
    found = find(tx, account, id, version.added_at)
    if found is None:
        if len(everyone(tx, account, version.added_at)) >= MOST_APPLICATIONS:
            raise InvalidValue("application", id, f"an account has at most {MOST_APPLICATIONS} applications")
        found = Application(id=id)
    known = found.version(name)
    if known is not None and not found.allow_updates:
        raise AlreadyExists("version", f"{found.id}:{known}")
    if known is None and len(found.versions) >= MOST_VERSIONS:
        raise InvalidValue("version", name, f"an application has at most {MOST_VERSIONS} versions")
    return put(tx, account, replace(found, versions={**found.versions, known or name: version}))


def remove(tx: Transaction, account: str, id: str, version: str | None, now: int) -> Application | None:
    """Remove a version, or the whole application; gives what is left of it. Raises NotFound."""
    found = get(tx, account, id, now)
    if version is None:
        tx.documents.delete(_kind(account), id.lower())
        return None
    known = _known(found, version)
    versions = {name: kept for name, kept in found.versions.items() if name != known}
    return put(
        tx, account, replace(found, versions=versions, default=None if found.default == known else found.default)
    )


def set_default(tx: Transaction, account: str, id: str, version: str | None, now: int) -> Application:
    """Let references without a version mean this one; None: they mean none. Raises NotFound."""
    found = get(tx, account, id, now)
    return put(tx, account, replace(found, default=None if version is None else _known(found, version)))


def _known(application: Application, version: str) -> str:
    known = application.version(version)
    if known is None:
        raise NotFound("version", f"{application.id}:{version}")
    return known


def resolve(tx: Transaction, account: str, references: Sequence[PackageReference], now: int) -> tuple[Package, ...]:
    """What the references mean now; one that means nothing has no digest, and fails where it is to be used."""
    return tuple([_resolve(tx, account, reference, now) for reference in references])


def _resolve(tx: Transaction, account: str, reference: PackageReference, now: int) -> Package:
    found = find(tx, account, reference.application, now)
    wanted = reference.version or (found.default if found else None)
    version = found.version(wanted) if found and wanted else None
    if found is None or version is None:
        return Package(application=reference.application, version=reference.version or "")
    return Package(
        application=found.id, version=version, digest=found.versions[version].digest,
        by_default=reference.version is None,
    )  # fmt: skip


def check(tx: Transaction, account: str, references: Sequence[PackageReference], now: int) -> None:
    """See that the references of a pool can be satisfied. Raises UnknownPackages, InvalidValue."""
    if len(references) > MOST_ON_A_POOL:
        reason = f"a pool has at most {MOST_ON_A_POOL} packages."
        raise InvalidValue("applicationPackageReferences", str(len(references)), reason)
    missing = [package.label for package in resolve(tx, account, references, now) if not package.digest]
    if missing:
        raise UnknownPackages(missing)
