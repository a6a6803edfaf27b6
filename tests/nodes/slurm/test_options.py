"""Which machines a pool has, by the settings."""

from __future__ import annotations

import os
import pwd

import pytest

from linarite.engine.launching import Machine, MachineState
from linarite.nodes.slurm.options import Options, Where, is_constraint, satisfies
from linarite.nodes.slurm.users import UnknownUserError, Users

MACHINE = Machine(name="n1", state=MachineState.IDLE, groups=("main", "long"), features=("red", "round"))


@pytest.mark.parametrize(
    ("constraint", "holds"),
    [
        ("red", True), ("blue", False), ("red&round", True), ("red&blue", False), ("blue|red", True),
        ("blue|green", False), ("blue|red&round", True), ("red|blue&green", False), ("red&blue|round", True),
    ],
)  # fmt: skip
def test_constraint_is_read_from_left_to_right(constraint: str, holds: bool):
    assert satisfies(constraint, MACHINE.features) is holds


@pytest.mark.parametrize("text", ["red", "a&b|c", "gpu:4", "x86-64.v3", "a+b"])
def test_what_is_a_constraint(text: str):
    assert is_constraint(text)


@pytest.mark.parametrize("text", ["", "&", "a&", "|a", "a&&b", "[a|b]", "a*2", "(a&b)", "a b", "a;b", "!a", "a\n"])
def test_what_is_more_than_we_read(text: str):
    assert not is_constraint(text)


@pytest.mark.parametrize(
    ("where", "default", "takes"),
    [
        (Where(), "main", True), (Where(), "other", False), (Where(), None, True), (Where(partition="long"), "x", True),
        (Where(partition="other"), "main", False), (Where(constraint="red"), "main", True),
        (Where(constraint="blue"), "main", False),
    ],
)  # fmt: skip
def test_machines_of_a_place(where: Where, default: str | None, takes: bool):
    """A pool without a partition has the cluster's default one."""
    assert where.takes(MACHINE, default) is takes


def test_place_of_a_pool_is_by_its_id_before_its_size():
    by_id, by_size, usual = Where(partition="a"), Where(partition="b"), Where(partition="c")
    options = Options(usual=usual, pools={"Pool1": by_id}, sizes={"Standard_D2": by_size})
    assert options.where("POOL1", "standard_d2") is by_id
    assert options.where("pool2", "STANDARD_D2") is by_size
    assert options.where("pool2", "other") is usual


def test_own_user_is_used_when_none_is_named():
    if os.geteuid() == 0:
        with pytest.raises(UnknownUserError, match="slurm_user"):
            Users(None, {})
    else:
        assert Users(None, {}).of("any").own


def test_user_that_the_machine_does_not_know():
    with pytest.raises(UnknownUserError, match="no-such-user"):
        Users("no-such-user", {})


@pytest.mark.root
def test_users_of_accounts():
    """Each account has its own, or the one of all others; who is several accounts' is one runner."""
    users = Users("nobody", {"one": "games", "two": "games"})
    games, nobody = pwd.getpwnam("games"), pwd.getpwnam("nobody")
    assert [users.of(name).uid for name in ("one", "two", "three")] == [games.pw_uid, games.pw_uid, nobody.pw_uid]
    assert [runner.name for runner in users.all()] == ["games", "nobody"]
    assert not any(runner.own for runner in users.all())
