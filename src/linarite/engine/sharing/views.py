"""A file or directory as a caller sees it: what the tree has, with what is remembered about it."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import msgspec

from linarite.engine.errors import InvalidValue
from linarite.engine.sharing.ports import Item, version
from linarite.engine.sharing.records import Facts, Pinned, Share

DEFAULT_PERMISSION = "O:SYG:SYD:(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;AU)"
MAX_PERMISSION_BYTES = 8192


class Settings(msgspec.Struct, kw_only=True):
    """What a request sets on a file or directory. None leaves a value as it is (or at its default when new).

    `content` replaces all content headers together with `md5`, `merged` only those that it names. Times are nanoseconds
    since the epoch. `archive` adds that attribute to whatever the others are. `inherits`: what is new takes what it can
    inherit from the directory above into its permission. `is_smb`: the request speaks of SMB in yet another way.
    """

    metadata: dict[str, str] | None = None
    content: dict[str, str] | None = None
    merged: dict[str, str] = {}
    md5: str | None = None
    attributes: tuple[str, ...] | None = None
    created: int | None = None
    written: int | None = None
    changed: int | None = None
    owner: str | None = None
    group: str | None = None
    mode: str | None = None
    permission: str | None = None
    descriptor: str | None = None
    from_source: frozenset[str] = frozenset()
    archive: bool = False
    inherits: bool = False
    is_smb: bool = False

    @property
    def protocols(self) -> set[str]:
        """The protocols whose own properties are set."""
        found = set()
        if self.is_smb or self.attributes or self.permission is not None or self.descriptor is not None:
            found.add("SMB")
        if any(value is not None for value in (self.owner, self.group, self.mode)):
            found.add("NFS")
        return found

    @property
    def is_metadata_only(self) -> bool:
        """Whether nothing but metadata is set."""
        return self == Settings(metadata=self.metadata) and self.metadata is not None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """An answer's facts. Times in nanoseconds since the epoch."""

    share: Share
    item: Item
    facts: Facts

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes; a file is made with Archive, a directory always has Directory."""
        given = self.facts.attributes
        if self.item.is_directory:
            return (*(given or ()), "Directory")
        return ("Archive",) if given is None else given

    @property
    def is_nfs(self) -> bool:
        """Whether it has the properties of NFS, not those of SMB."""
        return self.share.protocol == "NFS"

    @property
    def owner(self) -> str:
        """The number of the user who owns it; root by default."""
        return self.facts.owner or "0"

    @property
    def group(self) -> str:
        """The number of the group that owns it; root by default."""
        return self.facts.group or "0"

    @property
    def mode(self) -> str:
        """Its permission bits in octal."""
        if self.item.is_link:
            return "0777"
        return self.facts.mode or ("0755" if self.item.is_directory else "0664")

    @property
    def created(self) -> int:
        """When it was made, as far as is known."""
        return self.modified if self.facts.created is None else self.facts.created

    @property
    def modified(self) -> int:
        """When it was last changed. What comes and goes in a directory that was made here is no change of it."""
        stamped = self.facts.stamped if self.item.is_directory else None
        return self.item.modified if stamped is None else stamped

    @property
    def version(self) -> int:
        """A number that moves with each change; it is what its tag shows."""
        if self.item.is_directory:
            return version(self.modified, 0, self.item.id, 0)
        return self.item.version

    @property
    def written(self) -> int:
        """When its bytes last changed, or what the client says about that."""
        return _value(self.facts.written, self.modified)

    @property
    def changed(self) -> int:
        """When anything about it last changed, or what the client says about that."""
        return _value(self.facts.changed, self.modified)

    @property
    def md5(self) -> str | None:
        """The stored MD5, unless another program changed the bytes."""
        if self.facts.md5_at != self.item.modified:
            return None
        is_same = bool(self.share.snapshot) or self.facts.md5_of == self.item.version
        return self.facts.md5 if is_same else None

    @property
    def permission(self) -> str:
        """The key of its security descriptor."""
        return self.facts.permission or permission_key(DEFAULT_PERMISSION)


def settle(facts: Facts, settings: Settings, before: View | None, after: Item) -> Facts:
    """The facts once `settings` were applied and the tree stamped `after`. `before` None: everything is new."""
    now = after.modified
    kept = before.md5 if before else None
    content, md5 = (facts.content, kept) if settings.content is None else (settings.content, settings.md5)
    content = {**content, **settings.merged}
    written = settings.written if settings.written is not None else before.written if before else None
    return msgspec.structs.replace(
        facts,
        metadata=facts.metadata if settings.metadata is None else settings.metadata,
        content=content,
        md5=md5,
        md5_at=now if md5 else 0,
        md5_of=after.version if md5 else 0,
        stamped=now if after.is_directory else None,
        attributes=facts.attributes if settings.attributes is None else _attributes(settings),
        created=_created(facts, settings, before, after),
        owner=facts.owner if settings.owner is None else settings.owner,
        group=facts.group if settings.group is None else settings.group,
        mode=facts.mode if settings.mode is None else settings.mode,
        born=facts.born if before else after.modified,
        mark=after.mark or "",
        inode=after.id,
        written=None if written is None else Pinned(value=written, at=now),
        changed=None if settings.changed is None else Pinned(value=settings.changed, at=now),
        permission=facts.permission if settings.permission is None else settings.permission,
    )


@lru_cache(1024)
def permission_key(descriptor: str) -> str:
    """The name of a security descriptor: the same text has the same key."""
    digest = hashlib.sha256(descriptor.encode()).digest()
    return f"{int.from_bytes(digest[:8])}*{int.from_bytes(digest[8:16])}"


def check_descriptor(descriptor: str) -> None:
    """A security descriptor has an owner, a group and a discretionary list, and at most 8 KiB."""
    if len(descriptor.encode()) > MAX_PERMISSION_BYTES:
        raise InvalidValue("permission", len(descriptor), "size")
    if not descriptor.startswith("O:") or "G:" not in descriptor or "D:" not in descriptor:
        raise InvalidValue("permission", descriptor, "no security descriptor")


def _attributes(settings: Settings) -> tuple[str, ...]:
    given = settings.attributes or ()
    return (*given, "Archive") if settings.archive and "Archive" not in given else given


def _created(facts: Facts, settings: Settings, before: View | None, after: Item) -> int:
    if settings.created is not None:
        return settings.created
    return before.created if before else after.modified


def _value(pinned: Pinned | None, modified: int) -> int:
    return pinned.value if pinned is not None and pinned.at == modified else modified
