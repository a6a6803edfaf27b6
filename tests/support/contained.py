"""Servers whose nodes run containers, and tasks in these, for tests with a real podman."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.batch import BatchClient, models
from tests.support import image, registry
from tests.support.batch import MACHINE, wait_task
from tests.support.left_out import leave_out
from tests.support.server import RunningServer, running_server


def require_podman() -> None:
    """Leave the tests out, loudly, where no container can run."""
    if (reason := image.missing() or registry.missing()) is not None:
        leave_out(reason)
    if image.refused():  # the kernel's own word: nothing that could be installed changes it
        leave_out("no user may make namespaces here, so no container can run", always=True)


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder that all users can read, with podman's settings for this machine."""
    with tempfile.TemporaryDirectory(prefix="linarite-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        note(folder, "containers.conf", image.SETTINGS)
        yield folder


def note(folder: Path, name: str, text: str) -> None:
    """Write a file for all users to read."""
    (folder / name).write_text(text)
    (folder / name).chmod(0o644)


@contextmanager
def containing_server(folder: Path, **options: Any) -> Iterator[RunningServer]:
    """A server whose podman has the settings of this folder."""
    given = {"CONTAINERS_CONF": folder / "containers.conf", "CONTAINERS_REGISTRIES_CONF": folder / "registries.conf"}
    with pytest.MonkeyPatch.context() as patched:
        for name, path in given.items():
            if path.exists():
                patched.setenv(name, str(path))
        with running_server(**options) as server:
            yield server


def machine(**options: Any) -> models.VirtualMachineConfiguration:
    """The machines of a pool whose tasks run in containers."""
    return models.VirtualMachineConfiguration(
        image_reference=MACHINE.image_reference, node_agent_sku_id=MACHINE.node_agent_sku_id,
        container_configuration=models.BatchContainerConfiguration(type="dockerCompatible", **options),
    )  # fmt: skip


def settings(image_name: str, **options: Any) -> models.BatchTaskContainerSettings:
    return models.BatchTaskContainerSettings(image_name=image_name, **options)


def run(client: BatchClient, script: str, wanted: Any, *, name: str = "task", job: str = "job", **options: Any) -> Any:
    """Run a shell script as a task; gives its execution information."""
    task = models.BatchTaskCreateOptions(
        id=name, command_line=f"/bin/sh -c '{script}'", container_settings=wanted, **options
    )
    client.create_task(job, task)
    return wait_task(client, job, name, seconds=60).execution_info


def output(client: BatchClient, name: str = "task", file: str = "stdout.txt") -> list[str]:
    return b"".join(client.download_task_file("job", name, file)).decode().splitlines()


def processes(word: str) -> list[str]:
    """The processes `sleep WORD` of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:1] == [b"sleep"] and word.encode() in words:
            found.append(str(path))
    return found


def containers(server: RunningServer) -> list[str]:
    """The containers that podman has below a data folder, by their ids."""
    return sorted({path.parent.name for path in Path(server.data).rglob("*-containers/*/userdata")})


def wait_output(client: BatchClient, line: str, name: str = "task") -> None:
    """Wait until a task has written a line."""
    wait_task(client, "job", name, "running", seconds=60)
    deadline = time.monotonic() + 60
    while line not in output(client, name):
        assert time.monotonic() < deadline, f"task {name} does not write {line!r}"
        time.sleep(0.05)
