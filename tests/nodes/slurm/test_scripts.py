"""What runs on a machine, without Slurm and under every shell that may be /bin/sh there.

The scripts are started as slurmstepd would start them, by a real spool's bunch.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nodes.slurm.parts import make_launch, make_spool
from tests.support.left_out import leave_out

from linarite.engine.launching import Launch
from linarite.nodes.environment import DEFAULT_PATH, run_environment
from linarite.nodes.processes import CannotStartError
from linarite.nodes.slurm.attempts import LAST_LINE
from linarite.nodes.slurm.elements import element
from linarite.nodes.slurm.options import Where
from linarite.nodes.slurm.spool import Bunch, Mark
from linarite.nodes.slurm.submitting import Kind, script

SECONDS = 20.0
KIND = Kind(os.geteuid(), ("n1",), 1, Where(), 0)
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "ash"]}


def eventually(true: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (value := true()):
        assert time.monotonic() < deadline, "this never came true"
        time.sleep(0.01)
    return value


class Machine:
    """A machine with a shell, a node's folder on it and a spool."""

    def __init__(self, folder: Path, shell: list[str]) -> None:
        self.root, self.shell = folder / "node", shell
        self.spool = make_spool(folder / "slurm")
        self.spool.open()
        self._tokens = 0
        self._bunches: dict[str, Bunch] = {}
        self._started = list[subprocess.Popen[bytes]]()

    def bunch(self, *launches: Launch) -> Bunch:
        """These runs as they are submitted."""
        self._tokens += 1
        for launch in launches:
            (self.root / launch.directory / "wd").mkdir(parents=True, exist_ok=True)
        scripts = {str(number): element(launch, str(self.root)) for number, launch in enumerate(launches)}
        return self.spool.write(f"token{self._tokens}", {str(n): one for n, one in enumerate(launches)}, scripts)

    def start(self, bunch: Bunch, number: int = 0) -> subprocess.Popen[bytes]:
        """Start an element as Slurm does."""
        path = self.root / f"script-{bunch.token}"
        if not path.exists():
            path.write_text(script(KIND, bunch, self.spool))
        process = subprocess.Popen(
            [*self.shell, path], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True,
            env={"PATH": DEFAULT_PATH, "SLURM_ARRAY_TASK_ID": str(number), "SLURM_EXPORT_ENV": "NONE"},
        )  # fmt: skip
        self._started.append(process)
        return process

    def begin(self, command: str, **facts: Any) -> tuple[Launch, subprocess.Popen[bytes]]:
        """Start a run of this shell script."""
        launch = make_launch(f"t{self._tokens + 1}.1", command, shell=True, **facts)
        self._bunches[launch.run] = self.bunch(launch)
        return launch, self.start(self._bunches[launch.run])

    def ask(self, launch: Launch) -> None:
        """Leave the mark of the server's signals for a run that `begin` started."""
        self.spool.ask(self._bunches[launch.run], Mark(launch.run, "0"))

    def run(self, command: str, **facts: Any) -> tuple[Launch, str]:
        """Run this shell script; its record."""
        launch, process = self.begin(command, **facts)
        process.wait(SECONDS)
        return launch, self.record(launch)

    def record(self, launch: Launch) -> str:
        text, _ = self.spool.record(launch.run)
        assert text.endswith(LAST_LINE)
        return text.splitlines()[0]

    def why(self, launch: Launch) -> list[str]:
        return self.spool.record(launch.run)[0].splitlines()[1:-1]

    def ends(self) -> list[str]:
        return self.spool.runs("ended")

    def folder(self, launch: Launch) -> Path:
        return self.root / launch.directory

    def wd(self, launch: Launch) -> Path:
        return self.folder(launch) / "wd"

    def clear(self) -> None:
        for process in self._started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pid in self.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def pids(self) -> list[int]:
        """The processes that runs have here."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"AZ_BATCH_NODE_ROOT_DIR={self.root}".encode() in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    words = SHELLS[request.param]
    if shutil.which(words[0]) is None:
        leave_out(f"{words[0]} is not installed")
    return words


@pytest.fixture
def machine(tmp_path: Path, shell: list[str]) -> Iterator[Machine]:
    made = Machine(tmp_path, shell)
    yield made
    made.clear()


def test_run_is_started_once(machine: Machine):
    """However often it is submitted, and at the same moment."""
    launch = make_launch(command="echo $$ >> ran", shell=True)
    bunch = machine.bunch(launch)
    for process in [machine.start(bunch) for _ in range(20)]:
        process.wait(SECONDS)
    assert len((machine.wd(launch) / "ran").read_text().splitlines()) == 1
    assert machine.record(launch) == "exited 0 0"


@pytest.mark.parametrize(
    ("command", "code"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -SEGV $$", 139)]
)
def test_exit_code(machine: Machine, command: str, code: int):
    _, record = machine.run(command)
    assert record == f"exited {code} 0"


def test_processor_time(machine: Machine):
    launch, _ = machine.run("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done")
    _, times = machine.why(launch)
    user, system = (float(word.rstrip("s").split("m")[1]) for word in times.split())
    assert user + system > 0


def test_time_limit(machine: Machine):
    """SIGTERM after so many seconds, and the record says so."""
    launch, record = machine.run("trap 'echo told > told; exit 5' TERM; while :; do sleep 0.05; done", time_limit=1)
    assert record == "exited 5 1"
    assert (machine.wd(launch) / "told").read_text() == "told\n"


def test_gentle_end(machine: Machine):
    """The session is told once, however often the script is."""
    launch, process = machine.begin(
        "trap 'echo told >> told; sleep 0.5; exit 5' TERM; touch up; while :; do sleep 0.05; done"
    )
    eventually((machine.wd(launch) / "up").exists)
    machine.ask(launch)
    process.send_signal(signal.SIGUSR1)
    eventually((machine.wd(launch) / "told").exists)
    process.send_signal(signal.SIGUSR1)
    process.wait(SECONDS)
    assert machine.record(launch) == "exited 5 0"
    assert (machine.wd(launch) / "told").read_text() == "told\n"


def test_end_at_once(machine: Machine):
    """Asked again as the server does: bash may sleep over a signal that comes while it heeds another."""
    launch, process = machine.begin("trap '' TERM; touch up; while :; do sleep 0.05; done")
    eventually((machine.wd(launch) / "up").exists)
    machine.ask(launch)
    process.send_signal(signal.SIGUSR1)
    for _ in range(3):
        process.send_signal(signal.SIGUSR2)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.3)
    assert machine.record(launch) == "exited 137 0"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_signal_that_is_not_the_servers_ends_nothing(machine: Machine, number: signal.Signals):
    """Of an administrator, say: without the server's mark it is not heeded, however often it comes."""
    launch, process = machine.begin("touch up; until [ -e go ]; do sleep 0.05; done; exit 6")
    eventually((machine.wd(launch) / "up").exists)
    for _ in range(3):
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
    (machine.wd(launch) / "go").touch()
    process.wait(SECONDS)
    assert machine.record(launch) == "exited 6 0"


