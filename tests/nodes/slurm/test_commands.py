"""What Slurm's commands say, and what is made of it: lines as they come, and as they should never come."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nodes.slurm.parts import own_runner

from linarite.engine.launching import MachineState
from linarite.nodes.slurm.commands import Host, Limits, Seen, Slurm, SlurmError, _hosts, _seen, _shown, state_of

MARK = "linarite-0000:"
RUNNER = own_runner()


class Commands:
    """Slurm's commands as shell scripts, the only ones on PATH besides the system's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def slurm(self, patience: float = 10.0) -> Slurm:
        return Slurm(patience, MARK)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands(tmp_path)
    made.put("sbatch", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return made


def test_line_of_the_queue():
    """An element of an array has the name by which scancel knows it, whatever its own job id is."""
    assert _seen(f"{MARK}ab|7|RUNNING|n1|120|128", MARK) == Seen("ab", 7, "RUNNING", "n1", "120_7")
    assert _seen(f"{MARK}ab|N/A|PENDING||120|120", MARK) == Seen("ab", 0, "PENDING", "", "120")


def test_line_of_a_job():
    """An element of an array has its number; what still waits of one has several, and none of them has started."""
    line = (
        f"JobId=128 ArrayJobId=120 ArrayTaskId=7 JobName=linarite JobState=RUNNING NodeList=n1 Comment={MARK}ab Power="
    )
    assert _shown(line, MARK) == Seen("ab", 7, "RUNNING", "n1", "128")
    assert _shown(line.replace("ArrayTaskId=7 ", ""), MARK) == Seen("ab", 0, "RUNNING", "n1", "128")
    for other in (
        "",
        "No jobs in the system",
        line.replace(MARK, "linarite-1111:"),
        line.replace("JobState=", "State="),
    ):
        assert _shown(other, MARK) is None


@pytest.mark.parametrize(
    "line",
    [
        "", "|", "(null)|N/A|RUNNING|n1|1|1", "linarite-1111:ab|0|RUNNING|n1|1|1", f"{MARK}ab|0|RUNNING|n1|1",
        f"{MARK}ab|0|RUNNING|n1|1|1|1", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
    ],
)  # fmt: skip
def test_line_of_the_queue_that_is_none_of_ours(line: str):
    assert _seen(line, MARK) is None


@given(st.text())
def test_no_line_breaks_us(line: str):
    seen = _seen(line, MARK)
    assert seen is None or line.startswith(MARK)
    assert len(_hosts([line])) <= 1


def test_machines():
    """A line a machine and partition; a reason may hold what separates."""
    hosts = _hosts(
        [
            "n1|mixed|main*|8|64000|red,round|1.50|32000|none",
            "n2|down*|main*|8+|64000+|(null)|N/A|N/A|Not responding | again",
            "n1|mixed|long|8|64000|red,round|1.50|32000|none",
        ]
    )
    first, second = hosts
    assert isinstance(first, Host)
    assert (first.machine.name, first.machine.state, first.machine.reason) == ("n1", MachineState.RUNNING, "")
    assert (first.machine.groups, first.machine.features) == (("main", "long"), ("red", "round"))
    assert (first.machine.cpus, first.machine.memory_mb) == (8, 64000)
    assert (first.load, first.used_bytes) == (1.5, 32000 * 1024 * 1024)
    assert (second.machine.state, second.machine.reason) == (MachineState.UNUSABLE, "Not responding | again")
    assert (second.machine.features, second.load, second.used_bytes) == ((), 0.0, 0)


@pytest.mark.parametrize("line", ["", "n1", "n1|idle|main*|8|64000|red", "sinfo: error: x"])
def test_line_of_no_machine(line: str):
    assert _hosts([line]) == []


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("idle", "idle"), ("idle*", "offline"), ("idle~", "idle"), ("planned", "idle"), ("mixed", "running"),
        ("allocated*", "running"), ("completing", "running"), ("reserved", "running"), ("drained", "offline"),
        ("drained*", "offline"), ("draining", "offline"), ("maint", "offline"), ("down", "unusable"),
        ("down*", "unusable"), ("unknown", "idle"), ("rebooting^", "offline"), ("future", "unusable"),
        ("power_down", "offline"), ("", "offline"),
    ],
)  # fmt: skip
def test_states_of_machines(word: str, state: str):
    assert state_of(word).value == state


