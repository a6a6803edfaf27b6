"""What became of a run: an attempt as it is known here, and the rules that read records and Slurm's queue.

Pure but for the record itself. The record that a wrapper leaves is the truth; the queue only tells of runs that will
leave none. Source: man pages sbatch(1) and squeue(1) of Slurm 22.05, section 'JOB STATE CODES'.
"""

from __future__ import annotations

import re
from enum import StrEnum

from linarite.engine.launching import Ended, Launch, RunExited, RunFailed, RunLost, Usage
from linarite.nodes.slurm.spool import INDEX, Bunch, Mark, Spool

PATIENCE = 3
"""Looks at the queue in a row by which a run must have left a record, once Slurm has done with it."""
SUBMISSIONS = 5
"""So often is a run submitted that Slurm ends before it starts."""
CARRIERS = 3
"""So many carriers may die over the files of one run."""
KILLED = 137
GENTLY, AT_ONCE = "USR1", "USR2"
"""The signals by which a script is asked to end its run; TERM is Slurm's own, who takes the machine away."""
LAST_LINE = "\nend\n"
"""How a record ends."""

_OVER = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
        "REVOKED", "SPECIAL_EXIT", "TIMEOUT",
    }
)  # fmt: skip
"""States from which no job comes back by itself. COMPLETING is none of them: its processes may still run."""
_TIME = re.compile(r"(\d+)m([\d.]+)s")


class Stage(StrEnum):
    """How far an attempt is: its files come, it waits to be submitted, Slurm has it, its files go, it is told."""

    PREPARING = "preparing"
    READY = "ready"
    SUBMITTED = "submitted"
    SENDING = "sending"
    OVER = "over"


class Attempt:
    """A run that the engine may still ask about.

    `element` is its name in `bunch`. `claimed_at` is when it started, `missed` how many looks in a row did not find
    it alive in the queue, the first of them at `missed_at` (seconds, monotonic), `tries` how often it was submitted;
    sbatch has it just now while it is `calling`. `asked` is the signal by which it was to end (empty: it was not),
    since `asked_at`, and `outputs` whether its files are taken away all the same. `errand` is the one that moves its
    files, which `carriers` have begun. An earlier server has `taken` one that never starts: for which end, it alone
    knew. One that is not `wanted` was found on the shared folder, and nobody has asked for it since.
    """

    __slots__ = (
        "asked", "asked_at", "bunch", "calling", "carriers", "claimed_at", "element", "ended", "errand", "exited",
        "launch", "missed", "missed_at", "outputs", "returned", "signals", "spool", "stage", "state", "taken", "tries",
        "wanted",
    )  # fmt: skip

    def __init__(self, launch: Launch, spool: Spool, *, wanted: bool = True) -> None:
        """It is to be prepared."""
        self.wanted = wanted
        self.carriers = 0
        self.launch = launch
        self.spool = spool
        self.stage = Stage.PREPARING
        self.bunch: Bunch | None = None
        self.element = ""
        self.returned = self.taken = False
        self.claimed_at: int | None = None
        self.state = ""
        self.missed = 0
        self.missed_at = 0.0
        self.tries = 0
        self.asked = ""
        self.asked_at = 0.0
        self.signals = 0
        self.calling = False
        self.outputs = False
        self.errand: int | None = None
        self.exited: RunExited | None = None
        self.ended: Ended | None = None

    @property
    def place(self) -> tuple[str, int] | None:
        """Where the queue has it: the token of its job, and its number in an array."""
        if self.bunch is None:
            return None
        return self.bunch.token, 0 if self.launch.together is not None else int(self.element)

    @property
    def mark(self) -> Mark:
        """What its scripts look for before they heed a signal: of several machines all have that of their job."""
        if self.launch.together is None or self.bunch is None:
            return Mark(self.run, self.element)
        return Mark(self.bunch.token, INDEX)

    @property
    def started_or_taken(self) -> bool:
        """Whether it is known who claimed it."""
        return self.claimed_at is not None or self.taken

    @property
    def commands(self) -> bool:
        """Whether it is the command line of a task of several instances, which have the machines."""
        return self.launch.together is not None and self.launch.together.instance is None

    @property
    def run(self) -> str:
        """The name of the run that this is an attempt at: the launch's own, unique for ever."""
        return self.launch.run


class Verdict(StrEnum):
    """What a look at the queue means for an attempt that left no record yet."""

    WAIT = "wait"
    SUBMIT = "submit"
    GIVE_UP = "give up"
    LOST = "lost"
    KILLED = "killed"


def is_over(state: str | None) -> bool:
    """Whether Slurm has done with a job of this state; None is one that it does not know."""
    return state is None or state.partition(" ")[0] in _OVER


def look(attempt: Attempt, state: str | None) -> None:
    """Take note of the state in which the queue has a submitted run, None when it does not."""
    alive = not is_over(state)
    attempt.missed = 0 if alive else attempt.missed + 1
    attempt.state = state or "gone"


def verdict(attempt: Attempt) -> Verdict:
    """What is to be done about a submitted run that has left no record until now."""
    if attempt.calling:
        return Verdict.WAIT
    if attempt.missed < PATIENCE and not (attempt.asked and attempt.missed and attempt.state != "gone"):
        return Verdict.WAIT
    if attempt.claimed_at is not None:
        return Verdict.KILLED if attempt.asked else Verdict.LOST
    if attempt.commands:
        return Verdict.LOST  # what it would run in is gone
    return Verdict.SUBMIT if attempt.tries < SUBMISSIONS else Verdict.GIVE_UP


def told_end(attempt: Attempt, text: str, at: int) -> RunExited | RunFailed | RunLost:
    """The report that a wrapper's record makes. `at` is when it was written.

    A run that Slurm ended before its time is lost, whatever its command line came to: it was told to stop. If it was to
    end anyway, it has.
    """
    first, *more = text.removesuffix(LAST_LINE).splitlines() or [""]
    word, _, rest = first.partition(" ")
    if word == "failed":
        code, message = (more[0] if more else "failed"), "\n".join(more[1:]) or "The command line did not start."
        return RunFailed(run=attempt.run, code=code, message=message, at=at)
    code, _, overdue = rest.partition(" ")
    started = attempt.claimed_at if attempt.claimed_at is not None else at
    if word == "lost" and not attempt.asked:
        return RunLost(run=attempt.run, at=at)
    if word not in {"exited", "lost"} or not code.isdigit():
        message = "The run left a record that cannot be read."
        return RunFailed(run=attempt.run, code="failed", message=message, at=at, user=False)
    return RunExited(
        run=attempt.run, code=int(code), started_at=min(started, at), at=at, usage=_usage(more),
        overdue=overdue.strip() == "1",
    )  # fmt: skip


def killed(attempt: Attempt, at: int) -> RunExited:
    """The report of a run that was to end, and that Slurm ended with its wrapper."""
    return RunExited(run=attempt.run, code=KILLED, started_at=attempt.claimed_at or at, at=at)


def _usage(lines: list[str]) -> Usage:
    """What `times` wrote: the shell's own, then its children's user and system time."""
    found = _TIME.findall(lines[1]) if len(lines) > 1 else []
    seconds = [int(minutes) * 60 + float(rest) for minutes, rest in found]
    return Usage(user_seconds=seconds[0], kernel_seconds=seconds[1]) if len(seconds) == 2 else Usage()
