"""Slurm's commands with another voice: calls are noted, and answered as a test says, for what is rarely said."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.slurm import eventually

PROGRAMS = ("sbatch", "squeue", "scancel", "sinfo", "scontrol")
TIMED_OUT = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
FULL = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n"
NO_SUCH_JOB = "slurm_load_jobs error: Invalid job id specified\n"


@dataclass(frozen=True)
class Call:
    """A call of a command: its words without the command itself, what it read (sbatch alone), by whom."""

    program: str
    words: list[str]
    environment: dict[str, str]
    input: str
    uid: int


class FakeSlurm:
    """The commands in a folder that is first on `environment`'s PATH; what is not scripted the real ones do.

    Without `real` commands, what is not scripted prints nothing and succeeds. Any user may call them.
    """

    def __init__(self, folder: Path, *, real: bool = True) -> None:
        """Make the commands in a new folder. Raises FileExistsError where there is one."""
        folder.mkdir(parents=True)
        self._folder, self._next = folder, 0
        for name in ("bin", "real"):
            (folder / name).mkdir()
        for name in ("noting", "calls", *(f"answers/{program}" for program in PROGRAMS)):
            (folder / name).mkdir(parents=True)
            (folder / name).chmod(0o777)
        for program in PROGRAMS:
            shutil.copy(Path(__file__).with_name("fake_slurm.sh"), folder / "bin" / program)
            if real and (found := shutil.which(program)):
                (folder / "real" / program).symlink_to(found)

    @property
    def environment(self) -> dict[str, str]:
        """The PATH on which these commands come first."""
        return {"PATH": f"{self._folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    def answer(
        self,
        program: str,
        stdout: str = "",
        stderr: str = "",
        *,
        code: int = 0,
        delay: float = 0.0,
        hang: bool = False,
        really: bool = False,
        when: str = "",
        times: int | None = 1,
    ) -> None:
        """Answer the next calls of a command in this way: so many (`times`), after those that were told before.

        `times=None` is for all from now on. `stdout` and `stderr` are printed at once; it ends with `code` after
        `delay` seconds, or never (`hang`). `really` has the real command do its work first, unheard. `when` is part
        of the words that it is called with.
        """
        for _ in range(1 if times is None else times):
            self._next += 1
            made = self._folder / "noting" / f"answer-{self._next}"
            made.mkdir()
            texts = {"stdout": stdout, "stderr": stderr, "code": str(code), "delay": str(delay), "when": when}
            for name, text in texts.items():
                (made / name).write_text(text)
            for name, wanted in {"hang": hang, "really": really, "always": times is None}.items():
                if wanted:
                    (made / name).touch()
            made.rename(self._folder / "answers" / program / f"{self._next:06}")

    def forget(self, program: str) -> None:
        """Let a command be the real one again."""
        for answer in (self._folder / "answers" / program).iterdir():
            shutil.rmtree(answer)

    def waiting(self, program: str) -> int:
        """How many answers wait for a call."""
        return len(list((self._folder / "answers" / program).glob("[0-9]*")))

    def calls(self, program: str | None = None) -> list[Call]:
        """Every call until now, or those of one command, in their order."""
        folders = sorted((self._folder / "calls").iterdir(), key=lambda folder: int(folder.name))
        calls = [_call(folder) for folder in folders]
        return [call for call in calls if program in (None, call.program)]

    def wait_calls(self, program: str, number: int, seconds: float = 30.0) -> list[Call]:
        """Wait until a command has been called so many times."""
        return eventually(
            lambda: len(calls := self.calls(program)) >= number and calls, seconds, f"{program} is not called {number}x"
        )


def _call(folder: Path) -> Call:
    variables = (folder / "environment").read_text().split("\0")
    return Call(
        program=(folder / "program").read_text().strip(),
        words=(folder / "words").read_text().split("\0")[:-1],
        environment=dict(variable.split("=", 1) for variable in variables if "=" in variable),
        input=(folder / "input").read_text(),
        uid=folder.stat().st_uid,
    )
