"""What stands on the shared folder: written durably, taken over by another server, whatever the user puts there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.nodes.slurm.parts import make_launch, make_spool

from linarite.nodes.slurm.spool import INDEX, LARGEST, Bunch, Mark, Spool

LAUNCHES = {"0": make_launch("t1.1"), "1": make_launch("t2.1")}
SCRIPTS = {"0": b"# t1.1 0\n", "1": b"# t2.1 0\n"}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return tmp_path / "slurm"


def opened(top: Path) -> Spool:
    spool = make_spool(top)
    spool.open()
    return spool


def claims(spool: Spool) -> Path:
    return Path(spool.state, "claims")


def test_bunch_is_there_for_the_next_server(top: Path):
    """With all its launches, at the place that Slurm's script was told."""
    bunch = opened(top).write("abc", LAUNCHES, SCRIPTS)
    again = make_spool(top)
    assert again.open() == [bunch]
    assert again.open() == [bunch], "and for the one after that"
    closed = Path(f"{os.path.dirname(bunch.folder)}.closed", "abc")
    assert (closed / "0").read_bytes() == SCRIPTS["0"]


def test_server_that_was_taken_over_from_writes_nothing(top: Path):
    """It may have been frozen: it cannot know."""
    old = opened(top)
    old.write("abc", LAUNCHES, SCRIPTS)
    new = opened(top)
    with pytest.raises(OSError):  # noqa: PT011 - any will do
        old.write("def", LAUNCHES, SCRIPTS)
    assert [bunch.token for bunch in make_spool(top).open()] == ["abc"]
    with pytest.raises(OSError):  # noqa: PT011 - taken over from twice
        new.write("ghi", LAUNCHES, SCRIPTS)


def test_bunch_that_was_not_written_to_its_end_was_never_submitted(top: Path):
    spool = opened(top)
    bunch = spool.write("abc", LAUNCHES, SCRIPTS)
    os.unlink(f"{bunch.folder}/index")
    spool.write("def", LAUNCHES, SCRIPTS)
    Path(bunch.folder).with_name("ghi").mkdir()
    assert [found.token for found in make_spool(top).open()] == ["def"]
    assert not [path for path in top.rglob("*") if path.name in ("abc", "ghi")]


def test_index_that_cannot_be_read(top: Path):
    bunch = opened(top).write("abc", LAUNCHES, SCRIPTS)
    Path(bunch.folder, "index").write_bytes(b"\xc1 nothing")
    assert make_spool(top).open() == []


def test_forgotten_runs_leave_nothing(top: Path):
    spool = opened(top)
    bunch = spool.write("abc", LAUNCHES, SCRIPTS)
    for what in ("asked", "claims", "ended", "why", "returned"):
        Path(spool.state, what, "t1.1").write_text("x")
    spool.forget(bunch, "0", "t1.1")
    assert not [path for path in top.rglob("*/*") if path.name in ("t1.1", "0")]
    (left,) = make_spool(top).open()
    assert dict(left.launches) == {"1": LAUNCHES["1"]}
    spool.forget(bunch, "1", "t2.1")
    spool.drop(bunch)
    assert make_spool(top).open() == []
    assert sorted(path.name for path in Path(spool.folder, "bunches").iterdir())[1:] == [], "generations go when empty"


def test_mark_of_what_is_forgotten_meanwhile_does_not_stay(top: Path):
    """Marks are left, and runs forgotten, by a thread each: many marks take a while, and runs end in it."""
    spool = opened(top)
    bunch = spool.write("abc", LAUNCHES, SCRIPTS)
    spool = opened(top)  # its generation is closed
    marks = [Mark("t1.1", "0"), Mark("t2.1", "1"), Mark("abc", INDEX)]
    for mark in (*marks, *marks):
        spool.ask(bunch, mark)
    assert sorted(spool.runs("asked")) == ["abc", "t1.1", "t2.1"]
    spool.forget(bunch, "0", "t1.1")
    for mark in marks:
        spool.ask(bunch, mark)
    assert sorted(spool.runs("asked")) == ["abc", "t2.1"]
    spool.forget(bunch, "1", "t2.1")
    spool.drop(bunch)
    for mark in marks:
        spool.ask(bunch, mark)
    assert spool.runs("asked") == []


def test_run_is_forgotten_wherever_its_bunch_is_now(top: Path):
    """Its generation was closed since; forgetting twice is no error."""
    bunch = opened(top).write("abc", LAUNCHES, SCRIPTS)
    spool = opened(top)
    for _ in range(2):
        spool.forget(bunch, "0", "t1.1")
    ((left),) = make_spool(top).open()
    assert list(left.launches) == ["1"]


def test_element_goes_before_the_claim(top: Path, monkeypatch: pytest.MonkeyPatch):
    """Else a job that is in the queue twice would claim the run anew, and have it."""
    spool = opened(top)
    bunch = spool.write("abc", LAUNCHES, SCRIPTS)
    spool.claim("t1.1")
    gone = list[str]()
    real = os.unlink

    def unlink(path: str, **options: int) -> None:
        gone.append(os.path.basename(path))
        real(path, **options)

    monkeypatch.setattr(os, "unlink", unlink)
    spool.forget(bunch, "0", "t1.1")
    assert gone.index("0") == 0
    assert gone[-1] == "t1.1"
    assert not (claims(spool) / "t1.1").exists()


