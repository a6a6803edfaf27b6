"""What records and Slurm's queue mean for a run, on paper."""

from __future__ import annotations

import pytest
from tests.nodes.slurm.parts import submitted

from linarite.engine.launching import RunExited, RunFailed, RunLost, Together, Usage
from linarite.nodes.slurm.attempts import (
    AT_ONCE,
    GENTLY,
    PATIENCE,
    SUBMISSIONS,
    Attempt,
    Verdict,
    is_over,
    killed,
    look,
    told_end,
    verdict,
)

ALIVE = (
    "PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "STOPPED", "REQUEUED", "RESIZING", "SIGNALING",
    "STAGE_OUT", "REQUEUE_HOLD", "RESV_DEL_HOLD",
)  # fmt: skip
OVER = (
    "COMPLETED",
    "CANCELLED",
    "FAILED",
    "NODE_FAIL",
    "BOOT_FAIL",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "DEADLINE",
    "PREEMPTED",
)
COMMAND = Together(task="t1.1", size=2)


def seen(attempt: Attempt, *states: str | None) -> Verdict:
    """What the last of these looks comes to."""
    for state in states:
        look(attempt, state)
    return verdict(attempt)


@pytest.mark.parametrize("state", ALIVE)
def test_run_that_slurm_still_has_is_waited_for(state: str):
    """However often it is looked at; COMPLETING is not done."""
    assert not is_over(state)
    assert seen(submitted(), *[state] * 20) is Verdict.WAIT


@pytest.mark.parametrize("state", [None, *OVER, "CANCELLED by 1000"])
def test_run_that_never_started_is_submitted_again_after_three_looks(state: str | None):
    attempt = submitted()
    assert is_over(state)
    assert [seen(attempt, state) for _ in range(PATIENCE)] == [Verdict.WAIT, Verdict.WAIT, Verdict.SUBMIT]


def test_looks_that_missed_it_must_be_in_a_row():
    attempt = submitted()
    assert seen(attempt, None, None, "PENDING", None, None, "RUNNING", None, None) is Verdict.WAIT
    assert seen(attempt, None) is Verdict.SUBMIT


def test_run_that_started_is_lost_with_its_job():
    attempt = submitted()
    attempt.claimed_at = 1
    assert seen(attempt, "NODE_FAIL", "NODE_FAIL") is Verdict.WAIT, "its record may be on the way"
    assert seen(attempt, "NODE_FAIL") is Verdict.LOST


def test_run_that_is_never_started_is_given_up():
    attempt = submitted()
    attempt.tries = SUBMISSIONS
    assert seen(attempt, *["CANCELLED"] * PATIENCE) is Verdict.GIVE_UP


def test_run_that_was_to_end_is_known_to_have_been_killed_at_once():
    """Slurm says that it has ended it; one that it does not know may have been forgotten."""
    attempt = submitted()
    attempt.claimed_at, attempt.asked = 1, AT_ONCE
    assert seen(attempt, "CANCELLED") is Verdict.KILLED
    other = submitted()
    other.claimed_at, other.asked = 1, AT_ONCE
    assert [seen(other, None) for _ in range(PATIENCE)] == [Verdict.WAIT, Verdict.WAIT, Verdict.KILLED]


def test_run_that_sbatch_has_just_now_is_waited_for():
    attempt = submitted()
    attempt.calling = True
    assert seen(attempt, *[None] * 9) is Verdict.WAIT


@pytest.mark.parametrize("claimed_at", [None, 1])
def test_command_line_is_lost_with_the_machines_that_it_had(claimed_at: int | None):
    attempt = submitted(element="command", together=COMMAND)
    attempt.claimed_at = claimed_at
    assert seen(attempt, *["CANCELLED"] * PATIENCE) is Verdict.LOST


@pytest.mark.parametrize("code", [0, 1, 143, 255])
def test_record_of_an_exit(code: int):
    """`times` tells of the shell first, then of what it waited for."""
    attempt = submitted()
    attempt.claimed_at = 5
    report = told_end(attempt, f"exited {code} 0\n0m0.010000s 0m0.020000s\n1m2.500000s 0m0.25s\nend\n", 9)
    usage = Usage(user_seconds=62.5, kernel_seconds=0.25)
    assert report == RunExited(run="t1.1", code=code, started_at=5, at=9, usage=usage)


def test_record_of_a_run_whose_time_was_up():
    attempt = submitted()
    attempt.claimed_at = 5
    report = told_end(attempt, "exited 143 1\n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\nend\n", 9)
    assert isinstance(report, RunExited)
    assert report.overdue


@pytest.mark.parametrize("code", [0, 5, 143])
def test_record_of_a_run_that_slurm_ended(code: int):
    """It is lost, unless it was to end."""
    text = f"lost {code}\n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\nend\n"
    attempt = submitted()
    attempt.claimed_at = 5
    assert told_end(attempt, text, 9) == RunLost(run="t1.1", at=9)
    attempt.asked = GENTLY
    assert told_end(attempt, text, 9) == RunExited(run="t1.1", code=code, started_at=5, at=9, usage=Usage())


def test_record_of_a_command_line_that_never_ran():
    report = told_end(submitted(), "failed\ncommand-not-found\nThe program 'x\ny' was not found.\nend\n", 9)
    message = "The program 'x\ny' was not found."
    assert report == RunFailed(run="t1.1", code="command-not-found", message=message, at=9)


@pytest.mark.parametrize(
    "text", ["", "end\n", "exited\nend\n", "exited -1 0\nend\n", "exited x 0\nend\n", "what\nend\n"]
)
def test_record_that_says_nothing_is_no_fault_of_the_users(text: str):
    report = told_end(submitted(), text, 9)
    assert isinstance(report, RunFailed)
    assert (report.code, report.user) == ("failed", False)


@pytest.mark.parametrize("times", ["", "x", "0m1.0s", "0m1.0s 0m2.0s\n", "a b\nc d", "1m1s 1m1s\n0m1.0s"])
def test_record_whose_times_say_nothing(times: str):
    report = told_end(submitted(), f"exited 0 0\n{times}\nend\n", 9)
    assert isinstance(report, RunExited)
    assert report.usage == Usage()


def test_clock_of_the_shared_folder_may_be_touched():
    """A run does not end before it starts."""
    attempt = submitted()
    attempt.claimed_at = 100
    report = told_end(attempt, "exited 0 0\nend\n", 9)
    assert isinstance(report, RunExited)
    assert report.started_at <= report.at


def test_killed_run_has_the_code_of_the_signal():
    attempt = submitted()
    attempt.claimed_at = 5
    assert killed(attempt, 9) == RunExited(run="t1.1", code=137, started_at=5, at=9)
