"""What the tests of single parts share: runs on paper, and a spool without Slurm."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

from tests.nodes.helpers import NODE

from linarite.engine.launching import Launch
from linarite.nodes.slurm.attempts import Attempt, Stage
from linarite.nodes.slurm.spool import Bunch, Spool
from linarite.nodes.slurm.users import Runner


def own_runner() -> Runner:
    """Whoever runs the tests."""
    known = pwd.getpwuid(os.geteuid())
    return Runner(known.pw_name, known.pw_uid, known.pw_gid, own=True)


def make_launch(run: str = "t1.1", command: str = "true", **facts: Any) -> Launch:
    return Launch(**{"run": run, "node": NODE, "directory": f"workitems/j/job-1/{run}", "command": command} | facts)


def make_attempt(run: str = "t1.1", spool: Spool | None = None, **facts: Any) -> Attempt:
    """An attempt that is ready to be submitted."""
    attempt = Attempt(make_launch(run, **facts), spool or make_spool(Path("/nowhere")))
    attempt.stage = Stage.READY
    return attempt


def submitted(token: str = "abc", element: str = "0", **facts: Any) -> Attempt:
    """An attempt that Slurm has."""
    attempt = make_attempt(**facts)
    attempt.stage, attempt.element, attempt.tries = Stage.SUBMITTED, element, 1
    attempt.bunch = Bunch(token, f"/nowhere/bunches/1/{token}", {element: attempt.launch})
    return attempt


def make_spool(top: Path, runner: Runner | None = None) -> Spool:
    return Spool(str(top), runner or own_runner())
