"""What a task's end means when its files were not taken away."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engine.world import World, play

from linarite.engine import exits
from linarite.engine.launching import Problem, RunExited
from linarite.engine.model import DependencyAction, ExitCodes, ExitConditions, ExitOptions, TaskResult, TaskState
from linarite.engine.outputs import OutputFile, UploadWhen

PROBLEM = Problem(code="upload-refused", message="no", details={"FilePath": "f"})
SATISFY, BLOCK = (ExitOptions(dependency_action=action) for action in DependencyAction)


@pytest.mark.parametrize("code", [0, 3])
def test_upload_problem_fails_without_retry(tmp_path: Path, code: int):
    """Whatever the exit code, which stays; the service does not try again."""

    async def story(world: World) -> None:
        await world.pool()
        await world.job()
        await world.tasks("a", max_retries=3, output_files=(OutputFile(pattern="f", url="http://x/c"),))
        [run] = await world.schedule()
        assert world.launched[0].outputs == (OutputFile(pattern="f", url="http://x/c"),)
        await world.report(RunExited(run=run, code=code, started_at=world.now, at=world.now + 7, upload=PROBLEM))
        task = await world.task("a")
        assert (task.state, task.result, task.exit_code, task.retries, task.ended_at) == (
            TaskState.COMPLETED, TaskResult.FAILURE, code, 0, world.now + 7,
        )  # fmt: skip
        assert task.failure is not None
        assert (task.failure.code, task.failure.details[0].value) == ("upload-refused", "f")

    play(tmp_path, story)


@pytest.mark.parametrize(
    ("conditions", "chosen"),
    [
        (ExitConditions(file_upload_error=SATISFY, default=BLOCK), SATISFY),
        (ExitConditions(pre_processing_error=SATISFY, default=BLOCK), BLOCK),
        (ExitConditions(codes=(ExitCodes(start=3, end=3, options=BLOCK),), file_upload_error=SATISFY), BLOCK),
        (ExitConditions(ranges=(ExitCodes(start=1, end=9, options=BLOCK),), file_upload_error=SATISFY), BLOCK),
        (ExitConditions(codes=(ExitCodes(start=4, end=4, options=BLOCK),), file_upload_error=SATISFY), SATISFY),
        (ExitConditions(pre_processing_error=SATISFY), exits.NOTHING),
    ],
)
def test_options_of_an_upload_problem(conditions: ExitConditions, chosen: ExitOptions):
    """The exit code's own options come first, then those of the problem, then the default."""
    assert exits.options(conditions, 3, before_start=False, success=False, upload=True) is chosen


@pytest.mark.parametrize(
    ("when", "codes"),
    [(UploadWhen.SUCCESS, [0]), (UploadWhen.FAILURE, [1, 143]), (UploadWhen.COMPLETION, [0, 1, 143])],
)
def test_outputs_due(when: UploadWhen, codes: list[int]):
    """Success is exit code 0 alone."""
    output = OutputFile(pattern="f", url="u", when=when)
    assert [code for code in (0, 1, 143) if output.due(code)] == codes
