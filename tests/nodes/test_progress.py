"""What runs tell of how far they are: read while they run and told with their ends, whatever stands in the file."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.nodes.helpers import DEADLINE, NODE, Site

from linarite.engine.launching import Watched
from linarite.engine.progress import LONGEST, TAIL, Progress, file_name, last
from linarite.nodes.progress import progress_of, watched

HALF = Progress(percent=50, description="half")
HALF_LINE = b'{"percent": 50, "description": "half"}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", None),
        (HALF_LINE, HALF),
        (HALF_LINE[:-1], HALF),
        (HALF_LINE + b'{"percent": 6', HALF),
        (HALF_LINE + b"\n\nnot JSON\n[1]\n7\nnull\n", HALF),
        (
            HALF_LINE
            + b'{"percent": 101}\n{"percent": -1}\n{"percent": "60"}\n{"percent": true}\n{"percent": 1e999}\n',
            HALF,
        ),
        (HALF_LINE + b'{"percent": NaN}\n{}\n{"other": 1}\n\xff\xfe\n{"description": 7}\n', HALF),
        (HALF_LINE + b"{" * 3000, HALF),
        (HALF_LINE + b'{"percent": 99.6}\r\n', Progress(percent=100)),
        (HALF_LINE + b'{"description": "alone"}\n', Progress(description="alone")),
        (b'{"percent": 0, "description": "a\\u0000b", "more": [1]}', Progress(percent=0, description="ab")),
    ],
)
def test_last_takes_the_last_line_that_can_be_taken(text: bytes, expected: Progress | None) -> None:
    """Half-written and bad lines, and percents out of range, leave what was told before."""
    assert last(text, whole=True) == expected


def test_last_cuts_descriptions_and_leaves_out_a_line_without_its_beginning() -> None:
    """A description has room for so many characters; what begins before the tail is not read."""
    told = last(b'{"description": "%s"}' % (b"x" * 1000), whole=True)
    assert told is not None
    assert told.description == "x" * LONGEST
    assert last(HALF_LINE, whole=False) is None


@given(st.binary(max_size=300), st.booleans())
def test_last_takes_any_bytes(data: bytes, whole: bool) -> None:
    """Whatever a task wrote, the answer is none or within its bounds."""
    told = last(data, whole=whole)
    assert told is None or told.percent is None or 0 <= told.percent <= 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "task").mkdir()
    return tmp_path


def read(folder: Path) -> tuple[Progress | None, Progress | None]:
    """What a host and what the server reads of run 1.1."""
    run = Watched(node=NODE, run="1.1", directory="task")
    return progress_of(str(folder / "task"), "1.1"), watched(str(folder), run)


def test_progress_reads_the_end_of_a_huge_file(folder: Path) -> None:
    """A file of a terabyte costs no more than its tail."""
    file = folder / "task" / file_name("1.1")
    file.write_bytes(HALF_LINE)
    with file.open("r+b") as written:
        written.truncate(2**40)
        written.seek(2**40)
        written.write(b"\n" + HALF_LINE)
    assert file.stat().st_size > 2**40 > TAIL
    assert read(folder) == (HALF, HALF)
    with file.open("ab") as written:
        written.write(b"x" * TAIL)
    assert read(folder) == (None, None)


@pytest.mark.parametrize("kind", ["nothing", "link", "hard link", "fifo", "folder", "folder is a link"])
def test_progress_reads_no_other_file(folder: Path, tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    """Links, pipes and folders in its place are nothing; nobody waits for them."""
    other = tmp_path_factory.mktemp("other")
    (other / file_name("1.1")).write_bytes(HALF_LINE)
    path = folder / "task" / file_name("1.1")
    match kind:
        case "link":
            path.symlink_to(other / file_name("1.1"))
        case "hard link":
            os.link(other / file_name("1.1"), path)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "folder is a link":
            (folder / "task").rmdir()
            (folder / "task").symlink_to(other)
            assert watched(str(folder), Watched(node=NODE, run="1.1", directory="task")) is None
            return
    assert read(folder) == (None, None)


@pytest.mark.anyio
async def test_a_run_is_watched_while_it_goes_on(site: Site) -> None:
    """What a process appends is read at once; the last of it is told with its end, and of another try nothing."""
    line = """
    echo '{"percent": 40, "description": "loading"}' >> $LINARITE_PROGRESS
    while [ ! -e go ]; do sleep 0.01; done
    echo '{"percent": 80}' >> $LINARITE_PROGRESS
    """
    run = await site.sh(line)
    seen = Watched(node=NODE, run=run, directory=f"workitems/job1/job-1/{run}")
    loading = Progress(percent=40, description="loading")
    async with asyncio.timeout(DEADLINE):
        while await site.local.progress([seen]) != [loading]:  # noqa: ASYNC110 - a process gives no signal
            await asyncio.sleep(0.01)
    (site.folder(run) / "wd" / "go").touch()
    assert (await site.heard.exited(run)).progress == Progress(percent=80)
    silent = await site.sh("true")
    assert (await site.heard.exited(silent)).progress is None