def test_end_in_the_first_moment(machine: Machine):
    """Whenever the signal comes once the run is claimed, it ends, and there is a record or no script any more.

    It is sent again as the server does: what is forked just then may lose it.
    """
    for pause in (0.0, 0.002, 0.005, 0.01, 0.02):
        launch, process = machine.begin("sleep 600")
        machine.ask(launch)
        eventually(lambda name=launch.run: name in machine.spool.runs("claims"))
        time.sleep(pause)
        for _ in range(3):
            process.send_signal(signal.SIGUSR1)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
        if launch.run in machine.ends():
            assert machine.record(launch) == "exited 143 0"
        eventually(lambda: not machine.pids())


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("touch up; exec sleep 600", 143), ("trap 'exit 0' TERM; touch up; while :; do sleep 0.05; done", 0),
        ("trap 'exit 5' TERM; touch up; while :; do sleep 0.05; done", 5),
    ],
)  # fmt: skip
def test_end_by_slurm(machine: Machine, command: str, code: int):
    """Told to the script or to all that runs there, it is no exit of the command line's own, whatever that says."""
    for everybody in (False, True):
        launch, process = machine.begin(command)
        eventually((machine.wd(launch) / "up").exists)
        others = machine.pids() if everybody else []
        process.send_signal(signal.SIGTERM)
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        process.wait(SECONDS)
        assert machine.record(launch) == f"lost {code}"


