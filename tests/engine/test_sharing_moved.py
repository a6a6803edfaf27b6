"""What another program does to the names of files, and where their properties are then: over a real tree and store."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from base64 import b64encode
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.engine.share_world import NOW, PLACE, ShareWorld, play_in

from linarite.engine.errors import EngineError, NotFound, Unavailable, WrongState
from linarite.engine.sharing import Place, Share, tracing
from linarite.engine.sharing.leases import Claim, acquire, break_
from linarite.engine.sharing.ports import is_displaced
from linarite.engine.sharing.reading import NOTHING
from linarite.engine.sharing.views import Settings, View
from linarite.shares import marks

LEASE = "00000000-1111-2222-3333-444444444444"
MD5 = b64encode(hashlib.md5(b"bytes of it").digest()).decode()


class World(ShareWorld):
    """What a program and a client do in it."""

    async def make(self, *paths: str) -> None:
        """Files with all properties there are; the metadata says which it is."""
        for path in paths:
            settings = Settings(
                metadata={"of": path}, content={"type": "text/x"}, md5=MD5, attributes=("Hidden",), created=NOW,
                permission=None, written=NOW + 1,
            )  # fmt: skip
            await self.files.create(PLACE, path, 11, settings, NOTHING, b"bytes of it")

    async def make_directories(self, *paths: str) -> None:
        for path in paths:
            await self.files.create_directory(PLACE, path, Settings(metadata={"of": path}))

    async def look(self, path: str) -> View:
        directory = (self.disk / path).is_dir()
        return await self.files.look(PLACE, path, directory=directory)

    async def of(self, path: str) -> str | None:
        """Whose metadata a path has."""
        return (await self.look(path)).facts.metadata.get("of")

    async def lease(self, path: str) -> None:
        await self.files.set_lease(PLACE, path, lambda lease: (acquire(lease, LEASE, -1, NOW), 0))

    async def recorded(self) -> dict[str, str]:
        """Whose facts the store has at which path; those without one are of ""."""
        found = await self.store.read(lambda tx: tx.shares.some_facts((0, "", ""), 1000))
        rows: dict[str, str] = {}
        for (key, _, _), path, _ in found:
            facts = await self.store.read(lambda tx, key=key, path=path: tx.shares.facts(key, path))  # type: ignore[misc]
            rows["" if is_displaced(path) else path] = facts.metadata.get("of", "-") if facts else "-"
        return rows

    def move(self, *pairs: tuple[str, str]) -> None:
        for source, target in pairs:
            (self.disk / source).rename(self.disk / target)


play = partial(play_in, World)


@pytest.mark.parametrize("again", [True, False])
def test_everything_goes_with_a_file(tmp_path: Path, again: bool) -> None:
    """Metadata, headers, attributes, times, MD5, a lease; the old path has nothing, the store one record."""

    async def story(world: World) -> None:
        await world.make_directories("d")
        await world.make("f")
        await world.lease("f")
        before = await world.look("f")
        world.move(("f", "d/G"))
        if again:
            world.again()
        view = await world.look("d/g")
        assert (view.item.path, view.facts.metadata, view.facts.content) == ("d/G", {"of": "f"}, {"type": "text/x"})
        assert (view.attributes, view.created, view.written) == (("Hidden",), NOW, NOW + 1)
        assert (view.md5, view.facts.lease.id, view.facts.born) == (MD5, LEASE, before.facts.born)
        assert view.version != before.version
        assert await world.recorded() == {"d": "d", "d/G": "f"}
        with pytest.raises(NotFound):
            await world.files.look(PLACE, "f", directory=False)
        with pytest.raises(WrongState):  # the lease protects it there
            await world.files.write(PLACE, "d/G", 0, b"x", Claim(now=NOW))
        assert (await world.look("d/G")).md5 == MD5

    play(tmp_path, story)


OPERATIONS: dict[str, Callable[[World], Awaitable[Any]]] = {
    "read": lambda world: world.files.read(PLACE, "g"),
    "change": lambda world: world.files.change(PLACE, "g", Settings(content={"type": "b"}), NOTHING, directory=False),
    "resize": lambda world: world.files.resize(PLACE, "g", 5, Settings(), NOTHING),
    "write": lambda world: world.files.write(PLACE, "g", 0, b"x", NOTHING),
    "clear": lambda world: world.files.clear(PLACE, "g", 0, 1, NOTHING),
    "lease": lambda world: world.lease("g"),
    "ranges": lambda world: world.files.ranges(PLACE, "g", 0, None, NOTHING),
    "link": lambda world: world.files.link(PLACE, "g", "h"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_asked_first_finds_it(tmp_path: Path, name: str) -> None:
    async def story(world: World) -> None:
        await world.make("f")
        world.move(("f", "g"))
        found = await OPERATIONS[name](world)
        if name == "read":
            os.close(found[1])
            assert found[0].facts.metadata == {"of": "f"}
        assert await world.recorded() == {"g": "f", **({"h": "f"} if name == "link" else {})}
        assert await world.of("g") == "f"

    play(tmp_path, story)


def test_what_replaces_or_moves_it_by_rest_finds_it(tmp_path: Path) -> None:
    """A rename, a copy, a new file in its place (its lease stays), a deletion: nothing of it is left elsewhere."""

    async def story(world: World) -> None:
        await world.make("a", "b", "c", "d")
        await world.lease("c")
        world.move(("a", "a2"), ("b", "b2"), ("c", "c2"), ("d", "d2"))
        moved = await world.files.rename(PLACE, "a2", "a3", Settings(), (NOTHING, NOTHING), directory=False)
        assert (moved.facts.metadata, moved.md5) == ({"of": "a"}, MD5)
        assert (await world.files.remove(PLACE, "b2", directory=False)).facts.metadata == {"of": "b"}
        with pytest.raises(WrongState):
            await world.files.create(PLACE, "c2", 1, Settings(), NOTHING)
        await world.files.create(PLACE, "d2", 1, Settings(metadata={"of": "new"}), NOTHING)
        assert await world.recorded() == {"a3": "a", "c2": "c", "d2": "new"}

    play(tmp_path, story)


def test_a_directory_takes_along_what_is_below(tmp_path: Path) -> None:
    """Found with the directory, at once; a file that is asked for before it is found by itself."""

    async def story(world: World) -> None:
        await world.make_directories("d", "d/sub")
        await world.make("d/f", "d/sub/g", "d/sub/h")
        world.move(("d", "e"))
        above, views, _ = await world.files.page(PLACE, "e", "", "", 100)
        assert (above.facts.metadata, [view.facts.metadata for view in views]) == (
            {"of": "d"}, [{"of": "d/f"}, {"of": "d/sub"}],
        )  # fmt: skip
        world.move(("e/sub", "s"))
        assert await world.of("s/g") == "d/sub/g"
        assert await world.of("s") == "d/sub"
        assert await world.of("s/h") == "d/sub/h"
        assert await world.recorded() == {
            "e": "d", "e/f": "d/f", "s": "d/sub", "s/g": "d/sub/g", "s/h": "d/sub/h",
        }  # fmt: skip

    play(tmp_path, story)


@pytest.mark.parametrize("first", ["a", "b"])
@pytest.mark.parametrize("kind", ["files", "directories"])
def test_two_that_changed_places(tmp_path: Path, kind: str, first: str) -> None:
    """Whichever is looked at first; of directories with what is in them."""

    async def story(world: World) -> None:
        if kind == "files":
            await world.make("a", "b")
        else:
            await world.make_directories("a", "b")
            await world.make("a/f", "b/f")
        world.move(("a", "t"), ("b", "a"), ("t", "b"))
        other = {"a": "b", "b": "a"}
        for path in (first, other[first], first):
            assert await world.of(path) == other[path]
            if kind == "directories":
                assert await world.of(f"{path}/f") == f"{other[path]}/f"
        assert "" not in await world.recorded()

    play(tmp_path, story)


def test_a_file_over_another_keeps_its_own(tmp_path: Path) -> None:
    """And one that made way before is found where it went; three in a round too."""

    async def story(world: World) -> None:
        await world.make("a", "b", "c")
        world.move(("a", "x"), ("b", "a"))
        assert await world.of("a") == "b"
        assert await world.of("x") == "a"
        world.move(("a", "t"), ("x", "a"), ("c", "x"), ("t", "c"))
        assert [await world.of(path) for path in ("c", "x", "a")] == ["b", "c", "a"]
        assert await world.recorded() == {"a": "a", "c": "b", "x": "c"}

    play(tmp_path, story)


def test_a_new_file_by_rest_at_the_old_path_takes_nothing(tmp_path: Path) -> None:
    """A file, a directory, a link, what is renamed there: what stood there before is found where it went."""

    async def story(world: World) -> None:
        for path in ("a", "b", "c", "d"):
            await world.make(path)
            world.move((path, f"{path}2"))
        await world.files.create(PLACE, "a", 1, Settings(metadata={"of": "new"}), NOTHING)
        await world.files.create_directory(PLACE, "b", Settings())
        await world.files.link(PLACE, "a", "c")
        await world.make("e")
        await world.files.rename(PLACE, "e", "d", Settings(), (NOTHING, NOTHING), directory=False)
        assert [await world.of(f"{path}2") for path in "abcd"] == list("abcd")
        assert [await world.of(path) for path in "abcd"] == ["new", None, "new", "e"]
        assert "" not in await world.recorded()

    play(tmp_path, story)


def test_a_directory_that_is_deleted_keeps_nothing_of_what_left_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.make_directories("d")
        await world.make("d/f")
        world.move(("d/f", "f"))
        await world.files.remove(PLACE, "d", directory=True)
        assert await world.of("f") == "d/f"

    play(tmp_path, story)


@pytest.mark.parametrize("backup", [True, False])
def test_a_program_that_saves_by_another_name_keeps_the_path_its_properties(tmp_path: Path, backup: bool) -> None:
    """The new file has none of its own; the old one, where it is kept, has none as long as the path is there."""

    async def story(world: World) -> None:
        await world.make("f")
        await world.lease("f")
        if backup:
            world.move(("f", "f~"))
        (world.disk / "f.tmp").write_bytes(b"saved")
        world.move(("f.tmp", "f"))
        if backup:
            assert await world.of("f~") is None
        view = await world.look("f")
        assert (view.facts.metadata, view.facts.lease.id, view.md5) == ({"of": "f"}, LEASE, None)
        await world.files.change(PLACE, "f", Settings(metadata={"of": "new"}), Claim(lease=LEASE), directory=False)
        world.move(("f", "g"))  # since then the properties are the new file's
        assert await world.of("g") == "new"
        if backup:
            assert await world.of("f~") is None

    play(tmp_path, story)


def test_a_lease_stays_where_any_file_is(tmp_path: Path) -> None:
    """Of two that change places, as long as one is leased, all properties stay with their paths."""

    async def story(world: World) -> None:
        await world.make("a", "b")
        await world.lease("a")
        world.move(("a", "t"), ("b", "a"), ("t", "b"))
        for path in ("a", "b", "a"):
            view = await world.look(path)
            assert view.facts.metadata == {"of": path}
            assert (view.facts.lease.id is not None) == (path == "a")
        await world.files.set_lease(PLACE, "a", lambda lease: break_(lease, None, NOW))
        assert [await world.of(path) for path in ("a", "b")] == ["b", "a"]

    play(tmp_path, story)


def test_a_copy_has_nothing_and_gets_a_mark_of_its_own(tmp_path: Path) -> None:
    """One that bears the same attribute, as `cp --preserve=xattr` makes it; also when the first is gone."""

    async def story(world: World) -> None:
        await world.make("f")
        shutil.copy2(world.disk / "f", world.disk / "copy")
        assert os.getxattr(world.disk / "copy", marks.NAME) == os.getxattr(world.disk / "f", marks.NAME)
        assert (await world.of("copy"), await world.of("f")) == (None, "f")
        (world.disk / "f").rename(world.disk / "g")
        assert (await world.of("copy"), await world.of("g")) == (None, "f")
        await world.files.change(PLACE, "copy", Settings(metadata={"of": "copy"}), NOTHING, directory=False)
        assert os.getxattr(world.disk / "copy", marks.NAME) != os.getxattr(world.disk / "g", marks.NAME)
        world.move(("g", "t"), ("copy", "g"), ("t", "copy"))
        assert (await world.of("copy"), await world.of("g")) == ("f", "copy")

    play(tmp_path, story)


def test_a_mark_that_somebody_writes_claims_nothing(tmp_path: Path) -> None:
    """On another file of the share, or of another share: the inode is another one. A broken one is none."""

    async def story(world: World) -> None:
        await world.make("f")
        await world.lease("f")
        await world.shares.create(
            Share(account="other", name="share", created_at=NOW, modified_at=NOW, tier_changed_at=NOW)
        )
        mark = os.getxattr(world.disk / "f", marks.NAME)
        elsewhere = world.folder / "shares" / "other" / "share" / "thief"
        for path in (world.disk / "thief", elsewhere):
            path.write_bytes(b"")
            os.setxattr(path, marks.NAME, mark)
        (world.disk / "odd").write_bytes(b"")
        os.setxattr(world.disk / "odd", marks.NAME, b"no mark")
        assert [await world.of(path) for path in ("thief", "odd", "f")] == [None, None, "f"]
        world.move(("f", "g"))
        assert [await world.of(path) for path in ("thief", "odd", "g")] == [None, None, "f"]
        (world.disk / "g").rename(elsewhere)  # out of the share: as good as deleted
        view = await world.files.look(Place("other", "share"), "thief", directory=False)
        assert (view.facts.metadata, view.facts.lease.id) == ({}, None)

    play(tmp_path, story)


def test_names_of_one_file(tmp_path: Path) -> None:
    """Links by REST have one set of properties, also once moved. Another program's has none until a name is free."""

    async def story(world: World) -> None:
        await world.make("f")
        await world.files.link(PLACE, "f", "g")
        world.move(("g", "h"))
        assert await world.of("h") == "f"
        await world.files.change(PLACE, "h", Settings(metadata={"of": "both"}), NOTHING, directory=False)
        assert (await world.of("f"), await world.of("h")) == ("both", "both")
        os.link(world.disk / "f", world.disk / "i")
        assert await world.of("i") is None
        (world.disk / "f").unlink()
        assert (await world.of("i"), await world.of("h")) == ("both", "both")
        os.link(world.disk / "i", world.disk / "j")
        await world.files.change(PLACE, "j", Settings(metadata={"of": "j"}), NOTHING, directory=False)
        world.move(("i", "k"))
        assert (await world.of("k"), await world.of("j")) == ("both", "j")

    play(tmp_path, story)


