"""What file sharing keeps in the store: shares, facts of paths, permissions."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.sharing.ports import is_displaced
from linarite.engine.sharing.records import Facts, Share

NOW = 1_700_000_000_000_000


def share(name: str = "share", **fields: object) -> Share:
    return Share(
        **{"account": "a", "name": name, "created_at": NOW, "modified_at": NOW, "tier_changed_at": NOW} | fields
    )


def facts(word: str, born: int | None = None) -> Facts:
    return Facts(metadata={"of": word}, born=born)


def test_a_share_is_found_by_its_name_and_its_key(play):
    """Its snapshots and the deleted ones of its name are others."""

    async def story(store):
        every = [share(), share(snapshot="2024"), share(snapshot="2025"), share(version="01", expires_at=NOW + 5)]
        for each in every:
            await store.write(lambda tx, each=each: tx.shares.insert(each))
        for each in every:
            assert await store.read(lambda tx, e=each: tx.shares.get(e.account, e.name, e.snapshot, e.version)) == each
            assert await store.read(lambda tx, e=each: tx.shares.by_key(e.key)) == each
        assert await store.read(lambda tx: tx.shares.snapshots("a", "share")) == every[1:3]
        assert await store.read(lambda tx: tx.shares.get("b", "share")) is None
        await store.write(lambda tx: tx.shares.update(replace(every[0], quota_gib=7)))
        assert (await store.read(lambda tx: tx.shares.get("a", "share"))).quota_gib == 7
        await store.write(lambda tx: tx.shares.delete(every[0].key))
        assert await store.read(lambda tx: tx.shares.get("a", "share")) is None

    play(story)


def test_shares_are_listed_by_name_from_a_marker_on(play):
    """Snapshots before their share, deleted ones after it; only what is asked for."""

    async def story(store):
        for each in (
            share("b"),
            share("a1", version="02", expires_at=NOW),
            share("a1"),
            share("a1", snapshot="2024"),
            share("a_"),
        ):
            await store.write(lambda tx, each=each: tx.shares.insert(each))

        async def page(prefix="", marker=(), limit=10, *, snapshots=True, deleted=True):
            found = await store.read(
                lambda tx: tx.shares.page("a", prefix, marker, limit, snapshots=snapshots, deleted=deleted)
            )
            return [(each.name, each.version, each.snapshot) for each in found]

        every = [("a1", "", "2024"), ("a1", "", ""), ("a1", "02", ""), ("a_", "", ""), ("b", "", "")]
        assert await page() == every
        assert [await page(marker=each, limit=1) for each in every] == [[each] for each in every]
        assert await page(snapshots=False, deleted=False) == [every[1], *every[3:]]
        assert await page("a_") == every[3:4]

    play(story)


def test_deleted_shares_come_by_their_end_and_by_their_key(play):
    """Those whose time is over, and when the next one's is."""

    async def story(store):
        late, soon = share("late", version="1", expires_at=NOW + 9), share("soon", version="1", expires_at=NOW + 5)
        for each in (share(), late, soon):
            await store.write(lambda tx, each=each: tx.shares.insert(each))
        assert await store.read(lambda tx: tx.shares.next_expiry()) == NOW + 5
        assert await store.read(lambda tx: tx.shares.expired(NOW + 5, 10)) == [soon]
        assert await store.read(lambda tx: tx.shares.expired(NOW + 9, 10)) == [soon, late]
        assert await store.read(lambda tx: tx.shares.deleted(0, 10)) == [late, soon]
        assert await store.read(lambda tx: tx.shares.deleted(late.key, 10)) == [soon]

    play(story)


PATHS = ("", "d", "d/e", "d/e/f", "d/g", "D", "D/e", "d.x", "d0", "d%", "d%/e", "é/ü")


