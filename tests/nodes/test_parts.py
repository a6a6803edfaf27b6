"""The rooms' small parts by themselves: journal, wire, folders on the way, command lines."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nodes.helpers import NODE

from linarite.engine.launching import Launch, RunExited, Usage
from linarite.nodes.access import UnreachableFolderError, check_reachable
from linarite.nodes.environment import stays_below
from linarite.nodes.journal import Forgotten, Intended, Journal, KnownRun, Spawned, read_history
from linarite.nodes.metering import Meter
from linarite.nodes.moving.carriage import Carriage
from linarite.nodes.processes import CannotStartError, boot_ticks, spawn, split_command, start_ticks
from linarite.nodes.runs import Runs
from linarite.nodes.starting import Starter
from linarite.nodes.wire import Acknowledge, EndRun, Frames, Hello, LaunchRun, RunStarted, WireError, pack


def _journal(folder: Path) -> Journal:
    journal = Journal(folder)
    journal.compact([])
    return journal


def test_journal_tells_what_was_written(tmp_path: Path) -> None:
    """Each run's last record counts, and forgotten runs are gone."""
    journal = _journal(tmp_path)
    spawned = Spawned("b", 7, 70, 71, 700)
    ended = RunExited(run="c", code=3, started_at=1, at=2)
    journal.append([Intended("a"), Intended("b"), spawned, Intended("c"), ended, Intended("d"), Forgotten(["d"])])
    assert Journal(tmp_path).same_boot
    assert read_history(tmp_path).runs == {
        "a": KnownRun("a"),
        "b": KnownRun("b", spawned=spawned),
        "c": KnownRun("c", ended=ended),
    }


def test_journal_torn_at_every_byte(tmp_path: Path) -> None:
    """Whatever part of the last write is missing, all before it counts."""
    journal = _journal(tmp_path)
    journal.append([Intended("a")])
    file = tmp_path / "journal.1"
    whole = file.read_bytes()
    journal.append([Intended("b")])
    longer = file.read_bytes()
    for size in range(len(whole), len(longer)):
        file.write_bytes(longer[:size])
        assert read_history(tmp_path).runs == {"a": KnownRun("a")}
    file.write_bytes(whole + b"\0\0\0\3abc")
    assert read_history(tmp_path).runs == {"a": KnownRun("a")}


def test_journal_compacts_into_the_other_file(tmp_path: Path) -> None:
    """A compacted journal tells the same and is small."""
    journal = _journal(tmp_path)
    assert not journal.worth_compacting(0)
    journal.append([Intended("keep")])
    for n in range(5000):
        journal.append([Intended(str(n)), Forgotten([str(n)])])
    assert journal.worth_compacting(1)
    journal.compact([Intended("keep")])
    journal.append([Intended("later")])
    assert set(read_history(tmp_path).runs) == {"keep", "later"}
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 1000


def test_journal_torn_while_compacting(tmp_path: Path) -> None:
    """Until the new file's snapshot is whole the old file counts."""
    journal = _journal(tmp_path)
    journal.append([Intended("a")])
    old = (tmp_path / "journal.1").read_bytes()
    journal.compact([Intended("a")])
    new = (tmp_path / "journal.0").read_bytes()
    (tmp_path / "journal.1").write_bytes(old)
    for size in range(len(new)):
        (tmp_path / "journal.0").write_bytes(new[:size])
        assert set(read_history(tmp_path).runs) == {"a"}


