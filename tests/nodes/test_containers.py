"""The words that podman and apptainer are asked with, and what is refused before. `tests/clients` has a real podman."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from linarite.engine.containers import Container, Containers, Registry, reference
from linarite.nodes import containers, podman
from linarite.nodes.containers import Contained, ContainerError, apptainer, home, runtime

VARIABLES = {
    "LINARITE_RUN": "r-1",
    "PATH": "/usr/bin",
    "HOME": "/node/wd",
    "LANG": "C",
    "SECRET": "s",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "account/pool/node"
    for name in ("shared", "startup", "applications", "workitems/job/job-1/task/wd"):
        (root / name).mkdir(parents=True)
    return root


def _program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str = "exit 0") -> str:
    """A program of that name is all that is installed; it notes what it is asked with."""
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / name
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "" >> {folder}/asked\n{script}\n')
    path.chmod(0o755)
    monkeypatch.setattr(containers, "DEFAULT_PATH", f"{folder}/bin:/bin:/usr/bin")
    return str(path)


def _asked(folder: Path) -> list[list[str]]:
    """The words of each call."""
    return [call.split("\n") for call in (folder / "asked").read_text().rstrip("\n").split("\n\n")]


def _contained(
    root: Path, *, words: tuple[str, ...] = ("/bin/run", "a b"), stays: bool = False, **wanted: Any
) -> Contained:
    directory = f"{root}/workitems/job/job-1/task"
    return Contained(
        wanted=Container(**wanted), name="linarite-1", words=words, root=str(root), directory=directory, stays=stays,
        variables={**VARIABLES, "AZ_BATCH_TASK_WORKING_DIR": f"{directory}/wd"},
    )  # fmt: skip


def test_podman_makes_a_container(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of variables stand in no list of processes; the command comes last, as it was split."""
    program = _program(tmp_path, monkeypatch, "podman", 'test "$2" != create || echo 0123')
    made = podman.create(program, _contained(root, image="busybox", options=("--cap-drop=all",)))
    assert (made.id, made.state) == ("0123", "running")
    exists, words = _asked(tmp_path)
    assert exists == ["image", "exists", "docker.io/library/busybox"]
    assert words[-4:] == ["--cap-drop=all", "docker.io/library/busybox", "/bin/run", "a b"]
    assert {"create", "--name=linarite-1", "--network=host", f"--volume={root}:{root}", "--env=SECRET"} <= set(words)
    assert not [word for word in words if word.startswith("--env=PATH") or word == "s" or word.endswith("=s")]
    assert home(str(root)).startswith(f"{tmp_path}/account/.containers-")


def test_podman_mounts(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was asked for, and of that what is there; a working directory that is not seen is the container's."""
    program = _program(tmp_path, monkeypatch, "podman", "echo 0")
    mounts = (("Task", False), ("Shared", True), ("JobPrep", False))
    task, shared = f"{root}/workitems/job/job-1/task", f"{root}/shared"
    for wanted, told in (
        ({"mounts": mounts, "in_image": True}, [f"--volume={task}:{task}", f"--volume={shared}:{shared}:ro"]),
        ({"mounts": ()}, [f"--volume={task}/wd", f"--workdir={task}/wd"]),
        ({"mounts": (), "in_image": True}, []),
        (
            {"mounts": (("Shared", False),)},
            [f"--volume={shared}:{shared}", f"--volume={task}/wd", f"--workdir={task}/wd"],
        ),
    ):
        podman.create(program, _contained(root, image="i", **wanted))
        words = _asked(tmp_path)[-1]
        assert [word for word in words if word.startswith(("--volume", "--workdir"))] == told


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ("ubuntu:22.04", "docker://docker.io/library/ubuntu:22.04"), ("/images/x.sif", "/images/x.sif"),
        ("library://x", "library://x"), ("quay.io/x/y", "docker://quay.io/x/y"),
    ],
)  # fmt: skip
def test_apptainer(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str, told: str) -> None:
    """Where there is no podman. A registry's user and password are told in variables."""
    _program(tmp_path, monkeypatch, "apptainer")
    monkeypatch.setattr(containers, "DEFAULT_PATH", f"{tmp_path}/bin")
    wanted = _contained(root, image=image, options=("--nv",), registry=Registry("r.io", "me", "pw"))
    words, environment = apptainer(runtime(), wanted)
    assert words[0] == f"{tmp_path}/bin/apptainer"
    assert words[1:4] == ("--silent", "exec", "--containall")
    assert words[-4:] == ("--nv", told, "/bin/run", "a b")
    assert environment["APPTAINERENV_SECRET"] == "s"
    assert (environment["APPTAINER_DOCKER_USERNAME"], environment["APPTAINER_DOCKER_PASSWORD"]) == ("me", "pw")
    assert {f"--bind={root}:{root}", f"--pwd={root}/workitems/job/job-1/task/wd"} <= set(words)
    assert apptainer(runtime(), _contained(root, image=image, words=()))[0][2] == "run"


