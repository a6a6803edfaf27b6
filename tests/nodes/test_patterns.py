"""Which files a pattern means. The rules are OutputFile.filePattern's of BatchService-2025-06-01."""

from __future__ import annotations

from pathlib import Path

import pytest

from linarite.fs.beneath import Beneath
from linarite.nodes.moving.patterns import LeavesDirectoryError, expanded, matches, read_pattern

FILES = (
    "stdout.txt", "stderr.txt", "wd/a.txt", "wd/b.txt", "wd/.hidden.txt", "wd/abc*", "wd/sub/a.txt",
    "wd/sub/deep/a.txt", "wd/sub/deep/note", "wd/.dir/a.txt", "wd/sub2/x1", "wd/sub2/x2", "wd/sub2/xa",
)  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in FILES:
        file = tmp_path / "task" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path / "task"


def _means(directory: Path, text: str) -> list[str]:
    return list(matches(Beneath(str(directory)), read_pattern(text, str(directory))))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("*.txt", ["wd/a.txt", "wd/b.txt"]),
        ("./*.txt", ["wd/a.txt", "wd/b.txt"]),
        ("?.txt", ["wd/a.txt", "wd/b.txt"]),
        (".*.txt", ["wd/.hidden.txt"]),
        ("[a]*.txt", ["wd/a.txt"]),
        ("[!a]*.txt", ["wd/b.txt"]),
        ("sub2/x[0-9]", ["wd/sub2/x1", "wd/sub2/x2"]),
        ("abc[*]", ["wd/abc*"]),
        ("../std*.txt", ["stderr.txt", "stdout.txt"]),
        ("../*", ["stderr.txt", "stdout.txt"]),
        ("**/*.txt", ["wd/a.txt", "wd/b.txt", "wd/sub/a.txt", "wd/sub/deep/a.txt"]),
        ("**/a.txt", ["wd/a.txt", "wd/sub/a.txt", "wd/sub/deep/a.txt"]),
        ("**/deep/*", ["wd/sub/deep/a.txt", "wd/sub/deep/note"]),
        ("**/**/note", ["wd/sub/deep/note"]),
        ("sub/**", ["wd/sub/a.txt", "wd/sub/deep/a.txt", "wd/sub/deep/note"]),
        ("*/a.txt", ["wd/sub/a.txt"]),
        ("*/*/a.txt", ["wd/sub/deep/a.txt"]),
        (".dir/*", ["wd/.dir/a.txt"]),
        ("sub/../*.txt", ["wd/a.txt", "wd/b.txt"]),
        ("none*", []),
        ("none/*", []),
        ("a.txt/*", []),
        ("A.txt*", []),
        ("a.txt", ["wd/a.txt"]),
        ("missing", ["wd/missing"]),
        ("../stdout.txt", ["stdout.txt"]),
    ],
)
def test_pattern_means(directory: Path, text: str, found: list[str]) -> None:
    assert _means(directory, text) == found


def test_pattern_absolute(directory: Path) -> None:
    """An absolute path is one below the task's directory."""
    assert _means(directory, f"{directory}/wd/sub2/*a") == ["wd/sub2/xa"]
    assert _means(directory, f"{directory}/wd/../stdout.txt") == ["stdout.txt"]


@pytest.mark.parametrize(
    "text", ["../../x", "/etc/passwd", "/etc/*", "sub/../../../x", "*/../x", "**/../../x", "..", "../..", "/"]
)
def test_pattern_that_leaves_is_refused(directory: Path, text: str) -> None:
    if text == "..":
        assert _means(directory, text) == [""]
        return
    with pytest.raises(LeavesDirectoryError):
        _means(directory, text)


def test_pattern_of_a_neighbour_is_refused(directory: Path) -> None:
    """A directory whose name begins as the task's is another one."""
    with pytest.raises(LeavesDirectoryError):
        _means(directory, f"{directory}2/x")


def test_pattern_enters_no_links(directory: Path) -> None:
    """Neither out of the task's directory nor in circles."""
    (directory / "wd/out").symlink_to("/etc")
    (directory / "wd/circle").symlink_to(".")
    assert _means(directory, "**/passwd") == []
    assert _means(directory, "out/pass*") == []
    assert len(_means(directory, "**/a.txt")) == 3


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A/b", "1/b"), ("${A}b", "1b"), ("$AB", "2"), ("$A_$B", "$A_$B"), ("$", "$"), ("${", "${"), ("a$A$A", "a11"),
        ("$MISSING/x", "$MISSING/x"),
    ],
)  # fmt: skip
def test_expanded(text: str, value: str) -> None:
    """Variables that the task has; others stay, as in the service."""
    assert expanded(text, {"A": "1", "AB": "2"}) == value
