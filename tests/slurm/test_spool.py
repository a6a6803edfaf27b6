"""What stands on the shared folder of runs: who may pass through, whatever the server's umask is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from linarite.nodes.slurm.spool import Spool
from linarite.nodes.slurm.users import Runner


@pytest.fixture(params=[0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """The server's, for as long as this lasts: services are often given a strict one."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_user_reaches_the_elements_of_runs(umask: int, tmp_path: Path) -> None:
    """Through folders that others pass and do not read; what is the server's alone is closed."""
    spool = Spool(str(tmp_path), Runner("somebody", os.getuid(), os.getgid(), own=True))
    assert spool.open() == []
    bunch = spool.write("token", {}, {"0": b"# run 0\n"})
    folder = Path(bunch.folder)
    modes = [oct(each.stat().st_mode & 0o777) for each in (folder, *list(folder.parents)[:2])]
    assert modes == ["0o711"] * 3
    assert {each.name: oct(each.stat().st_mode & 0o777) for each in folder.iterdir()} == {
        "0": "0o400", "index": "0o600",
    }  # fmt: skip
    assert oct(Path(spool.state).stat().st_mode & 0o777) == "0o700"