def test_a_way_by_a_link_takes_nothing_away(tmp_path: Path) -> None:
    """A symbolic link to the file, or to its directory, is another path of it, with properties of its own."""

    async def story(world: World) -> None:
        await world.make_directories("d")
        await world.make("f")
        world.move(("f", "d/f"))
        (world.disk / "way").symlink_to("d")
        (world.disk / "link").symlink_to("d/f")
        assert (await world.of("link"), await world.of("way/f")) == (None, None)
        assert await world.of("d/f") == "f"
        assert (await world.of("link"), await world.of("way/f")) == (None, None)

    play(tmp_path, story)


def test_an_md5_follows_only_bytes_that_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not those that were changed in place with the time put back, nor those that are too many to look at."""

    async def story(world: World) -> None:
        await world.make("a", "b", "c")
        stat = (world.disk / "a").stat()
        with (world.disk / "a").open("r+b") as file:
            file.write(b"BYTES")
        os.utime(world.disk / "a", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        world.move(("a", "a2"), ("b", "b2"), ("c", "c2"))
        assert ((await world.look("a2")).md5, (await world.look("b2")).md5) == (None, MD5)
        monkeypatch.setattr(tracing, "MD5_BYTES", 10)
        assert (await world.look("c2")).md5 is None
        assert await world.of("c2") == "c"

    play(tmp_path, story)


def test_what_has_no_properties_is_asked_once_and_what_has_them_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its mark, as long as nothing is committed; a listing asks for none of what is in the directory."""

    async def story(world: World) -> None:
        await world.files.create(PLACE, "f", 9, Settings(metadata={"of": "f"}), NOTHING)
        for name in ("foreign", "other"):
            (world.disk / name).write_bytes(b"another program's")
        asked: list[str] = []
        mark = world.tree.mark

        async def counted(place: Place, path: str, file_id: int) -> str:
            asked.append(path)
            return await mark(place, path, file_id)

        monkeypatch.setattr(world.tree, "mark", counted)
        for _ in range(3):
            await world.look("f")
            await world.files.write(PLACE, "f", 0, b"b", NOTHING)
            await world.look("foreign")
            await world.files.write(PLACE, "foreign", 0, b"a", NOTHING)
            await world.files.page(PLACE, "", "", "", 100)
        assert asked == ["foreign"]

    play(tmp_path, story)