def test_what_forgotten_runs_told_late_is_swept(top: Path):
    """A run that counted as lost may have gone on; those that are known keep their records."""
    spool = opened(top)
    spool.write("abc", LAUNCHES, SCRIPTS)
    for what in ("claims", "ended", "why", "returned"):
        for run in ("t1.1", "gone.7"):
            Path(spool.state, what, run).write_text("x")
    assert [bunch.token for bunch in make_spool(top).open()] == ["abc"]
    assert {path.name for path in Path(spool.state).rglob("*") if path.is_file()} == {"t1.1"}


def test_run_is_claimed_once(top: Path):
    spool = opened(top)
    spool.write("abc", LAUNCHES, SCRIPTS)
    (claims(spool) / "t1.1").touch()
    assert [spool.claim("t1.1"), opened(top).claim("t1.1")] == [False, False]
    assert spool.runs("claims") == ["t1.1"]
    assert spool.started("t1.1") == os.stat(claims(spool) / "t1.1").st_mtime_ns // 1000


def test_run_that_a_server_took_has_not_started(top: Path):
    """Nor does it start: another server knows that by the claim alone."""
    spool = opened(top)
    assert [spool.claim("t1.1"), spool.claim("t1.1"), spool.started("t1.1")] == [True, True, None]
    bunch = spool.write("abc", {"0": make_launch()}, {"0": b""})
    other = make_spool(top)
    assert [token.token for token in other.open()] == [bunch.token]
    assert [other.claim("t1.1"), other.started("t1.1")] == [True, None]
    with pytest.raises(FileExistsError):
        (claims(spool) / "t1.1").open("x")


def test_element_is_added_to_a_bunch(top: Path):
    """Also when its generation was closed since, and when a server died between two steps of it."""
    bunch = opened(top).write("abc", LAUNCHES, SCRIPTS)
    spool = opened(top)
    closed = Path(f"{os.path.dirname(bunch.folder)}.closed", "abc")
    (closed / ".command").write_bytes(b"half")
    (closed / ".command").chmod(0o400)
    more = spool.add(bunch, "command", make_launch("t3.1"), b"# t3.1 0\n")
    assert (closed / "command").read_bytes() == b"# t3.1 0\n"
    assert make_spool(top).open() == [more]
    assert more.launches["command"].run == "t3.1"


@pytest.mark.parametrize("what", ["claims", "ended", "returned", "why"])
def test_link_in_place_of_a_folder_leads_nowhere(top: Path, tmp_path: Path, what: str):
    """The server may be root and the user have put it there."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "t1.1").write_text("precious")
    spool = opened(top)
    bunch = spool.write("abc", LAUNCHES, SCRIPTS)
    os.rmdir(f"{spool.state}/{what}")
    os.symlink(victim, f"{spool.state}/{what}")
    for touch in (
        lambda: spool.runs(what), lambda: spool.moment(what, "t1.1"), lambda: spool.forget(bunch, "0", "t1.1"),
    ):  # fmt: skip
        with pytest.raises(OSError):  # noqa: PT011 - any will do
            touch()
    make_spool(top).open()
    assert [path.name for path in victim.iterdir()] == ["t1.1"]
    assert (victim / "t1.1").read_text() == "precious"
    assert os.lstat(victim).st_uid == os.geteuid()


def test_link_in_place_of_a_record_leads_nowhere(top: Path, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("exited 0 0\nend\n")
    spool = opened(top)
    os.symlink(secret, f"{spool.state}/ended/t1.1")
    with pytest.raises(OSError):  # noqa: PT011 - any will do
        spool.record("t1.1")
    spool.forget(Bunch("x", "/nowhere/1/x", {}), "0", "t1.1")
    assert secret.exists()


def test_link_in_place_of_a_claim_is_a_claim(top: Path, tmp_path: Path):
    """Nothing is made behind it."""
    spool = opened(top)
    os.symlink(tmp_path / "made", claims(spool) / "t1.1")
    assert not spool.claim("t1.1")
    assert not (tmp_path / "made").exists()
    spool.moment("claims", "t1.1")


def test_fifo_in_place_of_a_record_keeps_nobody_waiting(top: Path):
    spool = opened(top)
    os.mkfifo(f"{spool.state}/ended/t1.1")
    assert spool.record("t1.1")[0] == ""


def test_record_is_read_to_a_bound(top: Path):
    spool = opened(top)
    Path(spool.state, "ended", "t1.1").write_bytes(b"\xff" * LARGEST * 3)
    assert len(spool.record("t1.1")[0]) == LARGEST


def test_nobody_else_looks_into_a_spool(top: Path):
    spool = opened(top)
    bunch = spool.write("abc", LAUNCHES, SCRIPTS)
    modes = {name: os.stat(f"{bunch.folder}/{name}").st_mode & 0o777 for name in ("0", "index")}
    assert modes == {"0": 0o400, "index": 0o600}
    assert os.stat(spool.state).st_mode & 0o777 == 0o700
    assert os.stat(bunch.folder).st_mode & 0o777 == 0o711
