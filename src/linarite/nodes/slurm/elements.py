"""A run as a shell script: what an element of a Slurm job array reads on its machine.

Source: the wrapper, which says what an element is; POSIX, Shell Command Language.
"""

from __future__ import annotations

import math
import os
import re
from shlex import quote

from linarite.engine.launching import Launch
from linarite.nodes.environment import DEFAULT_PATH, run_environment
from linarite.nodes.processes import CannotStartError
from linarite.nodes.starting import stream_path, words_of

_IDENTIFIER = re.compile("[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OWN = frozenset({"PPID", "OPTIND", "IFS", "UID", "EUID"})
"""Variables that some shell keeps for itself; env gives them to the program."""


def element(launch: Launch, root: str, path: str = DEFAULT_PATH) -> bytes:
    """The script of a run in the node folder `root`. Raises CannotStartError for what no process can be given.

    `path` is where programs are looked for, unless the launch says so itself.
    """
    directory = f"{root}/{launch.directory}"
    wd = f"{directory}/wd"
    limit = 0 if launch.time_limit is None else max(1, math.ceil(launch.time_limit))
    cwd = wd if launch.working_directory is None else os.path.join(wd, launch.working_directory)
    exported, passed = _variables({**run_environment(launch, root, directory), "PATH": path, **_own_path(launch)})
    words = words_of(launch)
    lines = [
        f"# {launch.run} {limit}",
        f"cd {quote(cwd)} 2>/dev/null || cannot failed {quote(f'The working directory {cwd!r} cannot be entered.')}",
        *exported,
        *_streams(launch, directory, wd),
        f"command -v {quote(words[0])} >/dev/null 2>&1 || cannot command-not-found {quote(_not_found(words[0]))}",
        "set -- " + " ".join(map(quote, (*passed, *words))),
        "",
    ]
    text = "\n".join(lines)
    if "\0" in text:
        raise CannotStartError("command-invalid", "The command line or its environment holds a NUL.")
    return os.fsencode(text)


def _own_path(launch: Launch) -> dict[str, str]:
    return {"PATH": launch.environment["PATH"]} if "PATH" in launch.environment else {}


def _variables(environment: dict[str, str]) -> tuple[list[str], list[str]]:
    """What the shell exports, and the words by which env passes on names that no shell knows."""
    exported, passed = list[str](), list[str]()
    for name, value in environment.items():
        if _IDENTIFIER.fullmatch(name) and name not in _OWN:
            exported.append(f"export {name}={quote(value)}")
        else:
            passed.append(f"{name}={value}")
    return exported, ["env", *passed] if passed else []


def _streams(launch: Launch, directory: str, wd: str) -> list[str]:
    """Open the standard streams; one that cannot be opened is told of."""
    source = "/dev/null" if launch.stdin is None else stream_path(wd, launch, launch.stdin)
    output = f"{directory}/stdout.txt" if launch.stdout is None else stream_path(wd, launch, launch.stdout)
    error = f"{directory}/stderr.txt" if launch.stderr is None else stream_path(wd, launch, launch.stderr)
    begun = ">>" if launch.keeps_output else ">"
    lines = [_tried("standard input", "<", source)] if launch.stdin is not None else []
    lines.append(_tried("standard output", begun, output))
    if launch.stderr is None or launch.stderr != launch.stdout:
        lines += [_tried("standard error", begun, error), f"exec 2>>{quote(error)}"]
        return [*lines, f"exec <{quote(source)} >>{quote(output)}"]
    return [*lines, f"exec <{quote(source)} >>{quote(output)} 2>&1"]


def _tried(what: str, sign: str, path: str) -> str:
    """A file that is opened, and emptied where that is wanted, by what does not end the shell when it fails."""
    return f"true {sign}{quote(path)} 2>/dev/null || cannot failed {quote(f'The {what} {path!r} cannot be opened.')}"


def _not_found(name: str) -> str:
    return f"The program {name!r} was not found on the task's PATH."
