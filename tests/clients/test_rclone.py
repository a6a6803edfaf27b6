"""rclone, unmodified, by its own command: trees that are synced, checked, listed, renamed and deleted."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.fileshare import ShareServiceClient
from tests.clients.drivers import rclone
from tests.support import trees
from tests.support.server import DEVELOPMENT_KEY, RunningServer

pytestmark = pytest.mark.timeout(600)  # rclone may have to be installed first
REMOTE = ":azurefiles:"
Run = Callable[..., str]


class Failed(Exception):
    """rclone's exit code and what it said."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"{code}: {said}")
        self.code, self.said = code, said


@pytest.fixture
def run(server: RunningServer, account: str, tmp_path: Path) -> Run:
    """Run rclone on the share of an account of this test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RCLONE_", "AZURE_"))}
    environment = kept | {
        "HOME": str(tmp_path), "RCLONE_CONFIG": str(tmp_path / "none.conf"), "RCLONE_RETRIES": "1",
        "RCLONE_AZUREFILES_ACCOUNT": account, "RCLONE_AZUREFILES_KEY": DEVELOPMENT_KEY,
        "RCLONE_AZUREFILES_ENDPOINT": f"{server.files}/{account}", "RCLONE_AZUREFILES_SHARE_NAME": "share",
    }  # fmt: skip
    program = rclone()

    def go(*words: str, **options: object) -> str:
        done = subprocess.run(
            [program, *words], env=environment, check=False, capture_output=True, timeout=300, text=True, **options
        )  # fmt: skip
        if done.returncode:
            raise Failed(done.returncode, done.stderr)
        return done.stdout if "-v" not in words else done.stderr

    ShareServiceClient(f"{server.files}/{account}", credential=DEVELOPMENT_KEY).create_share("share")
    return go


def listed(run: Run, path: str = "") -> dict[str, int | None]:
    """Path to size, None for a directory."""
    found = json.loads(run("lsjson", "-R", f"{REMOTE}{path}"))
    return {each["Path"]: None if each["IsDir"] else each["Size"] for each in found}


def test_a_tree_is_synced_checked_and_changed(run: Run, tmp_path: Path) -> None:
    """Up, the same again, with changes, and down to another place: the same bytes under the same names."""
    here, back = tmp_path / "here", tmp_path / "back"
    trees.plant(here)
    run("sync", str(here), REMOTE, "--create-empty-src-dirs")
    sizes = {
        name: None if digest is None else (here / name).stat().st_size for name, digest in trees.seen(here).items()
    }
    assert listed(run) == sizes
    run("check", str(here), REMOTE, "--download")
    assert "There was nothing to transfer" in run("sync", str(here), REMOTE, "--create-empty-src-dirs", "-v")
    (here / "files" / "100%").write_bytes(b"changed")
    (here / "files" / "a+b").unlink()
    trees.put(here / "directories" / "日本語" / "another one.", 3)
    run("sync", str(here), REMOTE, "--create-empty-src-dirs")
    run("check", str(here), REMOTE, "--download")
    run("sync", REMOTE, str(back), "--create-empty-src-dirs")
    assert trees.seen(back) == trees.seen(here)
    run("purge", f"{REMOTE}files")
    assert all(not name.startswith("files") for name in listed(run))


def test_times_of_files_are_kept(run: Run, tmp_path: Path) -> None:
    """What a file's time is tells rclone whether it must be copied again."""
    file = tmp_path / "f"
    file.write_bytes(b"old")
    os.utime(file, ns=(0, 1_234_567_890_123_456_700))
    run("copyto", str(file), f"{REMOTE}d/f")
    (found,) = json.loads(run("lsjson", f"{REMOTE}d"))
    assert found["ModTime"].startswith("2009-02-13T23:31:30.1234567")
    run("touch", f"{REMOTE}d/f", "--timestamp", "2020-02-29T12:00:00")
    (found,) = json.loads(run("lsjson", f"{REMOTE}d"))
    assert found["ModTime"].startswith("2020-02-29T12:00:00")


def test_files_and_directories_are_moved_on_the_server(run: Run, tmp_path: Path) -> None:
    """A rename, not a copy: to odd names, over what is there, and of whole directories."""
    trees.put(tmp_path / "tree" / "a" / "f #1.", 1)
    trees.put(tmp_path / "tree" / "a" / "g", 2)
    run("copy", str(tmp_path / "tree"), REMOTE)
    run("moveto", f"{REMOTE}a/f #1.", f"{REMOTE}b/100% 日本 + &.txt")
    assert listed(run) == {"a": None, "b": None, "a/g": 12, "b/100% 日本 + &.txt": 16}
    run("moveto", f"{REMOTE}a/g", f"{REMOTE}b/100% 日本 + &.txt")
    assert run("cat", f"{REMOTE}b/100% 日本 + &.txt") == "2 g\n" * 3
    run("moveto", f"{REMOTE}b", f"{REMOTE}c dir.")
    assert set(listed(run)) == {"a", "c dir.", "c dir./100% 日本 + &.txt"}


def test_large_file_goes_in_ranges_over_several_connections(run: Run, tmp_path: Path) -> None:
    """rclone's own digest of what it sent is kept, and a part can be read."""
    content = os.urandom(20 * 1024 * 1024 + 3).hex().encode()
    (tmp_path / "large").write_bytes(content)
    run("copyto", str(tmp_path / "large"), f"{REMOTE}d/large", "--azurefiles-upload-concurrency", "4")
    run("check", str(tmp_path), REMOTE + "d", "--include", "/large", "--one-way")
    digest = run("md5sum", f"{REMOTE}d").split()[0]
    assert digest == run("md5sum", str(tmp_path / "large")).split()[0]
    run(
        "copyto",
        f"{REMOTE}d/large",
        str(tmp_path / "back"),
        "--multi-thread-streams",
        "4",
        "--multi-thread-cutoff",
        "1M",
    )
    assert (tmp_path / "back").read_bytes() == content
    part = run("cat", f"{REMOTE}d/large", "--offset", "1000000", "--count", "50")
    assert part.encode() == content[1_000_000:1_000_050]


def test_what_is_piped_in_is_a_file(run: Run) -> None:
    run("rcat", f"{REMOTE}d/piped in", input="hello\n")
    assert run("cat", f"{REMOTE}d/piped in") == "hello\n"
    assert listed(run) == {"d": None, "d/piped in": 6}


def test_deletions(run: Run, tmp_path: Path) -> None:
    trees.put(tmp_path / "tree" / "a" / "f.", 1)
    run("copy", str(tmp_path / "tree"), REMOTE)
    with pytest.raises(Failed) as refused:
        run("rmdir", f"{REMOTE}a")
    assert "not empty" in refused.value.said.lower()
    run("deletefile", f"{REMOTE}a/f.")
    run("rmdir", f"{REMOTE}a")
    assert listed(run) == {}
    with pytest.raises(Failed) as refused:
        run("cat", f"{REMOTE}a/f.")
    assert "not found" in refused.value.said
