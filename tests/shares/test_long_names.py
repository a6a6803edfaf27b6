"""The whole of long names: kept while a file bears them, put aside, had back, and forgotten."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from linarite.fs import Beneath
from linarite.shares.long_names import digest_of
from linarite.shares.spelling import Spelling

LONG, OTHER = "Ж" * 200, "Щ" * 200


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A share with a file by a long name."""
    folder = tmp_path / "account" / "share"
    folder.mkdir(parents=True)
    make(tmp_path, folder, LONG)
    return folder


def make(root: Path, folder: Path, name: str) -> Path:
    spelling = Spelling(str(root))
    spelling.keep(name)
    file = folder / spelling.disk(name)
    file.touch()
    return file


def names(root: Path) -> tuple[list[str], list[str]]:
    """Those that are known, and those that were put aside."""
    aside = root / ".names" / ".unused"
    known = sorted(set(os.listdir(root / ".names")) - {".unused"})
    return known, sorted(os.listdir(aside)) if aside.is_dir() else []


def test_what_a_file_bears_stays(tmp_path: Path, share: Path) -> None:
    """In a share, a snapshot, a deleted share; as a directory too."""
    for at, folder in enumerate((".snapshots/account/share/now", ".deleted/account/share/1/share", "account/other/d")):
        (tmp_path / folder).mkdir(parents=True)
        cut = make(tmp_path, tmp_path / folder, f"{OTHER}{at}")
        cut.unlink()
        cut.mkdir()
    before = names(tmp_path)
    assert (len(before[0]), before[1]) == (4, [])
    for _ in range(3):
        Spelling(str(tmp_path)).sweep()
        assert names(tmp_path) == before


def test_what_nothing_bears_is_aside_once_and_then_gone(tmp_path: Path, share: Path) -> None:
    make(tmp_path, share, OTHER).unlink()
    kept, unused = digest_of(LONG), digest_of(OTHER)
    Spelling(str(tmp_path)).sweep()
    assert names(tmp_path) == ([kept], [unused])
    Spelling(str(tmp_path)).sweep()
    assert names(tmp_path) == ([kept], [])


@pytest.mark.parametrize("way", ["listed", "made", "found by the sweep"])
def test_what_was_put_aside_is_had_back(tmp_path: Path, share: Path, way: str) -> None:
    """A file that moved past the sweep is listed by its whole name; one that is made anew has it too."""
    file = share / Spelling("").disk(LONG)
    away = file.rename(tmp_path.parent / f"{tmp_path.name}-away")
    Spelling(str(tmp_path)).sweep()
    assert names(tmp_path) == ([], [digest_of(LONG)])
    away.rename(file)
    if way == "listed":
        assert Spelling(str(tmp_path)).protocol(file.name) == LONG
    elif way == "made":
        Spelling(str(tmp_path)).keep(LONG)
    else:
        Spelling(str(tmp_path)).sweep()
    assert names(tmp_path) == ([digest_of(LONG)], [])
    Spelling(str(tmp_path)).sweep()
    found = Spelling(str(tmp_path)).locate(Beneath(str(share)), LONG)
    assert (found.path, found.stat is not None) == (LONG, True)
    assert Spelling(str(tmp_path)).protocol(found.disk) == LONG


def test_a_name_that_is_being_kept_is_left(tmp_path: Path, share: Path) -> None:
    """And where there are no long names nothing is looked through."""
    draft = tmp_path / ".names" / f"{digest_of(OTHER)}.1"
    draft.touch()
    Spelling(str(tmp_path)).sweep()
    assert draft.exists()
    Spelling(str(tmp_path / "none")).sweep()
    assert not (tmp_path / "none").exists()


def test_what_may_be_borne_where_nobody_can_look_stays(
    tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that cannot be read for a while costs no file in it its name."""
    (share / "d").mkdir()
    kept = names(tmp_path)
    scan = Beneath.scan

    def unreadable(beneath: Beneath, path: str = "") -> Any:
        if path.endswith("/d"):
            raise PermissionError(path)
        return scan(beneath, path)

    monkeypatch.setattr(Beneath, "scan", unreadable)
    for each in share.iterdir():
        if each.is_file():
            each.rename(share / "d" / each.name)
    for _ in range(3):
        Spelling(str(tmp_path)).sweep()
    assert names(tmp_path) == kept


def test_what_is_left_of_a_name_that_was_being_kept_goes(tmp_path: Path, share: Path) -> None:
    """After a while: it may be another server's that is at it."""
    before = names(tmp_path)
    for name, age in (("old", 4000), ("new", 10)):
        draft = tmp_path / ".names" / f"{digest_of(OTHER)}.{name}"
        draft.write_bytes(b"half")
        os.utime(draft, (time.time() - age,) * 2)
    Spelling(str(tmp_path)).sweep()
    assert names(tmp_path)[0] == sorted([*before[0], f"{digest_of(OTHER)}.new"])


def test_a_name_that_finds_no_room_leaves_nothing(tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    before = names(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        Spelling(str(tmp_path)).keep(OTHER)
    assert names(tmp_path) == before
