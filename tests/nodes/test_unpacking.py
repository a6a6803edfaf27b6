"""Zip files become folders: whole or not at all, and nothing outside of them."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest

from linarite.engine.packages import Package
from linarite.nodes.moving import unpacking
from linarite.nodes.moving.errors import MovingError, Stop
from linarite.nodes.moving.unpacking import UnfitArchiveError, Unpacker, check_archive

PACKAGE = Package(application="App", version="1.0", digest="d" * 64)


def _entry(name: str, mode: int = stat.S_IFREG | 0o640) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def _link(name: str) -> zipfile.ZipInfo:
    return _entry(name, stat.S_IFLNK | 0o777)


def _of_windows(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = 0x20  # the archive bit, and no mode
    return info


def _archive(folder: Path, *entries: tuple[zipfile.ZipInfo, str | bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{PACKAGE.digest}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return path


def _install(tmp_path: Path, owner: int | None = None) -> Path:
    root = tmp_path / "node"
    (root / "applications").mkdir(parents=True, exist_ok=True)
    Unpacker(owner).install(PACKAGE, str(root), str(tmp_path / "archives"), Stop())
    return root / PACKAGE.directory


def _left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "node").rglob("*") if path.is_file() or path.is_symlink())


def test_install(tmp_path: Path) -> None:
    """Files with folders and modes, for the account's group as for its user; links within; what Windows wrote."""
    _archive(
        tmp_path / "archives", (_entry("bin/run", stat.S_IFREG | 0o755), "#!"), (_entry("a"), "1"),
        (_entry("empty/", stat.S_IFDIR | 0o755), ""), (_of_windows("win\\dows\\b"), b"2" * 3_000_000),
        (_link("bin/link"), "../a"), (_link("other"), "bin/run"),
    )  # fmt: skip
    folder = _install(tmp_path)
    assert folder == tmp_path / "node/applications/app/1.0" / ("d" * 16)
    assert (folder / "bin/run").stat().st_mode & 0o777 == 0o775
    assert (folder / "a").stat().st_mode & 0o777 == 0o660
    assert (folder / "win/dows/b").read_bytes() == b"2" * 3_000_000
    assert (folder / "win/dows/b").stat().st_mode & 0o777 == 0o770
    assert (folder / "empty").is_dir()
    assert (folder / "bin/link").read_text() == "1"
    assert (folder / "other").read_text() == "#!"
    assert sorted(path.name for path in folder.parent.iterdir()) == ["d" * 16]


def test_install_again_changes_nothing(tmp_path: Path) -> None:
    _archive(tmp_path / "archives", (_entry("a"), "1"))
    folder = _install(tmp_path)
    (folder / "a").write_text("mine")
    _install(tmp_path)
    assert (folder / "a").read_text() == "mine"


BAD: dict[str, list[tuple[zipfile.ZipInfo, str]]] = {
    "up": [(_entry("../escaped"), "x")],
    "up-behind": [(_entry("a/../../escaped"), "x")],
    "up-of-windows": [(_entry("a\\..\\..\\escaped"), "x")],
    "absolute": [(_entry("/escaped"), "x")],
    "link-absolute": [(_link("l"), "/etc/passwd")],
    "link-up": [(_link("l"), "../x")],
    "link-up-behind": [(_link("a/b"), "../.."), (_link("a/c"), "b/../../x")],
    "link-far": [(_link("a/l"), "../../escaped")],
    "link-empty": [(_link("l"), "")],
    "link-long": [(_link("l"), "x" * 5000)],
    "through-link": [(_link("l"), "sub"), (_entry("sub/x"), "1"), (_entry("l/y"), "2")],
}


@pytest.mark.parametrize("case", list(BAD))
def test_install_refuses(tmp_path: Path, case: str) -> None:
    """Nothing of it is left, inside or outside."""
    _archive(tmp_path / "archives", (_entry("good"), "1"), *BAD[case])
    with pytest.raises(MovingError) as refused:
        _install(tmp_path)
    assert refused.value.problem.code == "package-failed"
    assert refused.value.problem.details == {"ApplicationPackageReference": "App:1.0"}
    assert _left(tmp_path) == []
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("case", [case for case in BAD if case != "through-link"])
def test_check_archive_refuses(tmp_path: Path, case: str) -> None:
    """The command line tells it before a node has to."""
    with pytest.raises(UnfitArchiveError, match=r"leaves|leads out"):
        check_archive(str(_archive(tmp_path / "archives", *BAD[case])))


def test_install_refuses_what_is_no_archive(tmp_path: Path) -> None:
    path = _archive(tmp_path / "archives", (_entry("good"), "1" * 1000))
    whole = path.read_bytes()
    for broken in (b"", b"nonsense", whole[: len(whole) // 2], whole.replace(b"good", b"g\xffod", 1)):
        path.write_bytes(broken)
        with pytest.raises(MovingError, match="cannot be unpacked"):
            _install(tmp_path)
        assert _left(tmp_path) == []
    path.unlink()
    with pytest.raises(MovingError, match="cannot be installed"):
        _install(tmp_path)


def test_install_refuses_more_than_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither more bytes nor more entries than a node takes, by what the archive says; and it must say the truth."""
    path = _archive(tmp_path / "archives", (_entry("a"), "1" * 100_000), (_entry("b"), ""))
    monkeypatch.setattr(unpacking, "MOST_BYTES", 99_999)
    with pytest.raises(MovingError, match="more than"):
        _install(tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 1)
    with pytest.raises(UnfitArchiveError, match="more than"):
        check_archive(str(path))
    monkeypatch.undo()
    data = path.read_bytes()
    path.write_bytes(data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(MovingError, match="cannot be unpacked"):
        _install(tmp_path)
    assert _left(tmp_path) == []


def test_install_of_a_package_that_is_not_there(tmp_path: Path) -> None:
    missing = Package(application="App")
    with pytest.raises(MovingError, match="no such package"):
        Unpacker(None).install(missing, str(tmp_path), str(tmp_path), Stop())


@pytest.mark.root
def test_install_for_an_owner(tmp_path: Path) -> None:
    """What an elevated run brought belongs to the account's user, so that its other tasks can use it."""
    _archive(tmp_path / "archives", (_entry("sub/a"), "1"), (_link("l"), "sub/a"))
    folder = _install(tmp_path, owner=12345)
    every = [folder, folder.parent, folder.parent.parent, *folder.rglob("*")]
    assert {os.lstat(path).st_uid for path in every} == {12345}
