"""Command lines in containers: how podman, or else apptainer, is asked to run one with the rights of its caller.

A container sees the node's folders under their own names, and the machine's network: what a task is told of addresses
and paths is true inside. Images are each user's own, below the account's folder.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from linarite.engine.containers import Container, Registry
from linarite.nodes.environment import DEFAULT_PATH, MARKER
from linarite.nodes.processes import container_name

RUNTIMES = ("podman", "apptainer")
PULL_SECONDS = 3600.0
NO_RUNTIME = "Neither podman nor apptainer is installed where the server runs."

_of_runtime = ("CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF")
"""Variables of the server that say how podman works on this machine."""


class ContainerError(Exception):
    """There can be no such container: `code` is one of the engine's words."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the facts of the report."""
        super().__init__(message)
        self.code, self.message = code, message


def runtime() -> str:
    """The program that runs containers here. Raises ContainerError."""
    for name in RUNTIMES:
        if (path := shutil.which(name, path=DEFAULT_PATH)) is not None:
            return path
    raise ContainerError("container-pool", NO_RUNTIME)


def home(root: str) -> str:
    """The folder of our user's images and settings, beside the pools of the node's account."""
    return f"{os.path.dirname(os.path.dirname(root))}/.containers-{os.geteuid()}"


def own_environment(root: str) -> dict[str, str]:
    """The variables of the program itself, in folders that are made where they lack. Raises OSError."""
    folder = home(root)
    for path in (folder, f"{folder}/run"):
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
    given = {name: os.environ[name] for name in _of_runtime if name in os.environ}
    return {"PATH": DEFAULT_PATH, "HOME": folder, "XDG_RUNTIME_DIR": f"{folder}/run", "LANG": "C.UTF-8", **given}


def _mounts(container: Container, root: str, directory: str) -> dict[str, bool]:
    """The folders that are seen inside, and whether they are for reading alone."""
    if container.mounts is None:
        return {root: False}
    job = os.path.dirname(directory)
    folders = {
        "Shared": f"{root}/shared", "Startup": f"{root}/startup", "VfsMounts": f"{root}/fsmounts", "Task": directory,
        "JobPrep": f"{job}/jobpreparation", "Applications": f"{root}/applications",
    }  # fmt: skip
    return {folders[name]: read_only for name, read_only in container.mounts if os.path.isdir(folders[name])}


def contained(
    container: Container, words: tuple[str, ...], variables: Mapping[str, str], root: str, directory: str
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The words and the environment that run `words` in a container. Raises ContainerError, OSError."""
    program = runtime()
    mounts = _mounts(container, root, directory)
    of_podman = os.path.basename(program) == "podman"
    command = _podman(container, mounts, variables) if of_podman else _apptainer(container, mounts, directory)
    environment = {**variables, **own_environment(root)}
    if not of_podman:
        environment |= {f"APPTAINERENV_{name}": value for name, value in variables.items()}
    return (program, *command, *words), environment


def _podman(container: Container, mounts: Mapping[str, bool], variables: Mapping[str, str]) -> list[str]:
    """Source: podman-run(1). Values are passed on by their names, so that no list of processes shows them."""
    told = [
        f"--env={name}={value}" if name in {"HOME", "LANG", "PATH"} else f"--env={name}"
        for name, value in variables.items()
        if name != "PATH"  # the image knows where its programs are
    ]
    seen = [f"--volume={path}:{path}{':ro' if read_only else ''}" for path, read_only in mounts.items()]
    where = [] if container.in_image else [f"--workdir={variables['AZ_BATCH_TASK_WORKING_DIR']}"]
    words = [
        "--log-level=fatal",
        "run",
        "--rm",
        "--quiet",
        "--network=host",
        f"--name={container_name(variables[MARKER])}",
    ]
    return [*words, *told, *seen, *where, *container.options, container.image]


def _apptainer(container: Container, mounts: Mapping[str, bool], directory: str) -> list[str]:
    """Source: apptainer exec --help. An image without a transport is one of a Docker registry."""
    seen = [f"--bind={path}:{path}{':ro' if read_only else ''}" for path, read_only in mounts.items()]
    where = [] if container.in_image else [f"--pwd={directory}/wd"]
    local = "://" in container.image or container.image.startswith("/")
    image = container.image if local else f"docker://{container.image}"
    return ["--silent", "exec", "--containall", *seen, *where, *container.options, image]


def have_image(container: Container, root: str) -> None:
    """See that podman has the image, bringing it where it lacks. Raises ContainerError.

    Apptainer brings its images by itself.
    """
    program = runtime()
    if os.path.basename(program) != "podman":
        return
    environment = own_environment(root)
    if _run([program, "image", "exists", container.image], environment).returncode == 0:
        return
    words = [program, "--log-level=error", "pull", "--quiet"]
    if container.registry is not None and container.registry.username:
        words.append(f"--authfile={_auth_file(container.registry, root)}")
    done = _run([*words, container.image], environment)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["podman says nothing"]
        raise ContainerError("container-image", f"The image {container.image!r} cannot be had: {lines[-1]}")


def _run(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    # Into a file: the process that keeps a user's namespaces would hold a pipe open after podman has ended.
    with tempfile.TemporaryFile() as told:
        try:
            done = subprocess.run(
                words, env=environment, cwd=environment["HOME"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=told, check=False, timeout=PULL_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ContainerError("container-image", "The image did not come in an hour.") from error
        told.seek(0)
        return subprocess.CompletedProcess(words, done.returncode, None, told.read())


def _auth_file(registry: Registry, root: str) -> str:
    """Note who asks a registry, for podman alone to read. Source: containers-auth.json(5)."""
    path = f"{home(root)}/auth-{os.getpid()}.json"
    secret = base64.b64encode(f"{registry.username}:{registry.password}".encode()).decode()
    text = json.dumps({"auths": {registry.server or "docker.io": {"auth": secret}}})
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
    return path
