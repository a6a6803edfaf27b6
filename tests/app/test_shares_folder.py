"""Where file shares are, when the settings say so: what serves there, and what is refused at the start."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.fileshare import ShareClient
from tests.support.server import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, RunningServer, data_home, linarite

PORTS = [word for face in ("batch", "files", "hpc", "superoffice", "dashboard") for word in (f"--{face}-port", "0")]


def share(server: RunningServer, name: str = "share") -> ShareClient:
    credential = {"account_name": DEVELOPMENT_ACCOUNT, "account_key": DEVELOPMENT_KEY}
    return ShareClient(f"{server.files}/{DEVELOPMENT_ACCOUNT}", name, credential=credential)


def read(server: RunningServer) -> bytes:
    return bytes(share(server).get_file_client("x").download_file().readall())


def refused(home: Path, *words: str) -> str:
    """What a start says that is refused, for which nothing is written into the folder."""
    users = ["--task-uid-base", "300000"] if os.geteuid() == 0 else []
    done = linarite("serve", "--data", str(home / "data"), *PORTS, *users, *words)
    assert done.returncode == 1, done.stderr
    return done.stderr.replace("\n", " ")


def test_shares_stand_there_and_nowhere_else() -> None:
    """Through restarts; made below a folder that is there, for the server alone."""
    with data_home() as home:
        server = RunningServer(home, {"files_folder": home / "elsewhere"})
        share(server).create_share()
        share(server).get_file_client("x").upload_file(b"content")
        server.restart()
        assert read(server) == b"content"
        server.terminate()
        assert (home / "elsewhere/devaccount/share/x").read_bytes() == b"content"
        assert not (home / "data/shares").exists()
        assert (home / "elsewhere").stat().st_mode & 0o777 == 0o700


def test_shares_that_were_in_the_data_folder_are_moved_first() -> None:
    """Whoever names another folder, or none any more, does not lose them to sight: the start says what to do."""
    with data_home() as home:
        server = RunningServer(home, {})
        share(server).create_share()
        share(server).get_file_client("x").upload_file(b"content")
        server.terminate()
        elsewhere = home / "elsewhere"
        assert f"move all that is in it, hidden files too, to {elsewhere}" in refused(
            home, "--files-folder", str(elsewhere)
        )
        assert not elsewhere.exists()
        (home / "data/shares").rename(elsewhere)
        server.start(files_folder=elsewhere)
        assert read(server) == b"content"
        server.terminate()
        assert f"The file shares are in {elsewhere}" in refused(home)
        (home / "data/shares").rmdir()
        elsewhere.rename(home / "data/shares")
        server._options.pop("files_folder")
        server.start()
        assert read(server) == b"content"
        server.terminate()


def test_folder_that_is_not_mounted_or_another_servers_is_refused() -> None:
    with data_home() as home:
        elsewhere = home / "elsewhere"
        server = RunningServer(home, {"files_folder": elsewhere})
        share(server).create_share()
        server.terminate()
        elsewhere.rename(home / "unmounted")
        elsewhere.mkdir(mode=0o755)
        assert f"{elsewhere} is not that folder" in refused(home, "--files-folder", str(elsewhere))
        assert not any(elsewhere.iterdir()), "nothing was changed"
        shutil.rmtree(elsewhere)
        (home / "unmounted").rename(elsewhere)
        (home / "other").mkdir()
        assert "another server's" in refused(home / "other", "--files-folder", str(elsewhere))


Make = Callable[[Path], Path]
REFUSED: dict[str, tuple[Make, str]] = {
    "data": (lambda home: home / "data", "holds"),
    "above": (lambda home: home, "holds"),
    "server": (lambda home: home / "data/server", "is among what the server keeps"),
    "nodes": (lambda home: home / "data/nodes/shares", "is among what the server keeps"),
    "shared": (lambda home: home / "cluster", "holds"),
    "spool": (lambda home: home / "cluster/slurm/shares", "is among what the server keeps"),
    "link": (lambda home: _link(home / "link", home / "data/server"), "is among what the server keeps"),
    "file": (lambda home: _file(home / "file"), "is no folder"),
    "missing": (lambda home: home / "missing/shares", "cannot be made: No such file or directory"),
    "open": (lambda home: _open(home / "open"), "others can write"),
}


def _link(path: Path, target: Path) -> Path:
    path.symlink_to(target)
    return path


def _file(path: Path) -> Path:
    path.touch()
    return path


def _open(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o777)
    return path


@pytest.mark.parametrize("case", REFUSED)
def test_folder_that_cannot_be_one_of_shares(case: str) -> None:
    """It would hold what the server keeps, be among it, be nobody's or everybody's."""
    with data_home() as home:
        (home / "cluster").mkdir()
        make, why = REFUSED[case]
        said = refused(home, "--files-folder", str(make(home)), "--slurm-shared", str(home / "cluster"))
        assert "files_folder" in said
        assert why in said


@pytest.mark.root
def test_folder_of_another_user_is_refused() -> None:
    with data_home() as home:
        (home / "theirs").mkdir(mode=0o755)
        os.chown(home / "theirs", 65534, 65534)
        assert "belongs to uid 65534" in refused(home, "--files-folder", str(home / "theirs"))