@pytest.mark.parametrize(
    ("said", "most"),
    [("MaxArraySize            = 1001", 1000), ("MaxArraySize = 4000001", 1000), ("MaxArraySize = 11", 10),
     ("MaxArraySize = 1", 1), ("MaxArraySize = ?", 1000), ("", 1000), ("MaxJobCount = 10000", 1000),
     ("MaxArraySize = 1001\nMaxDBDMsgs = 5\nMaxJobCount = 10", 9), ("MaxArraySize = 5\nMaxJobCount = 10", 4)],
)  # fmt: skip
def test_limits(commands: Commands, said: str, most: int):
    commands.put("scontrol", f"echo 'Other = 7'; echo '{said}'")
    commands.put("sinfo", "echo long; echo 'main*'")
    assert asyncio.run(commands.slurm().limits()) == Limits(most, "main")


def test_call_is_exact(commands: Commands, monkeypatch: pytest.MonkeyPatch):
    """sbatch gives a job its own environment: nothing of the server's is in it."""
    monkeypatch.setenv("SECRET", "of the server")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("SBATCH_PARTITION", "other")
    commands.put("sbatch", 'env >"${0%/*}/env"; pwd >"${0%/*}/pwd"; cat >"${0%/*}/script"; echo "12;main"')
    assert asyncio.run(commands.slurm().submit(RUNNER, "token", ["--array=0"], "#!/bin/sh\n")) == "12"
    told = dict(line.split("=", 1) for line in (commands.folder / "env").read_text().splitlines())
    assert told.keys() - {"PWD", "OLDPWD", "_", "SHLVL"} == {"PATH", "LANG", "SLURM_CONF"}
    assert (commands.folder / "script").read_text() == "#!/bin/sh\n"
    assert (commands.folder / "pwd").read_text() == "/\n"


def test_call_that_takes_too_long(commands: Commands):
    """It is given up, and its process is gone."""
    commands.put("sbatch", 'echo $$ >"${0%/*}/pid"; exec sleep 600')
    with pytest.raises(SlurmError, match=r"did not answer within 0\.2 s") as given_up:
        asyncio.run(commands.slurm(0.2).submit(RUNNER, "token", [], ""))
    assert not given_up.value.permanent
    assert not Path("/proc", (commands.folder / "pid").read_text().strip()).exists()


def test_submission_that_waits_keeps_nobody_else_waiting(commands: Commands):
    """However many of sbatch wait for room, the queue is looked at."""
    commands.put("sbatch", "exec sleep 600")
    commands.put("squeue", f"echo '{MARK}ab|0|RUNNING|n1|1|1'")

    async def story() -> list[Seen]:
        slurm = commands.slurm(2.0)
        calls = [asyncio.create_task(slurm.submit(RUNNER, "token", [], "")) for _ in range(9)]
        await asyncio.sleep(0)
        seen = await slurm.queue([RUNNER])
        assert not any(call.done() for call in calls)
        slurm.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return seen

    assert asyncio.run(story()) == [Seen("ab", 0, "RUNNING", "n1", "1_0")]


@pytest.mark.parametrize(
    ("said", "permanent"),
    [
        ("sbatch: error: Batch job submission failed: Invalid partition name specified", True),
        ("sbatch: error: Batch job submission failed: Requested node configuration is not available", True),
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition combination", True),
        ("sbatch: unrecognized option '--nonsense'", True),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", False),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", False),
        ("sbatch: error: Batch job submission failed: Resource temporarily unavailable", False),
        ("", False),
    ],
)  # fmt: skip
def test_refusals(commands: Commands, said: str, permanent: bool):
    """Those that no other time makes better, and the others."""
    commands.put("sbatch", f'echo "{said}" >&2; exit 1')
    with pytest.raises(SlurmError) as refused:
        asyncio.run(commands.slurm().submit(RUNNER, "token", [], ""))
    assert refused.value.permanent is permanent
    assert (said or "exit code 1") in str(refused.value)


def test_many_jobs_are_signalled_in_several_calls(commands: Commands):
    commands.put("scancel", 'echo "$# $1 $2 $3" >>"${0%/*}/calls"')
    jobs = [str(number) for number in range(450)]
    asyncio.run(commands.slurm().signal(RUNNER, jobs, "TERM"))
    assert (commands.folder / "calls").read_text().splitlines() == [
        "203 --quiet --batch --signal=TERM", "203 --quiet --batch --signal=TERM", "53 --quiet --batch --signal=TERM"
    ]  # fmt: skip


def test_command_that_is_not_there(commands: Commands):
    (commands.folder / "sbatch").unlink()
    (commands.folder / "nothing").mkdir()
    slurm = commands.slurm()
    slurm.path = str(commands.folder / "nothing")
    with pytest.raises(SlurmError, match="cannot be run"):
        asyncio.run(slurm.queue([RUNNER]))
