"""What users are to be told by mail: noted in the unit in which it happens, kept until it was sent.

A notice is claimed before it is sent, so that of several servers one sends it; who died gives it up after some minutes.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from linarite.engine.ledger import NOTICE, Ledger

CLAIM = 900_000_000
"""Microseconds for which claimed notices are their server's: longer than sending them takes, however slow each is."""
AGAIN = 60_000_000
"""Microseconds until one that could not be sent is tried again."""
AT_ONCE = 5
Notices = dict[str, dict[str, Any]]


def claim(u: Ledger) -> Notices:
    """Some notices that nobody is sending, by their names; they are the caller's for a while."""
    found = u.tx.documents.all(NOTICE, u.now).items()
    free = dict(islice(((name, value) for name, value in found if value["claimed_until"] <= u.now), AT_ONCE))
    for name, value in free.items():
        u.tx.documents.put(NOTICE, name, {**value, "claimed_until": u.now + CLAIM}, value["expires_at"])
    return free


def later(u: Ledger, name: str, value: dict[str, Any]) -> None:
    """Let one that could not be sent be tried again in a minute, by whoever is there then."""
    u.tx.documents.put(NOTICE, name, {**value, "claimed_until": u.now + AGAIN}, value["expires_at"])


def sent(u: Ledger, name: str) -> None:
    """Forget one that was sent."""
    u.tx.documents.delete(NOTICE, name)
