"""Facts as one transaction keeps them, with what they bring along: for all names of a file, with its permission."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.sharing.inheritance import merged
from linarite.engine.sharing.known import require
from linarite.engine.sharing.ports import Item, Place, ShareRecords, ShareTransaction
from linarite.engine.sharing.records import Facts, Share
from linarite.engine.sharing.views import DEFAULT_PERMISSION, Settings, View, permission_key, settle


def settled(
    tx: ShareTransaction, place: Place, facts: Facts, settings: Settings, before: View | None, item: Item
) -> View:  # fmt: skip
    """Keep facts as `settings` make them once the tree stamped `item`. `before` None: everything is new."""
    share = require(tx, place)
    found = settle(facts, _with_permission(tx.shares, share, settings, item), before, item)
    keep(tx.shares, share, item, found)
    return View(share=share, item=item, facts=found)


def keep(records: ShareRecords, share: Share, item: Item, facts: Facts) -> None:
    """Store facts, for all names of a file that has several."""
    records.put_facts(share.key, item.path, facts)
    if item.links > 1 and facts.born is not None:
        records.put_facts_of_links(share.key, facts)


def _with_permission(records: ShareRecords, share: Share, settings: Settings, item: Item) -> Settings:
    descriptor = settings.descriptor
    if settings.inherits and settings.permission is None:
        descriptor = merged(descriptor or DEFAULT_PERMISSION, _above(records, share, item), directory=item.is_directory)
    if descriptor is None or descriptor == DEFAULT_PERMISSION:
        return settings if descriptor is None else replace(settings, permission=permission_key(descriptor))
    key = permission_key(descriptor)
    records.put_permission(share.key, key, descriptor)
    return replace(settings, permission=key)


def _above(records: ShareRecords, share: Share, item: Item) -> str:
    """The permission of the directory above."""
    facts = records.facts(share.key, item.path.rpartition("/")[0])
    key = facts.permission if facts else None
    return (key and records.permission(share.key, key)) or DEFAULT_PERMISSION
