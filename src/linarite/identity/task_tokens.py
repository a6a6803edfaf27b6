"""Tokens of running tasks: authenticationTokenSettings of Azure Batch. One opens its job, for as long as it runs.

A token names the run alone; what the run is, the store says at each use. So a token ends with its run, and one of a
deleted job opens no later job of that id. It is signed with a secret of the data folder, also in production.
Source: seed 002 (authenticationTokenSettings); the longest life of a task is from Batch NOTES section 13.
"""

from __future__ import annotations

from pathlib import Path
from secrets import token_bytes
from typing import Any

import jwt

from linarite.engine.access import Principal, Unauthenticated
from linarite.engine.counting import BUSY
from linarite.engine.effects import run_name
from linarite.engine.model import DAY, SECOND, Job, Role, Task
from linarite.engine.ports import Transaction
from linarite.http.bearer import Issuer
from linarite.http.published_keys import TheseKeys
from linarite.identity.private import kept

ISSUER = "https://linarite.localhost/tasks"
AUDIENCE = "https://batch.core.windows.net/"
LONGEST_TASK = 180 * DAY
"""Microseconds for which a task may run."""


class TaskTokens:
    """Makes the tokens."""

    def __init__(self, folder: Path) -> None:
        """Their secret lies in the folder, made at the first call. Raises OSError."""
        self._secret = kept(folder / "task-tokens", lambda: token_bytes(32))

    @property
    def issuer(self) -> Issuer:
        """Whose tokens these are."""
        return Issuer(ISSUER, TheseKeys(self._secret), ("HS256",))

    def issue(self, task: Task) -> str:
        """The token of the task's present run."""
        began = (task.started_at or task.state_at) // SECOND
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": f"{task.account}/{task.key}", "run": run_name(task),
            "nbf": began, "exp": began + LONGEST_TASK // SECOND,
        }  # fmt: skip
        return jwt.encode(claims, self._secret, algorithm="HS256")


def principal_of(tx: Transaction, claims: dict[str, Any]) -> Principal:
    """The task that a token was given to, while its run goes on. Raises Unauthenticated."""
    found = _running(tx, str(claims.get("run")))
    if found is None:
        raise Unauthenticated("The task that the token was given to does not run any more.")
    job, task = found
    name = f"task {job.spec.id}/{task.spec.id}"
    return Principal(account=task.account, name=name, role=Role.WRITE, scheme="Bearer", job=job.spec.id)


def _running(tx: Transaction, run: str) -> tuple[Job, Task] | None:
    key = run.partition(".")[0]
    task = tx.tasks.by_key(int(key)) if key.isdecimal() else None
    if task is None or task.state not in BUSY or run_name(task) != run:
        return None
    job = tx.jobs.by_key(task.job_key)
    return None if job is None else (job, task)