def test_facts_of_paths_are_told_apart_by_case_and_move_with_what_is_below(play):
    """No sign in a path is a pattern; what stood at the target goes."""

    async def story(store):
        one, other = share(), share("other")
        for each in (one, other):
            await store.write(lambda tx, each=each: tx.shares.insert(each))
            for number, path in enumerate(PATHS):
                await store.write(lambda tx, e=each, p=path, n=number: tx.shares.put_facts(e.key, p, facts(p, n + 1)))

        async def known(key=one.key):
            return {
                path: found.metadata["of"]
                for path in (*PATHS, "n", "n/e", "n/e/f", "n/g")
                if (found := await store.read(lambda tx, p=path: tx.shares.facts(key, p)))
            }

        same = {path: path for path in PATHS}
        assert await known() == same
        assert [await store.read(lambda tx, n=n: tx.shares.born(one.key, n + 1)) for n in range(len(PATHS))] == list(
            PATHS
        )
        await store.write(lambda tx: tx.shares.put_facts(one.key, "n/g", facts("gone")))
        await store.write(lambda tx: tx.shares.move_facts(one.key, "d", "n"))
        moved = {"n": "d", "n/e": "d/e", "n/e/f": "d/e/f", "n/g": "d/g"}
        kept = {path: path for path in PATHS if path != "d" and not path.startswith("d/")}
        assert await known() == kept | moved
        await store.write(lambda tx: tx.shares.delete_facts(one.key, "n"))
        assert await known() == kept
        assert await known(other.key) == same
        await store.write(lambda tx: tx.shares.copy(other.key, one.key) if tx.shares.delete(one.key) is None else None)
        assert await known() == same

    play(story)


def test_facts_right_in_a_directory_are_those_of_names_between_two(play):
    """In the order of code points, whatever the database's language."""

    async def story(store):
        one = share()
        await store.write(lambda tx: tx.shares.insert(one))
        for name in ("B", "a", "b", "c", "é", "\U0001f600", "c/x"):
            await store.write(lambda tx, name=name: tx.shares.put_facts(one.key, f"d/{name}", facts(name)))

        async def between(directory, first, last):
            return sorted(await store.read(lambda tx: tx.shares.facts_in(one.key, directory, first, last)))

        assert await between("d", "B", "\U0001f600") == ["B", "a", "b", "c", "é", "\U0001f600"]
        assert await between("d", "a", "b") == ["a", "b"]
        assert await between("d", "C", "Z") == []
        assert await between("d/c", "x", "x") == ["x"]
        assert await between("", "a", "z") == []

    play(story)


def test_facts_of_links_and_permissions(play):
    """All names of a file have the same facts; a permission is found by its key, and goes with its share."""

    async def story(store):
        one = share()
        await store.write(lambda tx: tx.shares.insert(one))
        for path in ("a", "b"):
            await store.write(lambda tx, path=path: tx.shares.put_facts(one.key, path, facts("old", 5)))
        await store.write(lambda tx: tx.shares.put_facts_of_links(one.key, facts("new", 5)))
        for path in ("a", "b"):
            assert (await store.read(lambda tx, path=path: tx.shares.facts(one.key, path))).metadata == {"of": "new"}
        for _ in range(2):
            await store.write(lambda tx: tx.shares.put_permission(one.key, "1*2", "O:SYG:SYD:"))
        assert await store.read(lambda tx: tx.shares.permission(one.key, "1*2")) == "O:SYG:SYD:"
        await store.write(lambda tx: tx.shares.delete(one.key))
        assert await store.read(lambda tx: tx.shares.permission(one.key, "1*2")) is None

    play(story)


def test_marked_facts_are_found_wherever_they_stand(play):
    """By their mark; those of several names of a file each; a share's alone; nothing once they are forgotten."""

    async def story(store):
        one, other = share(), share("other")
        for each in (one, other):
            await store.write(lambda tx, each=each: tx.shares.insert(each))

        def work(tx):
            tx.shares.put_facts(one.key, "d/a", replace(facts("a", born=5), mark="m1", inode=7))
            tx.shares.put_facts(one.key, "b", replace(facts("a", born=5), mark="m1", inode=7))
            tx.shares.put_facts(other.key, "b", replace(facts("b"), mark="m1", inode=8))
            tx.shares.put_facts_of_links(one.key, replace(facts("new", born=5), mark="m2", inode=7))

        await store.write(work)

        def found(tx):
            return {path: (each.metadata["of"], each.inode) for path, each in tx.shares.marked(one.key, "m2")}

        assert await store.read(found) == {"d/a": ("new", 7), "b": ("new", 7)}
        assert await store.read(lambda tx: tx.shares.marked(one.key, "m1")) == []
        await store.write(lambda tx: tx.shares.delete_facts(one.key, "b"))
        assert await store.read(found) == {"d/a": ("new", 7)}

    play(story)