def test_end_by_slurm_that_reaches_the_command_line_first(machine: Machine):
    """Slurm signals one process after another: an end like this one waits for what comes next."""
    launch, process = machine.begin("touch up; exec sleep 600")
    eventually((machine.wd(launch) / "up").exists)
    for pid in machine.pids():
        os.kill(pid, signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)
    assert machine.record(launch) == "lost 143"


def test_end_by_slurm_of_what_was_to_end(machine: Machine):
    """The server's word came first: the end is its own."""
    launch, process = machine.begin("trap 'touch told; sleep 0.5; exit 5' TERM; touch up; while :; do sleep 0.05; done")
    eventually((machine.wd(launch) / "up").exists)
    machine.ask(launch)
    process.send_signal(signal.SIGUSR1)
    eventually((machine.wd(launch) / "told").exists)
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)
    assert machine.record(launch) == "exited 5 0"


def test_what_is_left_running_is_killed(machine: Machine):
    launch, record = machine.run("sleep 600 & echo $! > pid; exit 3")
    assert record == "exited 3 0"
    pid = int((machine.wd(launch) / "pid").read_text())
    eventually(lambda: not Path("/proc", str(pid), "exe").exists())
    eventually(lambda: not machine.pids())


def test_nothing_waits_for_a_time_limit_that_did_not_come(machine: Machine):
    machine.run("true", time_limit=7321)
    eventually(lambda: subprocess.run(["pgrep", "-fx", "sleep 7321"], check=False, stdout=-3).returncode == 1)


def test_claim_of_the_server_keeps_a_run_from_starting(machine: Machine):
    launch = make_launch(command="touch ran", shell=True)
    bunch = machine.bunch(launch)
    machine.spool.claim(launch.run)
    assert machine.start(bunch).wait(SECONDS) == 0
    assert not (machine.wd(launch) / "ran").exists()
    assert machine.ends() == []


def test_run_that_is_forgotten_does_not_start(machine: Machine):
    """Nor does it leave a claim."""
    launch = make_launch(command="touch ran", shell=True)
    bunch = machine.bunch(launch)
    machine.spool.forget(bunch, "0", launch.run)
    assert machine.start(bunch).wait(SECONDS) == 0
    assert not (machine.wd(launch) / "ran").exists()
    assert machine.spool.runs("claims") == machine.ends() == []


def test_run_of_a_closed_generation_starts(machine: Machine):
    launch = make_launch(command="echo $$ >> ran", shell=True)
    bunch = machine.bunch(launch)
    make_spool(Path(machine.spool.folder).parent).open()
    machine.start(bunch).wait(SECONDS)
    assert machine.record(launch) == "exited 0 0"


def test_server_that_takes_over_at_any_moment(machine: Machine):
    """A run either has not started then, or is what it would have been."""
    for number in range(30):
        launch = make_launch(f"over{number}.1", "echo $$ >> ran", shell=True)
        bunch = machine.bunch(launch)
        process = machine.start(bunch)
        time.sleep(number / 5000)
        machine.spool.open()
        process.wait(SECONDS)
        if launch.run not in machine.spool.runs("claims"):
            machine.start(bunch).wait(SECONDS)
        assert machine.record(launch) == "exited 0 0"
        assert len((machine.wd(launch) / "ran").read_text().splitlines()) == 1


def test_signals_are_as_a_shell_at_a_terminal_has_them(machine: Machine):
    """What a script starts in the background would ignore SIGINT and SIGQUIT."""
    if not Path("/usr/bin/basenc").exists():
        leave_out("this machine's env cannot set signals")
    launch, _ = machine.run("exec cat /proc/self/status")
    status = dict(line.split(":\t", 1) for line in (machine.folder(launch) / "stdout.txt").read_text().splitlines())
    ignored = int(status["SigIgn"], 16)
    assert not [number for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM) if ignored & 1 << (number - 1)]


