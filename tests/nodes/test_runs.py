"""Command lines: how they are found, where they run, what they see and what is told of their ends."""

from __future__ import annotations

import os
import resource
import time
from typing import Any

import pytest
from tests.nodes.helpers import NODE, Site

from linarite.engine.launching import RunExited, RunStarted

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("code", [0, 1, 7, 255])
async def test_launch_exit_code(site: Site, code: int) -> None:
    """A run's exit code is told as it is."""
    run = await site.sh(f"exit {code}")
    assert (await site.heard.exited(run)).code == code


async def test_launch_ended_by_signal(site: Site) -> None:
    """A process that signal N ended has the code 128 + N."""
    run = await site.sh("kill -SEGV $$")
    assert (await site.heard.exited(run)).code == 128 + 11


async def test_launch_times_and_usage(site: Site) -> None:
    """Start and end are told in microseconds since the epoch, with the processor time that was used."""
    before = time.time_ns() // 1000
    run = await site.sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
    started, exited = await site.heard.started(run), await site.heard.exited(run)
    assert before <= started.at == exited.started_at <= exited.at <= time.time_ns() // 1000
    assert exited.usage.user_seconds + exited.usage.kernel_seconds > 0
    assert exited.usage.peak_bytes == 0  # less than the host's own: not known


async def test_launch_peak_memory(site: Site) -> None:
    """A run that needs more memory than its host is told with its peak."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # the host began with ours
    run = await site.sh(f"dd if=/dev/zero of=/dev/null bs={own + 100_000_000} count=1")
    assert (await site.heard.exited(run)).usage.peak_bytes > own + 100_000_000


async def test_launch_many_at_once(site: Site) -> None:
    """Each of many runs starts and ends once, with its own code."""
    launches = [site.make_launch(f"sh -c 'exit {n % 5}'") for n in range(100)]
    await site.local.launch(launches)
    for n, launch in enumerate(launches):
        assert (await site.heard.exited(launch.run)).code == n % 5
    assert len(site.heard.reports) == 200


async def test_launch_twice(site: Site) -> None:
    """A run that is known is not started again, only told of again."""
    launch = site.make_launch("echo once >> seen", shell=True)
    await site.local.launch([launch, launch])
    await site.local.launch([launch])
    await site.heard.exited(launch.run)
    other = await site.sh("exit 0")
    await site.heard.exited(other)
    assert site.out(launch.run, "wd/seen") == "once\n"


async def test_launch_folders(site: Site) -> None:
    """The command line runs in wd/, its output is in stdout.txt and stderr.txt above it."""
    run = await site.sh("pwd; echo oops >&2; echo here > file")
    await site.heard.exited(run)
    assert site.out(run) == f"{site.folder(run)}/wd\n"
    assert site.out(run, "stderr.txt") == "oops\n"
    assert site.out(run, "wd/file") == "here\n"


async def test_launch_files_are_private(site: Site) -> None:
    """What a task makes is closed to other users; as root those of its account, who have a group of their own, may."""
    run = await site.sh("echo secret > file; mkdir below")
    await site.heard.exited(run)
    closed = 0o077 if site.uid is None else 0o007
    for name in ("stdout.txt", "wd", "wd/file", "wd/below", "."):
        facts = (site.folder(run) / name).stat()
        assert facts.st_mode & closed == 0, name
        assert site.uid is None or (facts.st_uid, facts.st_gid) == (site.uid, site.uid)


async def test_launch_same_directory_again(site: Site) -> None:
    """Another try of a task keeps wd/ and begins its output anew."""
    first = await site.sh("echo a long first line; echo kept > file")
    await site.heard.exited(first)
    second = await site.sh("echo short; cat file", directory=f"workitems/job1/job-1/{first}")
    await site.heard.exited(second)
    assert site.out(first) == "short\nkept\n"


async def test_launch_argv(site: Site) -> None:
    """Without a shell the line is split like argv, and nothing in it is expanded."""
    run = await site.launch("""printf '%s|' "two words" $HOME ~ * a\\ b '' >x""")
    await site.heard.exited(run)
    assert site.out(run) == "two words|$HOME|~|*|a b||>x|"


async def test_launch_shell(site: Site) -> None:
    """With a shell the line is the shell's."""
    run = await site.sh("printf '%s|' $((1+1)) | tr 2 3")
    await site.heard.exited(run)
    assert site.out(run) == "3|"


@pytest.mark.parametrize("command", ["", "   ", "''", "echo 'open", 'echo "open', "echo a\\"])
async def test_launch_invalid_command(site: Site, command: str) -> None:
    """A line that is empty or not closed is refused, as the user's fault."""
    run = await site.launch(command)
    report = await site.heard.failed(run)
    assert (report.code, report.user) == ("command-invalid", True)