def test_journal_of_another_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the machine was started anew its process numbers say nothing."""
    monkeypatch.setattr("linarite.nodes.journal.boot_id", lambda: "another")
    _journal(tmp_path)
    monkeypatch.undo()
    assert not Journal(tmp_path).same_boot


def test_frames_in_any_pieces() -> None:
    """Frames come out whole, however their bytes come in."""
    stream = pack([EndRun("a", 1.5), Acknowledge(["b"])]) + pack([]) + pack([EndRun("c", 0)])
    for size in range(1, len(stream)):
        frames, heard = Frames(), []
        for at in range(0, len(stream), size):
            frames.feed(stream[at : at + size])
            heard += frames.requests()
        assert heard == [EndRun("a", 1.5), Acknowledge(["b"]), EndRun("c", 0)]


@pytest.mark.parametrize("stream", [b"\xff\xff\xff\xff", b"\0\0\0\1\xc1", pack([EndRun("a", 0)])])
def test_frames_of_something_else(stream: bytes) -> None:
    """What is not ours is refused."""
    frames = Frames()
    frames.feed(stream)
    with pytest.raises(WireError):
        list(frames.messages())


def test_frames_with_new_fields() -> None:
    """A field that a newer side adds is passed over."""
    frames = Frames()
    body = msgspec.msgpack.encode([{"type": "hello", "version": 1, "runs": [], "new": 1}, RunStarted(run="r", at=1)])
    frames.feed(len(body).to_bytes(4, "big") + body)
    assert list(frames.messages()) == [Hello(1, []), RunStarted(run="r", at=1)]


def test_check_reachable(tmp_path: Path) -> None:
    """The folder that blocks the way is named with its cure."""
    closed = tmp_path / "closed"
    data = closed / "data"
    data.mkdir(parents=True)
    for folder in (tmp_path, data):
        folder.chmod(0o711)
    closed.chmod(0o700)
    blocked = next(folder for folder in [*reversed(data.parents)] if not folder.stat().st_mode & 0o001)
    with pytest.raises(UnreachableFolderError, match="chmod o\\+x") as error:
        check_reachable(data, 200_000)
    assert error.value.folder == blocked
    check_reachable(Path("/usr/bin"), 200_000)
    check_reachable(data, os.geteuid())


def test_check_reachable_missing(tmp_path: Path) -> None:
    """A folder that is not there is the system's error."""
    with pytest.raises(FileNotFoundError):
        check_reachable(tmp_path / "missing", 200_000)


@given(st.text(alphabet="ab /.-='\"\\$ \t\n#*~ü", max_size=30))
def test_split_command_like_a_shell(command: str) -> None:
    """The short way for plain lines splits as the long one does."""
    try:
        expected = shlex.split(command)
    except ValueError:
        expected = []
    if expected and expected[0]:
        assert list(split_command(command)) == expected
    else:
        with pytest.raises(CannotStartError):
            split_command(command)


@pytest.mark.parametrize(
    ("path", "below"),
    [
        ("a", True),
        ("a/b", True),
        ("./a", True),
        ("", False),
        (".", False),
        ("/a", False),
        ("a/../b", False),
        ("a\0", False),
    ],
)
def test_stays_below(path: str, *, below: bool) -> None:
    """Only relative paths without a way up name something below."""
    assert stays_below(path) is below


def test_start_ticks() -> None:
    """A process's start lies between the clock before and after; a number without a process has none."""
    before = boot_ticks()
    with subprocess.Popen(["sleep", "60"]) as process:
        assert before <= start_ticks(process.pid) <= boot_ticks()
        process.kill()
    assert start_ticks(2**22 + 1) == 0


@pytest.fixture
def _ignored_signals() -> Iterator[None]:
    """This process ignores what one does that `nohup` or a shell's `&` started."""
    before = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_ignored_signals")
def test_spawn_signals_ignored_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process takes signals as usual, although the server was started by `nohup` or a shell's `&`."""
    monkeypatch.chdir(tmp_path)  # spawn leaves us in the process's own folder
    with (tmp_path / "out").open("wb") as out:
        null = os.open(os.devnull, os.O_RDWR)
        pid = spawn(("grep", "SigIgn", "/proc/self/status"), {}, str(tmp_path), (null, out.fileno(), null))
    os.close(null)
    assert os.waitpid(pid, 0)[1] == 0
    assert int((tmp_path / "out").read_text().split()[1], 16) & 0x7FFF_FFFF == 0  # 32 and 33 are the C library's own


def test_forget_of_a_run_that_is_named_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose end was told twice, since its launch was repeated, is forgotten once; the host goes on."""
    monkeypatch.chdir(tmp_path)  # a host goes into the folder of what it starts; this process comes back from there
    runs = Runs(_journal(tmp_path), Starter(None), Carriage([]), Meter())
    launch = Launch(run="1.1", node=NODE, directory="workitems/a/job-1/b", command="no-such-program")
    request = LaunchRun(launch, str(tmp_path / "node"))
    runs.launch([request])
    runs.step()
    runs.launch([request])
    told = [report.run for report in runs.take_reports()]
    assert told == ["1.1", "1.1"]
    runs.forget(told)
    assert runs.names() == []


def test_usage_of_a_run_is_known_until_its_end_is_committed(tmp_path: Path) -> None:
    """A server that asks between the end of a run and its note of it hears what it used."""
    runs = Runs(_journal(tmp_path), Starter(None), Carriage([]), Meter())
    usage = Usage(user_seconds=2.0)
    ended = RunExited(run="1.1", code=0, started_at=1, at=2, usage=usage)
    runs.restore([KnownRun(run="1.1", ended=ended), KnownRun(run="2.1")])
    assert runs.usages(["1.1", "2.1", "3.1"]) == {"1.1": usage}
    runs.forget(["1.1"])
    assert runs.usages(["1.1"]) == {}