def test_run_has_no_descriptor_but_its_streams(machine: Machine):
    """And a session of its own."""
    launch, _ = machine.run("[ $(ps -o sid= -p $$) = $$ ] && echo own; exec ls /proc/self/fd")
    assert (machine.folder(launch) / "stdout.txt").read_text().split() == ["own", "0", "1", "2", "3"], "3 is ls's own"


def test_nested_srun_has_its_environment(machine: Machine):
    """SLURM_EXPORT_ENV would have it begin without."""
    launch, _ = machine.run("echo ${SLURM_EXPORT_ENV-unset} ${SLURM_ARRAY_TASK_ID-unset}")
    assert (machine.folder(launch) / "stdout.txt").read_text() == "unset 0\n"


@pytest.mark.parametrize(
    "command", ["no-such-program", "/no/such/program", "./missing", "cd", "/tmp", "/etc/passwd", "-x"]
)
def test_program_that_is_none(machine: Machine, command: str):
    """Also what only a shell knows, a folder, and what is not executable."""
    launch = make_launch(command=command)
    machine.start(machine.bunch(launch)).wait(SECONDS)
    assert machine.record(launch) == "failed"
    code, message = machine.why(launch)
    assert code == "command-not-found"
    assert repr(command) in message


@pytest.mark.parametrize("path", ["/nowhere", "", ":", "/usr/bin:/nowhere"])
def test_path_of_the_users_own(machine: Machine, path: str):
    """What starts the program does not need it."""
    launch = make_launch(command="/bin/echo there", environment={"PATH": path})
    machine.start(machine.bunch(launch)).wait(SECONDS)
    assert machine.record(launch) == "exited 0 0"
    assert (machine.folder(launch) / "stdout.txt").read_text() == "there\n"


def test_program_in_a_folder_of_the_path(machine: Machine):
    """Relative to the working directory too."""
    launch = make_launch(command="tool", environment={"PATH": "/nowhere:bin"})
    bunch = machine.bunch(launch)
    (machine.wd(launch) / "bin").mkdir()
    tool = machine.wd(launch) / "bin/tool"
    tool.write_text("#!/bin/sh\nexit 6\n")
    tool.chmod(0o755)
    machine.start(bunch).wait(SECONDS)
    assert machine.record(launch) == "exited 6 0"


def test_working_directory_that_is_missing(machine: Machine):
    """The command line does not run somewhere else."""
    launch, record = machine.run("touch ran", working_directory="missing/one's own")
    assert record == "failed"
    assert machine.why(launch)[0] == "failed"
    assert "missing/one's own" in machine.why(launch)[1]
    assert not list(machine.root.rglob("ran"))


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_stream_that_cannot_be_opened(machine: Machine, stream: str):
    launch, record = machine.run("touch ran", **{stream: "missing/file"})
    assert record == "failed"
    assert "missing/file" in machine.why(launch)[1]
    assert not list(machine.root.rglob("ran"))


def test_streams(machine: Machine):
    launch = make_launch(command="cat; echo oops >&2", shell=True, stdin="in", stdout="%WHERE%/out", stderr="err",
                         environment={"WHERE": "sub"})  # fmt: skip
    bunch = machine.bunch(launch)
    (machine.wd(launch) / "sub").mkdir()
    (machine.wd(launch) / "in").write_text("given")
    machine.start(bunch).wait(SECONDS)
    wd = machine.wd(launch)
    assert [(wd / name).read_text() for name in ("sub/out", "err")] == ["given", "oops\n"]


def test_both_streams_to_one_file(machine: Machine):
    launch, _ = machine.run("echo a; echo b >&2; echo c", stdout="all", stderr="all")
    assert (machine.wd(launch) / "all").read_text() == "a\nb\nc\n"