@pytest.mark.parametrize(
    "command", ["no-such-program-anywhere x", "./missing", "/no/such/program", "/etc", "/etc/passwd"]
)
async def test_launch_command_not_found(site: Site, command: str) -> None:
    """A program that is not there or cannot be executed is told from one that failed."""
    run = await site.launch(command)
    report = await site.heard.failed(run)
    assert (report.code, report.user) == ("command-not-found", True)
    assert command.split(maxsplit=1)[0] in report.message
    assert not any(isinstance(told, RunStarted) for told in site.heard.of(run))


async def test_launch_relative_program(site: Site) -> None:
    """A program with a slash is looked up from wd/."""
    first = await site.sh("printf '#!/bin/sh\\necho mine' > prog; chmod +x prog")
    await site.heard.exited(first)
    second = await site.launch("./prog", directory=f"workitems/job1/job-1/{first}")
    assert (await site.heard.exited(second)).code == 0
    assert site.out(first) == "mine\n"


async def test_launch_interpreter_missing(site: Site) -> None:
    """A script whose interpreter is not there is a command that was not found."""
    first = await site.sh("printf '#!/no/such/interpreter\\n' > prog; chmod +x prog")
    await site.heard.exited(first)
    directory = f"workitems/job1/job-1/{first}"
    path = {"PATH": f"{site.folder(first)}/wd"}
    for command, environment in (("./prog", {}), ("prog", path)):
        run = await site.launch(command, directory=directory, environment=environment)
        assert (await site.heard.failed(run)).code == "command-not-found"


async def test_launch_path_of_the_task(site: Site) -> None:
    """Programs are found on the task's PATH, not on the server's."""
    first = await site.sh("printf '#!/bin/sh\\necho mine' > ls; chmod +x ls")
    await site.heard.exited(first)
    run = await site.launch("ls", environment={"PATH": f"{site.folder(first)}/wd:/bin"})
    await site.heard.exited(run)
    assert site.out(run) == "mine\n"
    usual = await site.launch("ls -d /")
    await site.heard.exited(usual)
    assert site.out(usual) == "/\n"


async def test_launch_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task sees its folders and what was set for it, and nothing of the server's own."""
    monkeypatch.setenv("SERVER_SECRET", "x")
    run = await site.launch("env", environment={"FOO": "a b=c", "AZ_BATCH_JOB_ID": "job1"})
    await site.heard.exited(run)
    root, folder = site.local.root(NODE), site.folder(run)
    assert dict(line.split("=", 1) for line in site.out(run).splitlines()) == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "USER": "devaccount",
        "LOGNAME": "devaccount",
        "SHELL": "/bin/sh",
        "HOME": f"{folder}/wd",
        "AZ_BATCH_NODE_ROOT_DIR": root,
        "AZ_BATCH_NODE_SHARED_DIR": f"{root}/shared",
        "AZ_BATCH_NODE_STARTUP_DIR": f"{root}/startup",
        "AZ_BATCH_NODE_MOUNTS_DIR": f"{root}/fsmounts",
        "AZ_BATCH_TASK_DIR": str(folder),
        "AZ_BATCH_TASK_WORKING_DIR": f"{folder}/wd",
        "AZ_BATCH_CERTIFICATES_DIR": f"{folder}/certs",
        "AZ_BATCH_JOB_ID": "job1",
        "FOO": "a b=c",
        "LINARITE_PROGRESS": f"{folder}/progress-{run}.jsonl",
        "LINARITE_RUN": site.mark(run),
    }


async def test_launch_environment_wins(site: Site) -> None:
    """What is set for the task wins over the usual, but not over the run's marker."""
    run = await site.sh("echo $HOME $LINARITE_RUN", environment={"HOME": "/elsewhere", "LINARITE_RUN": "forged"})
    await site.heard.exited(run)
    assert site.out(run) == f"/elsewhere {site.mark(run)}\n"


@pytest.mark.parametrize("environment", [{"A=B": "x"}, {"A\0": "x"}, {"A": "x\0y"}, {"": "x"}])
async def test_launch_impossible_environment(site: Site, environment: dict[str, str]) -> None:
    """Variables that no process can have are refused; the host goes on."""
    run = await site.launch("true", environment=environment)
    assert (await site.heard.failed(run)).code == "command-invalid"


@pytest.mark.parametrize(
    "facts",
    [
        {"command": "no\0program"},
        {"command": "true", "working_directory": "no\0folder"},
        {"command": "true", "environment": {"PATH": "/usr/bin\0"}},
        {"command": "true", "stdin": "no\0file"},
        {"command": "true", "stdout": "no\0file"},
    ],
)
async def test_launch_with_what_no_path_can_hold(site: Site, facts: dict[str, Any]) -> None:
    """What the operating system takes for no path at all fails its own run, and no other one of the host."""
    other = await site.launch("sleep 1")
    await site.heard.started(other)
    run = await site.launch(**facts)
    assert (await site.heard.failed(run)).code in {"command-invalid", "failed"}
    assert (await site.heard.exited(other)).code == 0