def test_no_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "DEFAULT_PATH", str(tmp_path))
    with pytest.raises(ContainerError, match="Neither podman nor apptainer") as refused:
        runtime()
    assert refused.value.code == "container-pool"


def test_have_image_pulls_with_the_registry_s_password(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in a file that podman alone reads, in no list of processes, and is gone afterwards."""
    script = (
        f'for word in "$@"; do case $word in --authfile=*) f=${{word#*=}}; cp "$f" {tmp_path}/seen;'
        f' stat -c %a "$f" > {tmp_path}/mode;; esac; done; test "$1" != image || exit 1; echo 4567'
    )
    program = _program(tmp_path, monkeypatch, "podman", script)
    wanted = Container(image="r.io/x", registry=Registry("https://R.io/v2", "me", "pw"))
    assert podman.have_image(program, wanted, home(str(root))) == "4567"
    exists, pull = _asked(tmp_path)
    assert exists == ["image", "exists", "r.io/x"]
    assert (pull[:3], pull[-1]) == (["--log-level=error", "pull", "--quiet"], "r.io/x")
    assert not [word for word in pull if "pw" in word.removeprefix(f"--authfile={tmp_path}")]
    assert (tmp_path / "seen").read_text() == '{"auths": {"r.io": {"auth": "bWU6cHc="}}}'
    assert (tmp_path / "mode").read_text() == "600\n"
    assert not list((tmp_path / "account").rglob("auth-*"))


@pytest.mark.parametrize(
    ("said", "registry", "code"),
    [
        ("nothing there", None, "container-image"),
        ("unauthorized: authentication required", None, "container-image"),
        ("unauthorized: authentication required", Registry("r.io", "me", "pw"), "container-registry"),
    ],
)
def test_have_image_that_cannot_be_had(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, registry: Registry | None, code: str
) -> None:
    program = _program(tmp_path, monkeypatch, "podman", f"echo 'Error: {said}' >&2; exit 125")
    with pytest.raises(ContainerError, match=said) as refused:
        podman.have_image(program, Container(image="r.io/x", registry=registry), home(str(root)))
    assert refused.value.code == code
    assert "pw" not in str(refused.value.details)


def test_nobody_waits_for_an_image_any_more(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Podman is ended at once, and no container is made."""
    program = _program(tmp_path, monkeypatch, "podman", 'test "$1" != image || exit 1; exec sleep 600')
    with pytest.raises(ContainerError):
        podman.create(program, _contained(root, image="x"), (tmp_path / "asked").exists)
    assert not [call for call in _asked(tmp_path) if "create" in call]


@pytest.mark.parametrize(
    ("image", "whole"),
    [
        ("busybox", "docker.io/library/busybox"), ("busybox:1", "docker.io/library/busybox:1"),
        ("me/own:2", "docker.io/me/own:2"), ("quay.io/a/b", "quay.io/a/b"), ("host:5000/a", "host:5000/a"),
        ("localhost/a", "localhost/a"), ("docker-archive:/a/b.tar", "docker-archive:/a/b.tar"),
    ],
)  # fmt: skip
def test_reference(image: str, whole: str) -> None:
    """An image without a registry is one of Docker's own, as for `docker pull`."""
    assert reference(image) == whole


def test_registry_of_an_image() -> None:
    """The registry is told by its host, however it is written."""
    own, docker = Registry("https://Own.azurecr.io/", "u", "p"), Registry("https://index.docker.io/v1/", "d", "p")
    pool = Containers(("own.azurecr.io/a", "b"), (own, docker))
    assert [container.registry for container in pool.ahead()] == [own, docker]
    assert pool.registry_of("quay.io/b") is None
    assert Registry().host == "docker.io"
