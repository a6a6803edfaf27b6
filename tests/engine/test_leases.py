"""The life of a lease, in microseconds of a clock that is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from linarite.engine.errors import WrongState
from linarite.engine.sharing.leases import (
    FREE,
    INFINITE,
    Claim,
    Lease,
    LeaseState,
    acquire,
    break_,
    change,
    check_change,
    check_named,
    release,
    renew,
)  # fmt: skip

SECOND = 1_000_000
HELD = acquire(FREE, "a", INFINITE, 0)
SHORT = acquire(FREE, "a", 15, 0)
BREAKING, _ = break_(SHORT, 10, 0)
BROKEN, _ = break_(HELD, 0, 0)


@pytest.mark.parametrize(
    ("lease", "now", "state"),
    [
        (FREE, 0, LeaseState.AVAILABLE),
        (HELD, 10**15, LeaseState.LEASED),
        (SHORT, 15 * SECOND - 1, LeaseState.LEASED),
        (SHORT, 15 * SECOND, LeaseState.EXPIRED),
        (BREAKING, 10 * SECOND - 1, LeaseState.BREAKING),
        (BREAKING, 10 * SECOND, LeaseState.BROKEN),
        (BROKEN, 0, LeaseState.BROKEN),
        (release(HELD, "A", 0), 0, LeaseState.AVAILABLE),
    ],
)
def test_states(lease: Lease, now: int, state: LeaseState) -> None:
    """Time alone makes a lease expired or broken."""
    assert lease.state(now) is state


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (lambda: acquire(HELD, "b", INFINITE, 0), "present"),
        (lambda: acquire(BREAKING, "a", INFINITE, 0), "breaking"),
        (lambda: renew(BROKEN, "a", 0), "broken"),
        (lambda: renew(FREE, "a", 0), "absent"),
        (lambda: renew(HELD, "b", 0), "mismatch"),
        (lambda: change(HELD, "b", "c", 0), "mismatch"),
        (lambda: change(BREAKING, "a", "b", 0), "breaking"),
        (lambda: change(BROKEN, "a", "b", 0), "absent"),
        (lambda: release(HELD, "b", 0), "mismatch"),
        (lambda: release(FREE, "b", 0), "absent"),
        (lambda: break_(FREE, None, 0), "absent"),
        (lambda: check_change(HELD, Claim()), "missing"),
        (lambda: check_change(HELD, Claim(lease="b")), "mismatch"),
        (lambda: check_change(FREE, Claim(lease="a")), "absent"),
        (lambda: check_named(BROKEN, Claim(lease="a")), "lost"),
    ],
)
def test_what_a_lease_refuses(action: Callable[[], object], reason: str) -> None:
    with pytest.raises(WrongState) as refused:
        action()
    assert (refused.value.kind, refused.value.state) == ("lease", reason)


def test_what_a_lease_allows() -> None:
    """Its id in any case; anything once it is broken; everything once it is released."""
    check_change(HELD, Claim(lease="A"))
    check_named(HELD, Claim())
    check_change(BROKEN, Claim())
    assert acquire(HELD, "A", INFINITE, 0).state(0) is LeaseState.LEASED
    assert acquire(BROKEN, "b", INFINITE, 0).id == "b"
    assert change(change(HELD, "a", "b", 0), "a", "b", 0).id == "b"
    assert renew(SHORT, "a", 20 * SECOND).state(34 * SECOND) is LeaseState.LEASED
    assert release(BROKEN, "a", 0) == FREE


@pytest.mark.parametrize(
    ("lease", "period", "now", "seconds"),
    [
        (HELD, None, 0, 0),
        (HELD, 30, 0, 30),
        (SHORT, None, 5 * SECOND, 10),
        (SHORT, 3, 5 * SECOND, 3),
        (SHORT, 60, 5 * SECOND, 10),
        (BREAKING, None, 4 * SECOND, 6),
        (BREAKING, 2, 4 * SECOND, 2),
        (BROKEN, None, 0, 0),
    ],
)
def test_how_long_a_lease_takes_to_break(lease: Lease, period: int | None, now: int, seconds: int) -> None:
    """Never longer than it would have lasted, or than it was already to take."""
    broken, told = break_(lease, period, now)
    assert told == seconds
    assert broken.state(now + seconds * SECOND) is LeaseState.BROKEN