async def test_launch_too_long(site: Site) -> None:
    """A line beyond the system's limit is refused as the user's fault."""
    run = await site.launch("echo " + "x" * 4_000_000)
    assert (await site.heard.failed(run)).code == "command-invalid"


async def test_launch_standard_streams(site: Site) -> None:
    """Streams that are named are files relative to wd/; the same name twice is one file."""
    run = await site.sh(
        "echo given > in; mkdir logs; exit 0",
    )
    await site.heard.exited(run)
    directory = f"workitems/job1/job-1/{run}"
    again = await site.sh(
        "cat; echo err >&2; echo out", directory=directory, stdin="in", stdout="logs/all", stderr="logs/all"
    )
    await site.heard.exited(again)
    assert site.out(run, "wd/logs/all") == "given\nerr\nout\n"


async def test_launch_without_input(site: Site) -> None:
    """Standard input is empty unless a file is named."""
    run = await site.launch("cat")
    assert (await site.heard.exited(run)).code == 0


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
async def test_launch_stream_missing(site: Site, stream: str) -> None:
    """A stream that cannot be opened fails the run and says which."""
    run = await site.launch("true", **{stream: "no/such/file"})
    report = await site.heard.failed(run)
    assert report.code == "failed"
    assert "no/such/file" in report.message


async def test_launch_stream_is_a_fifo(site: Site) -> None:
    """A FIFO that nobody reads blocks nothing: the run fails, the host goes on."""
    first = await site.sh("mkfifo pipe; rm -f ../stdout.txt; mkfifo ../stdout.txt")
    await site.heard.exited(first)
    directory = f"workitems/job1/job-1/{first}"
    named = await site.launch("true", directory=directory, stderr="pipe", stdout="out")
    usual = await site.launch("true", directory=directory)
    assert (await site.heard.failed(named)).code == "failed"
    assert (await site.heard.failed(usual)).code == "failed"


async def test_launch_working_directory(site: Site) -> None:
    """A working directory is relative to wd/, or absolute; one that is missing fails the run."""
    relative = await site.launch("pwd", working_directory=".")
    absolute = await site.launch("pwd", working_directory="/")
    missing = await site.launch("pwd", working_directory="missing")
    await site.heard.exited(relative)
    await site.heard.exited(absolute)
    assert site.out(relative) == f"{site.folder(relative)}/wd\n"
    assert site.out(absolute) == "/\n"
    assert "missing" in (await site.heard.failed(missing)).message


@pytest.mark.parametrize("directory", ["../outside", "workitems/../../outside", "/tmp", "workitems/\0"])
async def test_launch_directory_outside(site: Site, directory: str) -> None:
    """A directory that leaves the node is refused."""
    run = await site.launch("true", directory=directory)
    assert (await site.heard.failed(run)).code == "failed"


async def test_launch_directory_behind_a_dangling_link(site: Site) -> None:
    """A folder that a task replaced by a dangling link fails the run; the host goes on."""
    first = await site.sh("ln -s /nowhere $AZ_BATCH_NODE_ROOT_DIR/workitems/broken")
    await site.heard.exited(first)
    run = await site.launch("true", directory="workitems/broken/job-1/task")
    assert (await site.heard.failed(run)).code == "failed"
    other = await site.launch("true")
    assert (await site.heard.exited(other)).code == 0


async def test_launch_inherits_nothing(site: Site) -> None:
    """A task has its three streams open and no other file; the signals are as usual."""
    run = await site.sh("ls /proc/self/fd | wc -l; grep -E 'Sig(Blk|Ign)' /proc/self/status; ps -o sid= -p $$; echo $$")
    await site.heard.exited(run)
    count, blocked, ignored, session, pid = site.out(run).split("\n")[:5]
    assert int(count) == 4  # ls opens the folder itself
    assert int(blocked.split()[1], 16) == 0
    assert int(ignored.split()[1], 16) & 0x7FFF_FFFF == 0  # 32 and 33 are the C library's own
    assert session.strip() == pid


async def test_launch_elevated_not_allowed(site: Site) -> None:
    """Elevated runs are refused unless the settings allow them."""
    run = await site.launch("true", elevated=True)
    assert (await site.heard.failed(run)).code == "not-allowed"


async def test_launch_elevated_plain(plain_site: Site) -> None:
    """Where all tasks run as the server's user, an allowed elevated one does too."""
    await plain_site.again(allow_elevated=True)
    run = await plain_site.launch("id -u", elevated=True)
    await plain_site.heard.exited(run)
    assert plain_site.out(run) == f"{os.geteuid()}\n"


async def test_launch_plain(plain_site: Site) -> None:
    """Without users of their own, tasks run as the server's user."""
    run = await plain_site.launch("id -u")
    assert isinstance(await plain_site.heard.end(run), RunExited)
    assert plain_site.out(run) == f"{os.geteuid()}\n"
