"""No path and no link leads out of the root, by the kernel's call or by the walk that replaces it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from linarite.fs import Beneath, Escapes, openat2


@pytest.fixture(params=["kernel", "components"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beneath:
    """A root with a secret beside it, once for each way of resolving."""
    if request.param == "components":
        monkeypatch.setattr(openat2, "available", lambda: False)
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "f").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    return Beneath(str(tmp_path / "root"))


def read(tree: Beneath, path: str) -> bytes:
    """All bytes of a small file."""
    descriptor = tree.open_file(path)
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def link(tree: Beneath, path: str, target: str) -> None:
    """Put a symbolic link below the root."""
    Path(tree.root, path).symlink_to(target)


def test_open_reads_a_file_below_the_root(tree: Beneath) -> None:
    """A plain path works, with empty components ignored."""
    assert read(tree, "a/f") == b"inside"
    assert read(tree, "a//f") == b"inside"


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd", "a/./f", "..", "a/f\0"])
def test_open_of_a_path_that_climbs_is_refused(tree: Beneath, path: str) -> None:
    """Dots, absolute paths and NUL never reach the operating system."""
    with pytest.raises(Escapes):
        tree.open(path)


@pytest.mark.parametrize("target", ["../../secret", "/etc/passwd", "../../root/a/f"])
def test_open_through_a_link_that_leaves_is_refused(tree: Beneath, target: str) -> None:
    """A link, as last name or on the way, cannot lead outside."""
    link(tree, "a/link", target)
    link(tree, "up", "..")
    with pytest.raises(Escapes):
        tree.open("a/link")
    with pytest.raises(Escapes):
        tree.open("up/secret")


def test_a_new_file_cannot_be_made_outside(tree: Beneath, tmp_path: Path) -> None:
    """Creation through a link that leaves is refused, and nothing appears."""
    link(tree, "a/out", "../..")
    with pytest.raises(Escapes):
        tree.open("a/out/new", os.O_CREAT | os.O_WRONLY)
    with pytest.raises(Escapes):
        tree.make_directory("a/out/new")
    assert not (tmp_path / "new").exists()


def test_a_link_inside_is_followed_where_the_kernel_can(tree: Beneath) -> None:
    """With openat2 a link that stays below the root works; without it, no link does."""
    link(tree, "link", "a/f")
    if openat2.available():
        assert read(tree, "link") == b"inside"
    else:
        with pytest.raises(Escapes):
            tree.open("link")


def test_open_file_of_a_fifo_neither_waits_nor_succeeds(tree: Beneath) -> None:
    """What a task leaves in its folder cannot hang the server."""
    os.mkfifo(Path(tree.root, "pipe"))
    with pytest.raises(FileNotFoundError):
        tree.open_file("pipe")
    with pytest.raises(IsADirectoryError):
        tree.open_file("a")


def test_scan_walk_and_names(tree: Beneath) -> None:
    """Listings tell names, kinds and sizes; walk goes deep with parents first."""
    assert {entry.name: entry.is_directory for entry in tree.scan("a")} == {"b": True, "f": False}
    assert [entry.name for entry in tree.walk()] == ["a", "a/b", "a/f"]
    assert [entry.name for entry in tree.walk("a")] == ["b", "f"]
    assert sorted(tree.names("a")) == ["b", "f"]


def test_make_rename_and_remove(tree: Beneath) -> None:
    """The life of a directory and a file; rename refuses to replace unless asked."""
    tree.make_directories("x/y/z")
    os.close(tree.open("x/y/g", os.O_CREAT | os.O_WRONLY))
    with pytest.raises(FileExistsError):
        tree.rename("a/f", "x/y/g")
    tree.rename("a/f", "x/y/g", replace=True)
    assert read(tree, "x/y/g") == b"inside"
    with pytest.raises(OSError, match="not empty"):
        tree.remove_directory("x")
    tree.remove_tree("x")
    tree.remove_tree("x")
    assert not tree.exists("x")
    tree.remove_directory("a/b")
    assert tree.names("a") == []


def test_remove_tree_leaves_what_a_link_points_to(tree: Beneath, tmp_path: Path) -> None:
    """Deleting a tree deletes links, never their targets."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_bytes(b"1")
    link(tree, "a/link", "../../kept")
    tree.remove_tree("a")
    assert (tmp_path / "kept" / "file").exists()


def test_stat_of_the_root_and_of_a_link_itself(tree: Beneath) -> None:
    """The empty path is the root; follow=False looks at the link."""
    assert tree.stat("").st_ino == Path(tree.root).stat().st_ino
    link(tree, "dangling", "nowhere")
    assert stat.S_ISLNK(tree.stat("dangling", follow=False).st_mode)
    assert not tree.exists("dangling")


def test_no_descriptor_is_left_open(tree: Beneath) -> None:
    """Refusals and successes alike close what they opened."""
    before = descriptors()
    for path in ("a/f", "a", "none/x", "../x", "a/f/x"):
        tree.exists(path)
        with pytest.raises(OSError, match=r"Errno"):
            tree.make_directory(f"{path}/q/r")
    list(tree.walk())
    assert descriptors() == before
