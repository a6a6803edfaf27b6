"""The words that podman and apptainer are asked with, and what is refused before."""

from __future__ import annotations

from pathlib import Path

import pytest

from linarite.engine.containers import Container, Registry
from linarite.nodes import containers
from linarite.nodes.containers import ContainerError, contained, have_image

VARIABLES = {
    "LINARITE_RUN": "r-1",
    "PATH": "/usr/bin",
    "HOME": "/node/wd",
    "LANG": "C",
    "SECRET": "s",
    "AZ_BATCH_TASK_WORKING_DIR": "/node/wd",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "account/pool/node"
    for name in ("shared", "startup", "applications", "workitems/job/job-1/task/wd"):
        (root / name).mkdir(parents=True)
    return root


def _program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str = "exit 0") -> None:
    """A program of that name is all that is installed."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / name).chmod(0o755)
    monkeypatch.setattr(containers, "DEFAULT_PATH", f"{folder}/bin")


def _words(root: Path, container: Container) -> tuple[list[str], dict[str, str]]:
    directory = f"{root}/workitems/job/job-1/task"
    words, environment = contained(container, ("/bin/run", "a b"), VARIABLES, str(root), directory)
    return list(words), environment


def test_podman(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of variables stand in no list of processes; the command comes last, as it was split."""
    _program(tmp_path, monkeypatch, "podman")
    words, environment = _words(root, Container(image="busybox", options=("--cap-drop=all",)))
    assert words[0] == f"{tmp_path}/bin/podman"
    assert words[-4:] == ["--cap-drop=all", "busybox", "/bin/run", "a b"]
    assert "--env=SECRET" in words
    assert not [word for word in words if word.startswith("--env=PATH")]
    assert "--name=linarite-722d31" in words
    assert {"--rm", "--network=host", "--workdir=/node/wd", f"--volume={root}:{root}"} <= set(words)
    assert environment["SECRET"] == "s"
    assert environment["HOME"].startswith(f"{tmp_path}/account/.containers-")


def test_podman_mounts(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was asked for, and of that what is there."""
    _program(tmp_path, monkeypatch, "podman")
    mounts = (("Task", False), ("Shared", True), ("JobPrep", False))
    words, _ = _words(root, Container(image="i", mounts=mounts, in_image=True))
    task = f"{root}/workitems/job/job-1/task"
    assert [word for word in words if word.startswith("--volume")] == [
        f"--volume={task}:{task}", f"--volume={root}/shared:{root}/shared:ro",
    ]  # fmt: skip
    assert not [word for word in words if word.startswith("--workdir")]
    assert not [word for word in _words(root, Container(image="i", mounts=()))[0] if word.startswith("--volume")]


@pytest.mark.parametrize(
    ("image", "told"),
    [("ubuntu:22.04", "docker://ubuntu:22.04"), ("/images/x.sif", "/images/x.sif"), ("library://x", "library://x")],
)
def test_apptainer(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str, told: str) -> None:
    """Where there is no podman."""
    _program(tmp_path, monkeypatch, "apptainer")
    words, environment = _words(root, Container(image=image, options=("--nv",)))
    assert words[1:4] == ["--silent", "exec", "--containall"]
    assert words[-4:] == ["--nv", told, "/bin/run", "a b"]
    assert environment["APPTAINERENV_SECRET"] == "s"
    assert {f"--bind={root}:{root}", f"--pwd={root}/workitems/job/job-1/task/wd"} <= set(words)


def test_no_runtime(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "DEFAULT_PATH", str(tmp_path))
    for attempt in (lambda: _words(root, Container(image="i")), lambda: have_image(Container(image="i"), str(root))):
        with pytest.raises(ContainerError, match="Neither podman nor apptainer") as refused:
            attempt()
        assert refused.value.code == "container-pool"


def test_have_image_pulls_with_the_registry_s_password(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in a file that podman alone reads, and in no list of processes."""
    script = f'echo "$@" >> {tmp_path}/asked; [ "$1" != image ]'
    _program(tmp_path, monkeypatch, "podman", script)
    have_image(Container(image="r.io/x", registry=Registry("r.io", "me", "pw")), str(root))
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "image exists r.io/x"
    assert asked[1].startswith("--log-level=error pull --quiet --authfile=")
    assert "pw" not in (tmp_path / "asked").read_text().replace(str(tmp_path), "")
    [file] = (tmp_path / "account").rglob("auth-*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "bWU6cHc=" in file.read_text()


def test_have_image_that_cannot_be_had(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path, monkeypatch, "podman", "echo nothing there >&2; exit 125")
    with pytest.raises(ContainerError, match="nothing there") as refused:
        have_image(Container(image="x"), str(root))
    assert refused.value.code == "container-image"
