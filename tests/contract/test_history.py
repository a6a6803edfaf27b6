"""Events and documents."""

from __future__ import annotations

from tests.contract.records import NOW, event


def test_events_come_back_in_their_order(play):
    """The history of one record, oldest first, as many rows as asked for."""

    async def story(store):
        await store.write(lambda tx: tx.events.add([event(1, "added"), event(2), event(1, "started", at=NOW - 5)]))
        await store.write(lambda tx: tx.events.add(iter([event(1, "ended"), event(1, "other", kind="job")])))
        found = await store.read(lambda tx: tx.events.of("task", 1))
        assert [each.what for each in found] == ["added", "started", "ended"]
        assert found[0] == event(1, "added")
        assert len(await store.read(lambda tx: tx.events.of("task", 1, limit=2))) == 2
        assert await store.read(lambda tx: tx.events.of("node", 1)) == []

    play(story)


def test_events_prune_forgets_the_old_a_few_at_a_time(play):
    """Only rows older than the moment go, no more than the limit at once, and the rest stays as it is."""

    async def story(store):
        await store.write(lambda tx: tx.events.add([event(n, at=NOW + n) for n in range(10)]))
        assert await store.write(lambda tx: tx.events.prune(NOW + 5, 3)) == 3
        assert await store.write(lambda tx: tx.events.prune(NOW + 5, 30)) == 2
        assert await store.write(lambda tx: tx.events.prune(NOW + 5, 30)) == 0
        kept = [await store.read(lambda tx, n=n: len(tx.events.of("task", n))) for n in range(10)]
        assert kept == [0] * 5 + [1] * 5

    play(story)


def test_documents_are_replaced_and_deleted(play):
    """A document has one value by kind and name: plain data, any JSON can hold."""

    async def story(store):
        value = {"a": [1, 2.5, None, True, "ü"], "b": {}}
        await store.write(lambda tx: tx.documents.put("session", "Name", value))
        assert await store.read(lambda tx: tx.documents.get("session", "Name", NOW)) == value
        assert await store.read(lambda tx: tx.documents.get("session", "name", NOW)) is None
        assert await store.read(lambda tx: tx.documents.get("query", "Name", NOW)) is None
        await store.write(lambda tx: tx.documents.put("session", "Name", 5))
        assert await store.read(lambda tx: tx.documents.get("session", "Name", NOW)) == 5
        await store.write(lambda tx: tx.documents.delete("session", "Name"))
        assert await store.read(lambda tx: tx.documents.get("session", "Name", NOW)) is None

    play(story)


def test_documents_end_at_their_time(play):
    """From its end on a document is not found; pruning removes it, and only it."""

    async def story(store):
        def put(tx):
            tx.documents.put("k", "short", 1, NOW + 10)
            tx.documents.put("k", "long", 2, NOW + 20)
            tx.documents.put("k", "ever", 3)
            tx.documents.put("other", "ever", 4)

        await store.write(put)
        assert await store.read(lambda tx: tx.documents.get("k", "short", NOW + 9)) == 1
        assert await store.read(lambda tx: tx.documents.get("k", "short", NOW + 10)) is None
        assert await store.read(lambda tx: tx.documents.all("k", NOW + 10)) == {"long": 2, "ever": 3}
        await store.write(lambda tx: tx.documents.prune(NOW + 10))
        assert await store.read(lambda tx: tx.documents.all("k", 0)) == {"long": 2, "ever": 3}
        await store.write(lambda tx: tx.documents.put("k", "long", 5))
        assert await store.read(lambda tx: tx.documents.get("k", "long", NOW + 99)) == 5

    play(story)
