"""What is read of files and directories: properties, bytes, listings, written ranges."""

from __future__ import annotations

from linarite.engine.errors import NotFound, NotSupported, WrongState
from linarite.engine.sharing.known import Known, require
from linarite.engine.sharing.leases import Claim, check_named
from linarite.engine.sharing.names import check_path
from linarite.engine.sharing.ports import ALONE, Item, Place, Presence, ShareStore, ShareTransaction, Tree
from linarite.engine.sharing.records import Facts, Share
from linarite.engine.sharing.tracing import Tracing, following_with_room
from linarite.engine.sharing.views import View

NOTHING = Claim()


class Reading:
    """Files and directories of all shares, unchanged. Paths are checked here."""

    def __init__(self, store: ShareStore, tree: Tree, presence: Presence = ALONE) -> None:
        self._store, self._tree, self._presence = store, tree, presence
        self._remembered, self._tracing = Known(store), Tracing(store, tree)

    @following_with_room
    async def look(self, place: Place, path: str, claim: Claim = NOTHING, *, directory: bool) -> View:
        """The properties of a file or directory."""
        check_path(path)
        async with self._tree.hold(place, path, alone=False):
            view = await self._view(place, path, directory=directory)
        check_named(view.facts.lease, claim)
        check_condition(view, claim)
        return view

    @following_with_room
    async def read(self, place: Place, path: str, claim: Claim = NOTHING) -> tuple[View, int]:
        """The properties of a file and a descriptor to read it by, which the caller closes."""
        check_path(path)
        async with self._tree.hold(place, path, alone=False):
            share, facts = await self._known(place, path)
            item, descriptor = await self._tree.open(place, path)
            try:
                if item.path != path:
                    _, facts = await self._known(place, item.path)
                if facts.inode != item.id:
                    await self._tracing.check(place, share, item, facts)
                view = View(share=share, item=item, facts=facts)
                check_named(facts.lease, claim)
                check_condition(view, claim)
            except BaseException:
                self._tree.close(descriptor)
                raise
        return view, descriptor

    async def hard_links(self, place: Place, file_id: int, claim: Claim) -> tuple[View, list[Item]]:
        """A file of an NFS share by its id, and all its names there."""
        share = await self._share(place)
        if share.protocol != "NFS":
            raise NotSupported("hard links of another protocol than NFS")
        names = await self._tree.names(place, file_id)
        if not names:
            raise NotFound("resource", str(file_id))
        return await self.look(place, names[0].path, claim, directory=False), names

    @following_with_room
    async def page(
        self, place: Place, path: str, prefix: str, marker: str, limit: int, *, links: bool = False
    ) -> tuple[View, list[View], str]:
        """A directory, up to `limit` of what is in it, and the marker of the next page ("" at the end).

        `links`: symbolic links of an NFS share are told as themselves.
        """
        check_path(path)
        async with self._tree.hold(place, path, alone=False):
            above = await self._view(place, path, directory=True)
            items, following = await self._tree.page(
                place, above.item.path, prefix, marker, limit, links=links and above.is_nfs
            )
            names = [item.name for item in items] or [""]
            span = min(names), max(names)  # a directory may have 100,000 names, and the page 10
            facts = await self._store.read(lambda tx: tx.shares.facts_in(above.share.key, above.item.path, *span))
        views = [View(share=above.share, item=item, facts=facts.get(item.name) or Facts()) for item in items]
        return above, views, following

    async def ranges(
        self, place: Place, path: str, start: int, end: int | None, claim: Claim
    ) -> tuple[View, list[tuple[int, int]]]:
        """The file and its written parts from byte `start` to byte `end` (None: the last)."""
        view = await self.look(place, path, claim, directory=False)
        last = view.item.size - 1 if end is None else min(end, view.item.size - 1)
        return view, await self._tree.ranges(place, view.item.path, start, last)

    async def changes(
        self, place: Place, path: str, previous: str, part: tuple[int, int | None], claim: Claim,
        *, follows_renames: bool,
    ) -> tuple[View, list[tuple[int, int, bool]]]:  # fmt: skip
        """The file and what was written and cleared of it since a snapshot: first and last byte, and whether cleared.

        `part` limits it to some bytes. NotFound("previous") when the snapshot has not this file: there was none, it was
        made anew since, or it had another name (unless the caller follows renames).
        """
        view = await self.look(place, path, claim, directory=False)
        then = Place(place.account, place.share, previous)
        known = await self._store.read(lambda tx: _formerly(tx, then, view, follows_renames=follows_renames))
        try:
            old = await self._tree.find(then, known)
        except NotFound as error:
            raise NotFound("previous", previous) from error
        if old.is_directory:
            raise NotFound("previous", previous)
        cleared = [(each.start, each.end) for each in view.facts.cleared if each.at > old.modified]
        start, end = part
        last = view.item.size - 1 if end is None else min(end, view.item.size - 1)
        now = (place, view.item.path)
        return view, await self._tree.changes(now, (then, old.path), start, last, cleared)

    async def _share(self, place: Place) -> Share:
        return await self._store.read(lambda tx: require(tx, place))

    async def _known(self, place: Place, path: str) -> tuple[Share, Facts]:
        return await self._remembered.get(place, path)

    async def _view(self, place: Place, path: str, *, directory: bool) -> View:
        share, facts = await self._known(place, path)
        item = await self._tree.find(place, path)
        if item.is_directory != directory:
            raise wrong_kind(item)
        if item.path != path:
            _, facts = await self._known(place, item.path)
        if facts.inode != item.id:
            await self._tracing.check(place, share, item, facts)
        return View(share=share, item=item, facts=facts)

    async def _file_or_none(self, place: Place, path: str) -> View | None:
        try:
            return await self._view(place, path, directory=False)
        except NotFound as error:
            if error.kind != "resource":
                raise
            return None


def check_condition(view: View | None, claim: Claim) -> None:
    """Refuse when the caller wants what is there otherwise than it is."""
    if claim.condition is not None:
        claim.condition(view)


def _formerly(tx: ShareTransaction, then: Place, view: View, *, follows_renames: bool) -> str:
    """The path that a file had in an earlier snapshot."""
    share = tx.shares.get(then.account, then.share, then.snapshot)
    if share is None:
        raise NotFound("previous", then.snapshot)
    path, born = view.item.path, view.facts.born
    found = tx.shares.facts(share.key, path)
    if (found.born if found else None) == born:
        return path
    formerly = tx.shares.born(share.key, born) if follows_renames and born is not None else None
    if formerly is None:
        raise NotFound("previous", then.snapshot)
    return formerly


def wrong_kind(item: Item) -> WrongState:
    """A file where a directory was wanted, or the reverse."""
    is_a, wanted = ("directory", "file") if item.is_directory else ("file", "directory")
    return WrongState("resource", is_a, f"use as a {wanted}")
