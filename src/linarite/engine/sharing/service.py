"""The properties of an account's file service: metrics, CORS rules, settings of its protocols.

Metrics and protocol settings are kept and told; this server writes no metrics tables and speaks no SMB.
Source: "Set File Service Properties", NOTES 11.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from linarite.engine.sharing.ports import ShareStore

_KIND = "file service"
RULES_LIFE = 2_000_000
"""Microseconds."""
MOST_RULES = 256
"""Accounts whose rules are remembered."""


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """What is counted. `days` None: nothing is ever removed."""

    version: str = "1.0"
    enabled: bool = False
    apis: bool | None = None
    days: int | None = None


class CorsRule(msgspec.Struct, frozen=True, kw_only=True):
    """What pages of other sites may ask for. `age` in seconds; a header's name may end in `*`."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    age: int = 0

    def allows(self, origin: str, method: str, headers: tuple[str, ...]) -> bool:
        """Whether a page of `origin` may call `method` with such headers. Origins are compared with their case."""
        if "*" not in self.origins and origin not in self.origins:
            return False
        return method in self.methods and all(named(name, self.headers) for name in headers)


class ServiceProperties(msgspec.Struct, frozen=True, kw_only=True):
    """All of them; those of a new account by default."""

    hour: Metrics = Metrics()
    minute: Metrics = Metrics()
    cors: tuple[CorsRule, ...] = ()
    multichannel: bool = False
    smb_encrypted: bool = False
    nfs_encrypted: bool = False


class Service:
    """The file service of each account."""

    def __init__(self, store: ShareStore) -> None:
        self._store = store
        self._rules: OrderedDict[str, tuple[int, tuple[CorsRule, ...]]] = OrderedDict()

    async def rules(self, account: str, now: int) -> tuple[CorsRule, ...]:
        """The account's CORS rules, which every request that reads asks for.

        They are remembered for RULES_LIFE: what another server changed is seen after that, what this one did at once.
        """
        known = self._rules.get(account)
        if known is not None and 0 <= now - known[0] < RULES_LIFE:
            return known[1]
        found = (await self.properties(account)).cors
        self._rules[account] = (now, found)
        self._rules.move_to_end(account)
        while len(self._rules) > MOST_RULES:
            self._rules.popitem(last=False)
        return found

    async def properties(self, account: str) -> ServiceProperties:
        """The properties of an account's service."""
        kept = await self._store.read(lambda tx: tx.documents.get(_KIND, account, 0))
        return _read(kept)

    async def change(self, account: str, changes: dict[str, Any]) -> None:
        """Set properties (names of `ServiceProperties`'s to values); the others stay."""

        def work(tx: Any) -> None:  # noqa: ANN401 - a transaction
            changed = msgspec.structs.replace(_read(tx.documents.get(_KIND, account, 0)), **changes)
            tx.documents.put(_KIND, account, msgspec.to_builtins(changed))

        await self._store.write(work)
        self._rules.pop(account, None)


def named(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether a header is named by a pattern, without regard to case."""
    lower, wanted = name.lower(), [each.lower() for each in patterns]
    return any(lower.startswith(each[:-1]) if each.endswith("*") else lower == each for each in wanted)


def match(rules: tuple[CorsRule, ...], origin: str, method: str, headers: tuple[str, ...] = ()) -> CorsRule | None:
    """The first rule that allows a page of `origin` the call."""
    return next((rule for rule in rules if rule.allows(origin, method, headers)), None)


def _read(kept: Any) -> ServiceProperties:  # noqa: ANN401 - what the store keeps
    return ServiceProperties() if kept is None else msgspec.convert(kept, ServiceProperties)
