"""The loop opens files of this machine's own disks alone: what others serve may never answer, and all would stand."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.support.disks import mounted
from tests.support.late_disk import late_disk
from tests.support.left_out import leave_out

from linarite.engine.sharing.ports import Place
from linarite.fs import near
from linarite.shares import DirectoryTree, at_once

PLACE = Place("account", "share")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def folder(tree: DirectoryTree) -> Path:
    return Path(tree._disk.base(PLACE).root)


def at_hand(tree: DirectoryTree, path: str, flags: int = os.O_RDONLY) -> bool:
    """Whether the loop would open a file that was found a moment ago."""
    run(tree.find(PLACE, path))
    opened = at_once.open_file(tree._disk.base(PLACE), tree._disk.spelling, path, flags)
    if opened is not None:
        opened.close()
    return opened is not None


@pytest.mark.root
@pytest.mark.parametrize("change", ["read", "write"])
def test_a_file_server_that_does_not_answer_stops_nothing_else(tree: DirectoryTree, change: str) -> None:
    """The share is on a disk of others; while an open waits there, the loop goes on."""

    async def use(disk: Any) -> None:
        await tree.find(PLACE, "f")
        work: Any = tree.open(PLACE, "f") if change == "read" else tree.write(PLACE, "f", 0, b"x" * 512)
        waiting = asyncio.ensure_future(work)
        await asyncio.sleep(0)
        disk.let()
        assert await asyncio.to_thread(disk.told) == "let"
        found = await waiting
        if change == "read":
            tree.close(found[1])

    with late_disk(folder(tree)) as disk:
        run(use(disk))


@pytest.mark.root
def test_what_is_mounted_within_a_share_is_opened_on_a_thread(tree: DirectoryTree) -> None:
    """It may be of others, whatever the share is on."""
    (folder(tree) / "own").touch()
    with mounted(folder(tree), "tmpfs", 1) as other:
        (other / "f").touch()
        assert at_hand(tree, "own")
        assert not at_hand(tree, "disk/f")


@pytest.mark.root
def test_a_file_of_an_image_is_not_copied_in_the_loop(tree: DirectoryTree, tmp_path: Path) -> None:
    """A container's layers bring a whole file to the topmost one when it is opened to be written."""
    for name in ("image", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "image" / "f").write_bytes(b"data")
    layers = f"lowerdir={tmp_path}/image,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    done = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", layers, str(folder(tree))],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        leave_out(f"no layers can be mounted here: {done.stderr.strip()}")
    try:
        assert at_hand(tree, "f")
        assert not at_hand(tree, "f", os.O_RDWR)
        assert os.listdir(tmp_path / "upper") == []
        run(tree.write(PLACE, "f", 0, b"more"))
        assert os.listdir(tmp_path / "upper") == ["f"]
    finally:
        subprocess.run(["umount", str(folder(tree))], check=True)


def test_where_a_folder_is_is_looked_at_again(tree: DirectoryTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else may have been mounted there; and what nobody looked at is not known."""
    (folder(tree) / "f").touch()
    base = tree._disk.base(PLACE)
    monkeypatch.setattr(near, "_known", {})
    assert at_once.find(base, tree._disk.spelling, "f") is None
    monkeypatch.setattr(near, "SECONDS", -1.0)
    base.look_near()
    assert at_once.find(base, tree._disk.spelling, "f") is None
    monkeypatch.setattr(near, "SECONDS", 10.0)
    base.look_near()
    assert at_once.find(base, tree._disk.spelling, "f") is not None


def test_folders_that_are_known_do_not_become_more_and_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that is not there become known."""
    monkeypatch.setattr(near, "_known", {})
    monkeypatch.setattr(near, "_MOST", 4)
    for number in range(10):
        near.look(str(tmp_path / str(number)))
        assert near._known == {}
    for number in range(10):
        (tmp_path / str(number)).mkdir()
        near.look(str(tmp_path / str(number)))
        assert 1 <= len(near._known) <= 4
