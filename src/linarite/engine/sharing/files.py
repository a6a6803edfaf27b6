"""What is done to files and directories: look, check, change the tree, then the facts, under the path's hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from msgspec.structs import replace

from linarite.engine.errors import InvalidValue, NotFound, NotSupported, Unavailable, WrongState
from linarite.engine.sharing import moves
from linarite.engine.sharing.keeping import keep, settled
from linarite.engine.sharing.known import alone, require
from linarite.engine.sharing.leases import FREE, Change, Claim, check_change, check_named
from linarite.engine.sharing.moves import Move
from linarite.engine.sharing.names import check_metadata, check_path
from linarite.engine.sharing.ports import Data, Item, Place, ShareTransaction
from linarite.engine.sharing.reading import NOTHING, Reading, check_condition
from linarite.engine.sharing.records import MAX_FILE_BYTES, Copy, Facts
from linarite.engine.sharing.tracing import as_recorded, following, following_with_room
from linarite.engine.sharing.views import (
    DEFAULT_PERMISSION,
    Settings,
    View,
    check_descriptor,
    permission_key,
    settle,
)

log = structlog.get_logger("linarite.sharing")


class Files(Reading):
    """Files and directories of all shares. Paths and settings are checked here."""

    @following
    async def create(
        self, place: Place, path: str, size: int, settings: Settings, claim: Claim, data: Data = b""
    ) -> View:
        """A new file of zeros (after `data`), in place of one that was there; an active lease stays."""
        _check_size(size)
        await self._check(place, path, settings)
        async with alone(self._store, self._tree, place, path):
            old = await self._replaceable(place, path, claim)
            limit = (await self._share(place)).limit
            item = await self._tree.create(place, old.item.path if old else path, size, data, limit=limit)
            kept = Facts(lease=old.facts.lease) if old else Facts()
            return await self._settled(place, kept, settings, None, item, is_fresh=old is None)

    async def create_directory(self, place: Place, path: str, settings: Settings) -> View:
        """A new, empty directory."""
        await self._check(place, path, settings)
        async with alone(self._store, self._tree, place, path):
            await self._share(place)
            item = await self._tree.make_directory(place, path)
            return await self._settled(place, Facts(), settings, None, item, is_fresh=True)

    @following
    async def change(self, place: Place, path: str, settings: Settings, claim: Claim, *, directory: bool) -> View:
        """Set metadata, content headers, attributes and times."""
        await self._check(place, path, settings)
        async with alone(self._store, self._tree, place, path):
            before = await self._view(place, path, directory=directory)
            _check_claim(before, claim)
            item = await self._tree.stamp(place, before.item.path)
            return await self._settled(place, _without_copy(before.facts, settings), settings, before, item)

    @following
    async def resize(self, place: Place, path: str, size: int, settings: Settings, claim: Claim) -> View:
        """Cut a file, or lengthen it by zeros, and set properties besides."""
        _check_size(size)
        await self._check(place, path, settings)
        async with alone(self._store, self._tree, place, path):
            before = await self._changeable(place, path, claim)
            item = await self._tree.resize(place, before.item.path, size, limit=before.share.limit)
            wanted = replace(settings, written=item.modified) if settings.written is None else settings
            return await self._settled(place, _without_copy(before.facts, settings), wanted, before, item)

    async def write(
        self, place: Place, path: str, offset: int, data: Data, claim: Claim, *, keep_written: bool = False
    ) -> View:
        """Put bytes into a file. Writers share the path, unless facts must follow."""

        async def put(before: View) -> Item:
            return await self._tree.write(place, before.item.path, offset, data, limit=before.share.limit)

        return await self._change_bytes(place, path, claim, put, keep_written=keep_written)

    async def clear(
        self, place: Place, path: str, offset: int, length: int, claim: Claim, *, keep_written: bool = False
    ) -> View:
        """Make bytes of a file zero and give their room back. Nobody writes to it meanwhile."""

        async def clear(before: View) -> Item:
            return await self._tree.clear(place, before.item.path, offset, length)

        def note(facts: Facts, item: Item) -> Facts:
            return facts.with_cleared(offset, length, item.modified)

        known = await self._store.read(lambda tx: tx.shares.snapshots(place.account, place.share))
        return await self._change_bytes(
            place, path, claim, clear, keep_written=keep_written, note=note if known else None, together=False
        )

    @following_with_room
    async def remove(self, place: Place, path: str, claim: Claim = NOTHING, *, directory: bool) -> View:
        """Delete a file, or an empty directory; returns what it was."""
        check_path(path)
        async with self._tree.hold(place, path, alone=True):  # on a disk that is full too: it makes room
            link = None if directory else await self._link_or_none(place, path)
            if link is not None:
                _check_claim(link, claim)
                await self._tree.remove_symbolic_link(place, link.item.path)
                await self._forget(link)
                return link
            old = await self._changeable(place, path, claim, directory=directory)
            await self._tree.remove(place, old.item.path, directory=directory)
            await self._forget(old)
            return old

    async def _forget(self, gone: View) -> None:
        """What was remembered of what is gone for good, whatever becomes of this: nothing that is made there has it."""
        try:
            await self._store.write(lambda tx: tx.shares.delete_facts(gone.share.key, gone.item.path))
        except Unavailable as error:
            log.warning("properties of what was deleted stay in the store", path=gone.item.path, why=str(error))

    @following
    async def set_lease(self, place: Place, path: str, change: Change) -> tuple[View, int]:
        """Do one thing to a file's lease; returns the file as it then is, and what `change` tells. Stamps nothing."""
        check_path(path)
        async with alone(self._store, self._tree, place, path):
            view = await self._view(place, path, directory=False)

            def work(tx: ShareTransaction) -> tuple[View, int]:  # looked at where no other server changes it meanwhile
                share = require(tx, place)
                facts = tx.shares.facts(share.key, view.item.path) or Facts()
                lease, told = change(facts.lease)
                kept = replace(facts, lease=lease)
                keep(tx.shares, share, view.item, kept)
                return View(share=share, item=view.item, facts=kept), told

            return await self._store.write(work)

    @following
    async def copy(
        self, origin: tuple[Place, str], place: Place, path: str, settings: Settings, copy: Copy, claim: Claim
    ) -> View:
        """Copy a file over another or to a new one; metadata and content headers come along unless given."""
        await self._check(place, path, settings)
        source = await self.look(*origin, directory=False)
        async with alone(self._store, self._tree, place, path):
            old = await self._replaceable(place, path, claim)
            spelled, limit = old.item.path if old else path, (await self._share(place)).limit
            item = await self._tree.copy(origin[0], source.item.path, place, spelled, limit=limit)
            done = replace(copy, status="success", copied=item.size, total=item.size, completed_at=claim.now)
            kept = Facts(lease=old.facts.lease if old else FREE, copy=done)
            wanted = await self.settings_of_copy(source, settings)
            return await self._settled(place, kept, wanted, None, item, is_fresh=old is None)

    @following
    async def begin_copy(
        self, place: Place, path: str, size: int, settings: Settings, how: tuple[Copy, Claim],
        note: Callable[[ShareTransaction, View], None],
    ) -> View:  # fmt: skip
        """A file of zeros to which a copy is pending, in place of one that was there.

        `how` is the copy and what allows it; `note` is written down together with the facts.
        """
        _check_size(size)
        await self._check(place, path, settings)
        async with alone(self._store, self._tree, place, path):
            old = await self._replaceable(place, path, how[1])
            limit = (await self._share(place)).limit
            item = await self._tree.create(place, old.item.path if old else path, size, limit=limit)
            kept = Facts(lease=old.facts.lease if old else FREE, copy=how[0])
            return await self._settled(place, kept, settings, None, item, note, is_fresh=old is None)

    async def settings_of_copy(self, source: View, settings: Settings) -> Settings:
        """What a copy of a file is given: what the request sets or wants from the source, and its content headers."""
        metadata = source.facts.metadata if settings.metadata is None else settings.metadata
        wanted = _from(source, settings)
        if "permission" in settings.from_source:  # by its text: the key of another share is none of this one's
            key = source.permission
            text = await self._store.read(lambda tx: tx.shares.permission(source.share.key, key))
            wanted = replace(wanted, permission=key if text is None else None, descriptor=text)
        return replace(wanted, content=source.facts.content, md5=source.md5, metadata=metadata)

    async def look_held(self, place: Place, path: str) -> View:
        """The properties of a file, for who holds its path."""
        with as_recorded():
            return await self._view(place, path, directory=False)

    @following
    async def rename(
        self, place: Place, source: str, target: str, settings: Settings, claims: tuple[Claim, Claim],
        *, directory: bool, replacing: bool = False,
    ) -> View:  # fmt: skip
        """Move a file or directory within its share; it keeps its id, content, times and facts.

        `claims` are those to the source and to what is replaced, which must be a file.
        """
        await self._check(place, target, settings)
        check_path(source)
        async with alone(self._store, self._tree, place, source, target):
            before = await self._view(place, source, directory=directory)
            _check_claim(before, claims[0])
            replaced = await self._replaceable(place, target, claims[1]) if replacing else None
            move = Move(
                place=place, source=before.item.path, target=target, id=before.item.id, md5=before.md5,
                server=self._presence.name,
            )  # fmt: skip
            async with moves.noted(self._store, move):
                item = await self._tree.rename(place, move.source, target, replace=replacing)
                item = await self._tracing.marked(place, before.facts, item)

            def work(tx: ShareTransaction) -> View:
                if replaced is not None and replaced.item.path != move.source:
                    tx.shares.delete_facts(before.share.key, replaced.item.path)
                tx.shares.move_facts(before.share.key, move.source, item.path)
                moves.forget(tx, move)
                return settled(tx, place, before.facts, settings, before, item)

            return await self._store.write(work)

    @following
    async def link(self, place: Place, source: str, path: str, claim: Claim = NOTHING) -> View:
        """Give a file a further name: both are the same file, with the same facts. A lease that is named is its own."""
        check_path(source)
        check_path(path)
        async with alone(self._store, self._tree, place, source, path):
            before = await self._view(place, source, directory=False)
            check_named(before.facts.lease, claim)
            item = await self._tree.link(place, before.item.path, path)
            item = await self._tracing.marked(place, before.facts, item)
            facts = settle(before.facts, Settings(), before, item)
            facts = facts if facts.born else replace(facts, born=item.modified)

            def work(tx: ShareTransaction) -> View:
                share = require(tx, place)
                tx.shares.displace(share.key, item.path)
                for name in (before.item.path, item.path):
                    tx.shares.put_facts(share.key, name, facts)
                keep(tx.shares, share, item, facts)
                return View(share=share, item=item, facts=facts)

            return await self._store.write(work)

    async def make_symbolic_link(self, place: Place, path: str, text: str, settings: Settings) -> View:
        """A new symbolic link; clients resolve its text, not this server."""
        await self._check(place, path, settings)
        async with alone(self._store, self._tree, place, path):
            await self._share(place)
            item = await self._tree.make_symbolic_link(place, path, text)
            return await self._settled(place, Facts(), settings, None, item, is_fresh=True)

    async def symbolic_link(self, place: Place, path: str) -> tuple[View, str]:
        """A symbolic link itself, and its text."""
        check_path(path)
        async with self._tree.hold(place, path, alone=False):
            share = await self._share(place)
            item, text = await self._tree.symbolic_link(place, path)
            _, facts = await self._known(place, item.path)
        return View(share=share, item=item, facts=facts), text

    async def _link_or_none(self, place: Place, path: str) -> View | None:
        """The symbolic link that a name of an NFS share is, if it is one."""
        share = await self._share(place)
        if share.protocol != "NFS":
            return None
        try:
            item, _ = await self._tree.symbolic_link(place, path)
        except NotFound:
            return None
        _, facts = await self._known(place, item.path)
        return View(share=share, item=item, facts=facts)

    async def _check(self, place: Place, path: str, settings: Settings) -> None:
        """Refuse what cannot be set before anything is touched."""
        check_path(path)
        check_metadata(settings.metadata or {})
        if settings.descriptor is not None:
            check_descriptor(settings.descriptor)
        if settings.protocols:
            protocol = (await self._share(place)).protocol
            if settings.protocols != {protocol}:
                raise NotSupported(f"properties of another protocol than {protocol}")
        key = settings.permission
        if key is None or key == permission_key(DEFAULT_PERMISSION):
            return
        if await self._store.read(lambda tx: tx.shares.permission(require(tx, place).key, key)) is None:
            raise InvalidValue("permission", key, "unknown key")

    async def _changeable(self, place: Place, path: str, claim: Claim, *, directory: bool = False) -> View:
        view = await self._view(place, path, directory=directory)
        _check_claim(view, claim)
        _refuse_read_only(view, claim)
        return view

    async def _replaceable(self, place: Place, path: str, claim: Claim) -> View | None:
        """The file that a new one takes the place of, if there is one."""
        old = await self._file_or_none(place, path)
        _check_claim(old, claim)
        if old is not None:
            _refuse_read_only(old, claim)
        return old

    @following
    async def _change_bytes(
        self, place: Place, path: str, claim: Claim, change: Callable[[View], Awaitable[Item]], *, keep_written: bool,
        note: Callable[[Facts, Item], Facts] | None = None, together: bool = True,
    ) -> View:  # fmt: skip
        """Change bytes, `together` with others; `note` puts down what the facts shall remember of it."""
        check_path(path)
        _, known = await self._known(place, path)
        if claim.condition is None and note is None and known.md5 is None and not keep_written:
            hold = self._tree.hold(place, path, alone=not together)
        else:
            hold = alone(self._store, self._tree, place, path)
        async with hold:
            before = await self._changeable(place, path, claim)
            item = await change(before)
            if not keep_written and note is None and before.md5 is None:
                return replace(before, item=item)
            settings = Settings(written=before.written if keep_written else item.modified)
            facts = note(before.facts, item) if note else before.facts
            return await self._settled(place, facts, settings, before, item)

    async def _settled(
        self, place: Place, facts: Facts, settings: Settings, before: View | None, item: Item,
        note: Callable[[ShareTransaction, View], None] | None = None, *, is_fresh: bool = False,
    ) -> View:  # fmt: skip
        """Keep the facts as `settings` make them; `note` is written down with them. `is_fresh`: nothing was there."""
        item = await self._tracing.marked(place, facts, item)

        def work(tx: ShareTransaction) -> View:
            if is_fresh:
                tx.shares.displace(require(tx, place).key, item.path)
            view = settled(tx, place, facts, settings, before, item)
            if note is not None:
                note(tx, view)
            return view

        return await self._store.write(work)

    async def recover(self) -> None:
        """Once, before the first request: finish what a crash cut in two."""
        await moves.recover(self._store, self._tree, self._presence)


def _check_claim(view: View | None, claim: Claim) -> None:
    """Refuse a change that the lease, a pending copy or the caller's own condition forbids."""
    check_change(view.facts.lease if view else FREE, claim)
    if view is not None and view.facts.copy is not None and view.facts.copy.is_pending:
        raise WrongState("copy", "pending", "change")
    check_condition(view, claim)


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_FILE_BYTES:
        raise InvalidValue("size", size, "0 to 4 TiB")


def _refuse_read_only(view: View, claim: Claim) -> None:
    if view.facts.is_read_only and not claim.ignores_read_only:
        raise WrongState("resource", "read-only", "change")


def _without_copy(facts: Facts, settings: Settings) -> Facts:
    """Set File Properties ends the memory of a copy; Set File Metadata does not. Source: Get File, x-ms-copy-id."""
    return facts if settings.is_metadata_only else replace(facts, copy=None)


def _from(origin: View, settings: Settings) -> Settings:
    """The settings with what the request wants from the source. Its descriptor comes with its key."""
    wanted = replace(settings, **{name: getattr(origin, name) for name in settings.from_source})
    if settings.archive and "Archive" not in (wanted.attributes or ()):
        return replace(wanted, attributes=(*(wanted.attributes or ()), "Archive"))
    return wanted
