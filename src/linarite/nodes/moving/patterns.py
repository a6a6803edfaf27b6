"""Which files an output's pattern means: wildcards below a task's directory, and never anything outside of it.

`*`, `?`, `[abc]`, `[a-c]` and `[!abc]` match within a name, `**` any folders; a name that begins with a dot is matched
by a pattern that says so. Links to folders are not entered. Source: OutputFile.filePattern of BatchService-2025-06-01.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from linarite.fs.beneath import Beneath

WD = "wd"

_variable = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_wild = re.compile(r"[*?\[]")


class LeavesDirectoryError(ValueError):
    """The pattern means files outside the task's directory."""


class Pattern(NamedTuple):
    """A pattern: the folder or file `base` (below the task's directory), then one part for each name below it."""

    base: str
    parts: tuple[str, ...]

    @property
    def full(self) -> str:
        """The whole pattern, relative to the task's directory."""
        return "/".join([*filter(None, [self.base]), *self.parts])


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Put in the values of `$NAME` and `${NAME}`; a variable that is not there stays as it is written."""
    return _variable.sub(lambda found: variables.get(found[1] or found[2], found[0]), text)


def read_pattern(text: str, directory: str) -> Pattern:
    """Read a pattern without variables, in the task's `directory` (absolute). Raises LeavesDirectoryError."""
    if text.startswith("/"):
        if not text.startswith(f"{directory}/"):
            raise LeavesDirectoryError(text)
        names = text[len(directory) :].split("/")
    else:
        names = [WD, *text.split("/")]
    fixed: list[str] = []
    names = [name for name in names if name not in ("", ".")]
    for place, name in enumerate(names):
        if _wild.search(name):
            return Pattern("/".join(fixed), _below(names[place:], text))
        if name != "..":
            fixed.append(name)
        elif fixed:
            fixed.pop()
        else:
            raise LeavesDirectoryError(text)
    return Pattern("/".join(fixed), ())


def _below(names: list[str], text: str) -> tuple[str, ...]:
    if ".." in names:
        raise LeavesDirectoryError(text)
    return tuple(names)


def matches(tree: Beneath, pattern: Pattern) -> Iterator[str]:
    """What a pattern means, as paths below the task's directory, each once: no folders, but links to anything.

    A pattern without wildcards means what it names, whether that is there or not.
    """
    if not pattern.parts:
        yield pattern.base
        return
    found = _matches(tree, pattern.base, pattern.parts)
    # Only with two of them can a file be met in two ways.
    yield from found if pattern.parts.count("**") < 2 else dict.fromkeys(found)


def _matches(tree: Beneath, folder: str, parts: tuple[str, ...]) -> Iterator[str]:
    first, rest = parts[0], parts[1:]
    if first == "**":
        yield from _matches(tree, folder, rest or ("*",))
    fits = _test(first)
    try:
        entries = sorted(tree.scan(folder), key=lambda entry: entry.name)
    except OSError:  # it is no folder, it cannot be read, or it went away
        return
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if not fits(entry.name):
            continue
        if entry.is_directory:
            below = parts if first == "**" else rest
            yield from _matches(tree, path, below) if below else ()
        elif not rest and first != "**":
            yield path


@cache
def _test(part: str) -> Callable[[str], bool]:
    hidden = part.startswith(".")
    whole = re.compile(fnmatch.translate("*" if part == "**" else part)).match
    return lambda name: (hidden or not name.startswith(".")) and whole(name) is not None