def test_a_lease_alone_touches_nothing(tmp_path: Path) -> None:
    """A file that has no other properties keeps its tag; the lease stays with the path."""

    async def story(world: World) -> None:
        (world.disk / "foreign").write_bytes(b"another program's")
        before = await world.look("foreign")
        await world.lease("foreign")
        after = await world.look("foreign")
        assert (after.item, after.version) == (before.item, before.version)
        assert marks.NAME not in os.listxattr(world.disk / "foreign")
        world.move(("foreign", "moved"))
        assert (await world.look("moved")).facts.lease.id is None

    play(tmp_path, story)


def test_a_file_of_another_program_is_followed_from_its_first_property_on(tmp_path: Path) -> None:
    """With attributes of its own, which stay."""

    async def story(world: World) -> None:
        (world.disk / "foreign").write_bytes(b"another program's")
        os.setxattr(world.disk / "foreign", "user.own", b"own")
        told = await world.files.change(PLACE, "foreign", Settings(metadata={"of": "it"}), NOTHING, directory=False)
        assert (await world.look("foreign")).version == told.version  # marking it moved no tag after the answer
        world.move(("foreign", "moved"))
        assert await world.of("moved") == "it"
        assert os.getxattr(world.disk / "moved", "user.own") == b"own"

    play(tmp_path, story)