def test_displaced_facts_are_found_by_their_mark_alone(play):
    """One path's, or what is below a path that others take; unmarked ones are gone; snapshots have none."""

    async def story(store):
        one, copy = share(), share(snapshot="2024")
        for each in (one, copy):
            await store.write(lambda tx, each=each: tx.shares.insert(each))

        def work(tx):
            marks = {"a": "ma", "b": "", "d": "md", "d/x": "mx", "d/s/x": "my", "d/z": "", "e/x": "me"}
            for path, mark in marks.items():
                tx.shares.put_facts(one.key, path, replace(facts(path, born=len(path)), mark=mark))
            tx.shares.displace(one.key, "a")
            tx.shares.displace(one.key, "b")
            tx.shares.displace(one.key, "nothing")
            tx.shares.move_facts(one.key, "e", "d")
            tx.shares.copy(one.key, copy.key)

        await store.write(work)

        def where(tx, key, mark):
            return [(is_displaced(path), each.metadata["of"]) for path, each in tx.shares.marked(key, mark)]

        for mark, of in (("ma", "a"), ("md", "d"), ("mx", "d/x"), ("my", "d/s/x")):
            assert await store.read(lambda tx, m=mark: where(tx, one.key, m)) == [(True, of)]
            assert await store.read(lambda tx, m=mark: where(tx, copy.key, m)) == []
        assert await store.read(lambda tx: where(tx, one.key, "me")) == [(False, "e/x")]
        for path in ("a", "b", "d", "d/z", "e/x"):
            assert await store.read(lambda tx, p=path: tx.shares.facts(one.key, p)) is None
        assert await store.read(lambda tx: [tx.shares.born(one.key, born) for born in (1, 3)]) == [None, "d/x"]
        assert (await store.read(lambda tx: tx.shares.facts(one.key, "d/x"))).metadata == {"of": "e/x"}

        def back(tx):
            ((path, _),) = tx.shares.marked(one.key, "ma")
            tx.shares.hand_over(one.key, path, "d/new", below=False)

        await store.write(back)
        assert (await store.read(lambda tx: tx.shares.facts(one.key, "d/new"))).metadata == {"of": "a"}
        assert await store.read(lambda tx: (tx.shares.has_below(one.key, "d"), tx.shares.has_below(one.key, "a"))) == (
            True, False,
        )  # fmt: skip

    play(story)


def test_facts_are_gone_through_and_forgotten_when_they_are_lost(play):
    """In one order over all shares; only since when they are lost; what is put there again is not lost."""

    async def story(store):
        one, two = share(), share("two")
        for each in (one, two):
            await store.write(lambda tx, each=each: tx.shares.insert(each))
        paths = [(one, "b"), (one, "a"), (one, "d/x"), (two, "a")]
        for each, path in paths:
            await store.write(lambda tx, e=each, p=path: tx.shares.put_facts(e.key, p, facts(p)))

        async def walk(limit):
            found, after = [], (0, "", "")
            while some := await store.read(lambda tx, after=after: tx.shares.some_facts(after, limit)):
                after = some[-1][0]
                found += [(spot[0], path, lost) for spot, path, lost in some]
            return found

        every = [(one.key, "a", None), (one.key, "b", None), (one.key, "d/x", None), (two.key, "a", None)]
        assert await walk(1) == await walk(3) == every
        for path in ("a", "b", "d/x"):
            await store.write(lambda tx, p=path: tx.shares.note_lost(one.key, p, NOW))
        await store.write(lambda tx: tx.shares.note_lost(one.key, "b", None))
        await store.write(lambda tx: tx.shares.put_facts(one.key, "d/x", facts("again")))
        for path in ("a", "b", "d/x"):
            await store.write(lambda tx, p=path: tx.shares.forget_lost(one.key, p, NOW))
        assert await walk(10) == every[1:]

    play(story)
