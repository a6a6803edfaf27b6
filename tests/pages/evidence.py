"""Which files of tests exercise an operation: by the names of their tests, by a marker, or by what they call.

Files are named, not tests: a page then changes when an operation gets its first test, not with every test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.pages.made import ROOT
from tests.pages.operations import Operation, Surface, snake

TESTS = ROOT / "tests"
SHARE_CLIENT = {
    "create_share": ("create_share",), "upload_file": ("create_file", "put_range"), "download_file": ("get_file",),
    "get_file_properties": ("get_file_properties",), "list_directories_and_files": ("list_directories_and_files",),
    "upload_range": ("put_range",), "get_ranges": ("list_ranges",), "acquire_lease": ("lease_file", "lease_share"),
    "create_snapshot": ("snapshot_share",), "start_copy_from_url": ("copy_file",), "abort_copy": ("abort_copy_file",),
    "set_http_headers": ("set_file_properties", "set_directory_properties"), "list_handles": ("list_handles",),
    "close_all_handles": ("force_close_handles",), "get_share_access_policy": ("get_share_acl",),
    "set_share_access_policy": ("set_share_acl",), "create_permission_for_share": ("create_permission",),
    "upload_range_from_url": ("put_range_from_url",), "rename_file": ("rename_file",), "set_share_quota": (
        "set_share_properties",
    ), "get_permission_for_share": ("get_permission",), "close_handle": ("force_close_handles",),
    "clear_range": ("put_range",), "exists": ("get_file_properties",),
}  # fmt: skip
"""Methods of the share client that are called otherwise than the operations that they send."""


class Seen(NamedTuple):
    """What stands in a file: names of tests, operations of markers, and everything called or written as a text."""

    tests: frozenset[str]
    marked: frozenset[str]
    called: frozenset[str]


@cache
def read(path: Path) -> Seen:
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    tests = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    marked, called = set[str](), set[str]()
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called.add(node.func.attr)
            if node.func.attr == "operation":
                marked |= {str(word.value) for word in node.args if isinstance(word, ast.Constant)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    called |= {snake(text.rpartition("/")[2]) for text in texts if len(text) < 80 and " " not in text}
    called |= {word for name in called for word in SHARE_CLIENT.get(name, ())}
    called |= {name.removeprefix("begin_") for name in called}
    return Seen(frozenset(name for name in tests if name.startswith("test_")), frozenset(marked), frozenset(called))


def _files(globs: Iterable[str]) -> list[Path]:
    return sorted({path for glob in globs for path in TESTS.glob(glob) if path.suffix == ".py"})


def files_of(surface: Surface, operation: Operation) -> list[str]:
    """The files with a test that bears the operation's name or its marker, or that call it; relative to tests/.

    First those that call whatever the table has, and fail where an operation is not answered.
    """
    found = list(surface.whole)
    for path in _files(surface.tests):
        seen = read(path)
        named = any(f"{test}_".startswith(f"test_{word}_") for test in seen.tests for word in operation.words)
        if named or operation.words & seen.called or operation.name in seen.marked:
            found.append(str(path.relative_to(TESTS)))
    return list(dict.fromkeys(found))


def has_client(surface: Surface, operation: Operation) -> bool:
    """Whether a file that drives the real client calls a method of the operation's name."""
    return any(operation.words & read(path).called for path in _files(surface.client_tests))