def test_without_such_attributes_all_stays_with_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that has none."""

    def refused(*_: object) -> bytes:
        raise OSError(95, "Operation not supported")

    async def story(world: World) -> None:
        monkeypatch.setattr(os, "setxattr", refused)
        monkeypatch.setattr(os, "getxattr", refused)
        await world.make("f", "g")
        await world.files.change(PLACE, "f", Settings(metadata={"of": "still"}), NOTHING, directory=False)
        world.move(("f", "moved"))
        assert await world.of("moved") is None
        world.move(("moved", "f"))
        assert await world.of("f") == "still"
        assert (await world.look("g")).md5 == MD5

    play(tmp_path, story)


def test_a_store_that_has_no_room_is_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The properties stay at the old path until it has."""

    def full() -> None:
        raise Unavailable("no room")

    async def story(world: World) -> None:
        await world.make("f")
        world.move(("f", "g"))
        with monkeypatch.context() as patched:
            patched.setattr(world.store, "check_room", full)
            assert await world.of("g") is None
            with pytest.raises(Unavailable):  # a lease that protects it may be there
                await world.files.write(PLACE, "g", 0, b"x", NOTHING)
        assert await world.of("g") == "f"

    play(tmp_path, story)


def test_many_who_look_at_once_find_the_same(tmp_path: Path) -> None:
    """Two names that changed places, while others rename them on by REST: each file keeps its own."""

    async def story(world: World) -> None:
        await world.make(*(f"f{number}" for number in range(8)))
        for turn in range(5):
            world.move(*((f"f{number}", f"t{number}") for number in range(8)))
            world.move(*((f"t{number}", f"f{(number + 1 + turn) % 8}") for number in range(8)))
            looks = [world.of(f"f{number}") for number in range(8) for _ in range(3)]
            moves = [
                world.files.rename(PLACE, f"f{number}", f"m{number}", Settings(), (NOTHING, NOTHING), directory=False)
                for number in (0, 4)
            ]
            await asyncio.gather(*looks, *moves, return_exceptions=True)
            world.move(("m0", "f0"), ("m4", "f4"))
        shift = sum(1 + turn for turn in range(5))
        expected = [f"f{(number - shift) % 8}" for number in range(8)]
        assert [await world.of(f"f{number}") for number in range(8)] == expected
        assert "" not in await world.recorded()

    play(tmp_path, story)


def test_a_share_that_refuses_is_told_as_before(tmp_path: Path) -> None:
    """A file that goes away while its properties are looked for is not there."""

    async def story(world: World) -> None:
        await world.make("f")
        world.move(("f", "g"))
        find, gone = world.tree.find, world.disk / "g"

        async def then_gone(place: Place, path: str) -> Any:
            found = await find(place, path)
            gone.unlink(missing_ok=True)
            return found

        world.tree.find = then_gone  # type: ignore[method-assign]
        with pytest.raises(EngineError):
            await world.files.look(PLACE, "g", directory=False)

    play(tmp_path, story)
