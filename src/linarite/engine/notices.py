"""What users are to be told by mail: noted in the unit in which it happens, kept until it was sent.

A notice is claimed before it is sent, so that of several servers one sends it; who fails gives it up after a minute.
"""

from __future__ import annotations

from typing import Any

from linarite.engine.ledger import NOTICE, Ledger

CLAIM = 60_000_000
Notices = dict[str, dict[str, Any]]


def claim(u: Ledger) -> Notices:
    """The notices that nobody is sending, by their names; they are the caller's for a minute."""
    found = u.tx.documents.all(NOTICE, u.now)
    free = {name: value for name, value in found.items() if value["claimed_until"] <= u.now}
    for name, value in free.items():
        u.tx.documents.put(NOTICE, name, {**value, "claimed_until": u.now + CLAIM}, value["expires_at"])
    return free


def sent(u: Ledger, name: str) -> None:
    """Forget one that was sent."""
    u.tx.documents.delete(NOTICE, name)
