"""Leases on shares and files: pure rules, `(lease, event, now) -> lease'`.

A file's lease is infinite and breaks at once; a share's may last 15 to 60 seconds and take as long to break.
Source: NOTES 10, "Lease File" and "Lease Share". Refusals are `WrongState("lease", reason, "use" | "operation" | ...)`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from linarite.engine.errors import WrongState

INFINITE = -1
SECOND = 1_000_000


class LeaseState(StrEnum):
    """What a lease is at a moment."""

    AVAILABLE = "available"
    LEASED = "leased"
    EXPIRED = "expired"
    BREAKING = "breaking"
    BROKEN = "broken"


class Reason(StrEnum):
    """Why a lease stands in the way."""

    PRESENT = "present"
    ABSENT = "absent"
    MISSING = "missing"
    MISMATCH = "mismatch"
    LOST = "lost"
    BREAKING = "breaking"
    BROKEN = "broken"


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A lease. `id` None: never acquired, or released. `duration` in seconds, -1: no end; moments in microseconds."""

    id: str | None = None
    duration: int = INFINITE
    ends_at: int | None = None
    breaks_at: int | None = None

    def state(self, now: int) -> LeaseState:
        """The state at `now`."""
        if self.id is None:
            return LeaseState.AVAILABLE
        if self.breaks_at is not None:
            return LeaseState.BREAKING if now < self.breaks_at else LeaseState.BROKEN
        if self.ends_at is not None and now >= self.ends_at:
            return LeaseState.EXPIRED
        return LeaseState.LEASED

    def is_active(self, now: int) -> bool:
        """Whether it protects at `now`."""
        return self.state(now) in {LeaseState.LEASED, LeaseState.BREAKING}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a request brings to be allowed a change: the lease that it names, and its moment in microseconds.

    `condition` is called with what is there (a `View`, None when nothing is) while nobody else can change it; it
    raises when the caller wants it otherwise.
    """

    lease: str | None = None
    now: int = 0
    ignores_read_only: bool = False
    condition: Callable[[Any], None] | None = None


FREE = Lease()
Change = Callable[[Lease], tuple[Lease, int]]


def check_change(lease: Lease, claim: Claim) -> None:
    """Allow a change of what is leased: an active lease must be named, and no other may be."""
    if claim.lease is None and lease.is_active(claim.now):
        raise _refused(Reason.MISSING, "use")
    check_named(lease, claim)


def check_named(lease: Lease, claim: Claim) -> None:
    """Allow a reading: it needs no lease, but one that it names must be the active one."""
    if claim.lease is None:
        return
    is_same = same(lease.id, claim.lease)
    if lease.is_active(claim.now):
        if not is_same:
            raise _refused(Reason.MISMATCH, "use")
        return
    raise _refused(Reason.LOST if is_same else Reason.ABSENT, "use")


def acquire(lease: Lease, proposed: str, duration: int, now: int) -> Lease:
    """Take the lease, or take it again under the id that it has."""
    state = lease.state(now)
    if state is LeaseState.BREAKING:
        raise _refused(Reason.BREAKING, "acquire")
    if state is LeaseState.LEASED and not same(lease.id, proposed):
        raise _refused(Reason.PRESENT, "acquire")
    return Lease(id=proposed, duration=duration, ends_at=_end(duration, now))


def renew(lease: Lease, given: str, now: int) -> Lease:
    """Begin the duration again; an expired lease can be renewed, a broken one cannot."""
    state = _own(lease, given, now)
    if state in {LeaseState.BREAKING, LeaseState.BROKEN}:
        raise _refused(Reason.BROKEN, "renew")
    return Lease(id=lease.id, duration=lease.duration, ends_at=_end(lease.duration, now))


def change(lease: Lease, given: str, proposed: str, now: int) -> Lease:
    """Give an active lease another id; asking twice is fine."""
    state = lease.state(now)
    if state is LeaseState.LEASED and same(lease.id, proposed):
        return lease
    _own(lease, given, now)
    if state is LeaseState.BREAKING:
        raise _refused(Reason.BREAKING, "change")
    if state is not LeaseState.LEASED:
        raise _refused(Reason.ABSENT, "operation")
    return Lease(id=proposed, duration=lease.duration, ends_at=lease.ends_at)


def release(lease: Lease, given: str, now: int) -> Lease:
    """End the lease: anybody may acquire one at once."""
    _own(lease, given, now)
    return FREE


def break_(lease: Lease, period: int | None, now: int) -> tuple[Lease, int]:
    """End the lease without its id; returns it and the seconds until it is broken.

    `period` is the longest time that it may take; None: what remains of a limited lease, no time for an infinite one.
    """
    state = lease.state(now)
    if state is LeaseState.AVAILABLE:
        raise _refused(Reason.ABSENT, "operation")
    if state in {LeaseState.BROKEN, LeaseState.EXPIRED}:
        return Lease(id=lease.id, duration=lease.duration, breaks_at=now), 0
    ends = lease.breaks_at or lease.ends_at
    remaining = period or 0 if ends is None else max(0, -((now - ends) // SECOND))
    seconds = remaining if period is None else min(period, remaining)
    return Lease(id=lease.id, duration=lease.duration, breaks_at=now + seconds * SECOND), seconds


def same(one: str | None, other: str | None) -> bool:
    """Whether two lease ids are one, without regard to case."""
    return one is not None and other is not None and one.lower() == other.lower()


def _own(lease: Lease, given: str, now: int) -> LeaseState:
    state = lease.state(now)
    if state is LeaseState.AVAILABLE:
        raise _refused(Reason.ABSENT, "operation")
    if not same(lease.id, given):
        raise _refused(Reason.MISMATCH, "operation")
    return state


def _end(duration: int, now: int) -> int | None:
    return None if duration == INFINITE else now + duration * SECOND


def _refused(reason: Reason, action: str) -> WrongState:
    return WrongState("lease", reason, action)
