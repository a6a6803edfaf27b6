"""How large an array may be, from what Slurm took and what it refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linarite.nodes.slurm.commands import Limits
from linarite.nodes.slurm.room import GATHER, Room


def test_nothing_was_refused():
    room = Room()
    room.limits = Limits(array=9)
    room.took()
    assert (room.most, room.narrow, room.pause) == (9, False, GATHER)


def test_half_of_what_was_refused_is_tried_at_once():
    room = Room()
    room.refused(300)
    room.refused(300)  # another one of the same moment
    assert (room.most, room.narrow, room.pause) == (150, True, GATHER)


def test_twice_as_much_with_all_that_is_taken_until_it_is_all():
    room = Room()
    room.limits = Limits(array=9)
    room.refused(6)
    found = []
    while room.narrow:
        found.append(room.most)
        room.took()
    assert (found, room.most) == ([3, 6], 9)


def test_longer_and_longer_pauses_while_there_is_no_room_for_one():
    room = Room()
    pauses = []
    for _ in range(12):
        room.refused(1)
        pauses.append(room.pause)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1], room.most) == (0.25, 5.0, 1)
    room.took()
    assert room.pause == GATHER


@given(st.integers(1, 2000), st.integers(1, 1000))
def test_whatever_room_there_is_is_found(free: int, array: int):
    """In as many tries as a number has bits."""
    room = Room()
    room.limits = Limits(array=array)
    tries = 0
    while room.most > free:
        room.refused(room.most)
        tries += 1
    assert tries <= array.bit_length()
