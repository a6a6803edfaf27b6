"""Slurm's commands with another voice say what they are told to, note their calls, and else are the real ones."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.fake_slurm import FULL, TIMED_OUT, Call, FakeSlurm
from tests.support.server import data_home
from tests.support.slurm import SlurmCluster, as_user, unprivileged_user


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that any user passes through."""
    with data_home() as folder:
        yield folder


def call(fake: FakeSlurm, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    settings: dict[str, Any] = {"env": fake.environment | {"COLOUR": "blue"}, "input": "", "timeout": 20} | options
    return subprocess.run(words, check=False, capture_output=True, text=True, **settings)


def test_calls_are_noted(home: Path):
    """With the exact words and environment, and what came on standard input."""
    fake = FakeSlurm(home / "fake", real=False)
    assert call(fake, "sbatch", "--wrap", "a  b\n'c'", "", input="#!/bin/sh\nexit 0\n").returncode == 0
    assert call(fake, "squeue", "-h").stdout == ""
    sbatch, squeue = fake.calls()
    environment = fake.environment | {"COLOUR": "blue"}
    script = "#!/bin/sh\nexit 0\n"
    assert sbatch == Call("sbatch", ["--wrap", "a  b\n'c'", ""], environment, script, os.geteuid())
    assert (squeue.program, squeue.words) == ("squeue", ["-h"])
    assert fake.calls("squeue") == [squeue]


def test_answers_in_their_order(home: Path):
    """As often as was said; each command has its own."""
    fake = FakeSlurm(home / "fake", real=False)
    fake.answer("sbatch", "7\n", times=2)
    fake.answer("sbatch", stderr=TIMED_OUT, code=1)
    fake.answer("squeue", "garbage |||\n", times=None)
    said = [call(fake, "sbatch") for _ in range(4)]
    assert [(each.stdout, each.stderr, each.returncode) for each in said] == [
        ("7\n", "", 0), ("7\n", "", 0), ("", TIMED_OUT, 1), ("", "", 0),
    ]  # fmt: skip
    assert [call(fake, "squeue").stdout for _ in range(3)] == ["garbage |||\n"] * 3
    assert (fake.waiting("sbatch"), fake.waiting("squeue")) == (0, 1)
    fake.forget("squeue")
    assert call(fake, "squeue").stdout == ""


def test_answers_to_some_words_only(home: Path):
    fake = FakeSlurm(home / "fake", real=False)
    fake.answer("scontrol", stderr="no\n", code=1, when="update")
    assert call(fake, "scontrol", "show", "config").returncode == 0
    assert call(fake, "scontrol", "update", "nodename=n1").returncode == 1
    assert call(fake, "scontrol", "update", "nodename=n1").returncode == 0


def test_answers_of_calls_side_by_side(home: Path):
    """Each answer is given once, and every call is noted."""
    fake = FakeSlurm(home / "fake", real=False)
    for number in range(12):
        fake.answer("sbatch", str(number))
    running = [
        subprocess.Popen(["sbatch", str(n)], env=fake.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for n in range(12)
    ]
    assert sorted(int(each.communicate()[0]) for each in running) == list(range(12))
    assert sorted(int(each.words[0]) for each in fake.calls()) == list(range(12))


def test_delay_and_silence(home: Path):
    """One that blocks says at once what it has to say, and ends when it is killed."""
    fake = FakeSlurm(home / "fake", real=False)
    fake.answer("sbatch", "1\n", delay=0.5)
    fake.answer("sbatch", stderr=FULL, hang=True)
    began = time.monotonic()
    assert call(fake, "sbatch").stdout == "1\n"
    assert time.monotonic() - began >= 0.5
    with subprocess.Popen(
        ["sbatch"], env=fake.environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == FULL
        assert process.poll() is None
        process.kill()
        assert process.stderr.read() == ""


def test_what_is_not_scripted_is_real(slurm: SlurmCluster, home: Path):
    """A job that is in although sbatch was not heard to say so; after that sbatch is itself, also for other users."""
    fake = FakeSlurm(home / "fake")
    fake.answer("sbatch", stderr=TIMED_OUT, code=1, really=True)
    options = {"env": os.environ | slurm.environment | fake.environment, "cwd": slurm.home(), "input": "#!/bin/sh\n"}
    options |= as_user(unprivileged_user())
    said = call(fake, "sbatch", "-J", "unheard", **options)
    assert (said.stdout, said.stderr, said.returncode) == ("", TIMED_OUT, 1)
    assert slurm.run("squeue", "-h", "-t", "all", "-n", "unheard", "-o", "%j").split() == ["unheard"]
    heard = call(fake, "sbatch", "--parsable", "-J", "heard", **options)
    assert slurm.wait_job(heard.stdout.strip())["JobName"] == "heard"
    assert {each.uid for each in fake.calls()} == {options.get("user", os.geteuid())}