@pytest.mark.parametrize(("keeps", "holds"), [(False, "new\n"), (True, "old\nnew\n")])
def test_output_of_an_earlier_run(machine: Machine, keeps: bool, holds: str):
    launch = make_launch(command="echo new", shell=True, keeps_output=keeps)
    bunch = machine.bunch(launch)
    (machine.folder(launch) / "stdout.txt").write_text("old\n")
    machine.start(bunch).wait(SECONDS)
    assert (machine.folder(launch) / "stdout.txt").read_text() == holds


@pytest.mark.root
def test_disk_that_is_full_for_a_while(tmp_path: Path):
    """The record is written once there is room; until then there is none."""
    machine = Machine(tmp_path, ["dash"])
    ended = Path(machine.spool.state, "ended")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", ended], check=True)
    try:
        filler = ended / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        launch, process = machine.begin("exit 4")
        eventually((ended / launch.run).exists)
        assert not machine.spool.record(launch.run)[0].endswith(LAST_LINE)
        assert process.poll() is None
        filler.unlink()
        process.wait(SECONDS)
        assert machine.record(launch) == "exited 4 0"
    finally:
        machine.clear()
        subprocess.run(["umount", ended], check=True)


# What a program is given.

NAMES = st.one_of(
    st.sampled_from(
        ["run", "state", "limit", "sane", "child", "code", "asked", "element", "IFS", "PPID", "UID", "OPTIND", "RANDOM",
         "SECONDS", "LINENO", "SHELLOPTS", "BASHOPTS", "CDPATH", "ENV", "BASH_ENV", "PS4", "LC_ALL", "PATH", "-x", "--",
         "a b", "a.b", "1", "ä", "a-b", "$x", "`x`", "OLDPWD", "GROUPS", "POSIXLY_CORRECT"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0="), min_size=1, max_size=8),
)  # fmt: skip
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
_RUNS = iter(range(1_000_000))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(environment=st.dictionaries(NAMES, VALUES, max_size=5), words=st.lists(VALUES, max_size=4))
def test_program_is_given_what_was_asked_for(machine: Machine, environment: dict[str, str], words: list[str]):
    """Every byte of the words and of the environment, whatever the names mean to a shell."""
    quoted = " ".join("'" + word.replace("'", "'\"'\"'") + "'" for word in ("--", *words))
    given = {**environment, "PATH": DEFAULT_PATH}
    launch = make_launch(
        f"h{next(_RUNS)}.1", f"/bin/cat /proc/self/environ /proc/self/cmdline {quoted}", environment=given
    )
    machine.start(machine.bunch(launch)).wait(SECONDS)
    told = (machine.folder(launch) / "stdout.txt").read_bytes().split(b"\0")
    wanted = run_environment(launch, str(machine.root), str(machine.folder(launch)))
    assert {os.fsencode(f"{name}={value}") for name, value in wanted.items()} <= set(told)
    cat = ["/bin/cat", "/proc/self/environ", "/proc/self/cmdline", "--", *words]
    assert told[-len(cat) - 1 : -1] == [os.fsencode(word) for word in cat]


@pytest.mark.parametrize(
    "facts",
    [
        {"command": "echo a\0b"}, {"command": "true", "environment": {"A": "\0"}}, {"command": "echo \ud800"},
        {"command": f"echo {'x' * 131_072}"}, {"command": "true", "environment": {"A": "x" * 131_072}},
        {"command": "true", "environment": {f"A{number}": "x" * 100_000 for number in range(25)}},
        {"command": ""}, {"command": "echo 'open"},
    ],
)  # fmt: skip
def test_what_no_process_can_be_given(facts: dict[str, Any]):
    with pytest.raises(CannotStartError) as refused:
        element(make_launch(**facts), "/node")
    assert (refused.value.code, refused.value.user) == ("command-invalid", True)


def test_longest_words_are_given(tmp_path: Path):
    machine = Machine(tmp_path, ["dash"])
    value = "x" * 131_000
    launch = make_launch(command="printenv A", environment={"A": value})
    machine.start(machine.bunch(launch)).wait(SECONDS)
    assert (machine.folder(launch) / "stdout.txt").read_text() == f"{value}\n"
