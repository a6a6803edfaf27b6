"""Command lines in containers: which program runs them here, and what of the node is seen inside.

A container sees the node's folders under their own names, and the machine's network: what a task is told of addresses
and paths is true inside. Images are each user's own, below the account's folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from linarite.engine.containers import Container, reference
from linarite.engine.layout import PREPARED, SHARED
from linarite.nodes.environment import DEFAULT_PATH

RUNTIMES = ("podman", "apptainer")
NO_RUNTIME = "Neither podman nor apptainer is installed where the server runs."

_of_runtime = ("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF")
"""Variables of the server that say how podman works on this machine."""


class ContainerError(Exception):
    """There can be no such container: `code` is one of the engine's words."""

    def __init__(self, code: str, message: str, details: Mapping[str, str] | None = None) -> None:
        """Keep the facts of the report."""
        super().__init__(message)
        self.code, self.message, self.details = code, message, dict(details or {})


class Contained(msgspec.Struct, frozen=True, kw_only=True):
    """A command line, as words, that a container is wanted for: in the node at `root`, in the task's `directory`.

    One that `stays` runs nothing by itself: command lines enter it. `name` is the container's.
    """

    wanted: Container
    name: str
    words: tuple[str, ...]
    variables: dict[str, str]
    root: str
    directory: str
    stays: bool = False


def runtime() -> str:
    """The program that runs containers here. Raises ContainerError."""
    for name in RUNTIMES:
        if (path := shutil.which(name, path=DEFAULT_PATH)) is not None:
            return path
    raise ContainerError("container-pool", NO_RUNTIME)


def is_podman(program: str) -> bool:
    """Tell whether containers are made before they run, and are there until they are removed."""
    return os.path.basename(program) == "podman"


def home(root: str) -> str:
    """The folder of our user's images and settings, beside the pools of the node's account."""
    return f"{os.path.dirname(os.path.dirname(root))}/.containers-{os.geteuid()}"


def own_environment(folder: str) -> dict[str, str]:
    """The variables of the program itself, whose `home` is `folder`; it is made where it lacks. Raises OSError."""
    for path in (folder, f"{folder}/run"):
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
    given = {name: os.environ[name] for name in _of_runtime if name in os.environ}
    return {"PATH": DEFAULT_PATH, "HOME": folder, "XDG_RUNTIME_DIR": f"{folder}/run", "LANG": "C.UTF-8", **given}


def mounts(contained: Contained) -> dict[str, bool]:
    """The folders that are seen inside, and whether they are for reading alone.

    Instances of one task share its directory on their node. A job without a preparation task has no folder of it.
    """
    root, variables = contained.root, contained.variables
    if contained.wanted.mounts is None:
        return {root: False}
    folders = {
        "Shared": (f"{root}/shared", variables.get(SHARED)), "Startup": (f"{root}/startup",),
        "VfsMounts": (f"{root}/fsmounts",), "Task": (contained.directory,), "JobPrep": (variables.get(PREPARED),),
        "Applications": (f"{root}/applications",),
    }  # fmt: skip
    wanted = [(path, read_only) for name, read_only in contained.wanted.mounts for path in folders[name]]
    return {path: read_only for path, read_only in wanted if path is not None and os.path.isdir(path)}


def apptainer(program: str, contained: Contained) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words and the environment that run a command line in a container of apptainer. Raises OSError.

    Source: apptainer exec --help. An image without a transport is one of a Docker registry.
    """
    wanted, directory = contained.wanted, contained.directory
    seen = [f"--bind={path}:{path}{':ro' if read_only else ''}" for path, read_only in mounts(contained).items()]
    where = [] if wanted.in_image else [f"--pwd={directory}/wd"]
    local = "://" in wanted.image or wanted.image.startswith("/")
    image = wanted.image if local else f"docker://{reference(wanted.image)}"
    words = ["--silent", "exec" if contained.words else "run", "--containall", *seen, *where, *wanted.options, image]
    own = own_environment(home(contained.root))
    if wanted.registry is not None and wanted.registry.username:
        own |= {"APPTAINER_DOCKER_USERNAME": wanted.registry.username}
        own |= {"APPTAINER_DOCKER_PASSWORD": wanted.registry.password}
    inside = {f"APPTAINERENV_{name}": value for name, value in contained.variables.items()}
    return (program, *words, *contained.words), {**contained.variables, **own, **inside}
