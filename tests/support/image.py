"""A container image of a static busybox, made here, and podman settings for machines that may not raise limits."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

SETTINGS = """[containers]
default_ulimits = ["nofile=1000:1000", "nproc=1000:1000"]
[engine]
runtime = "runc"
lock_type = "file"
"""
"""crun of Debian 12 starts nothing where control groups of both versions are mounted."""
_PROGRAMS = ("sh", "cat", "echo", "id", "ls", "env", "sleep", "true", "pwd", "touch", "test", "kill", "cp", "wc")


def missing() -> str | None:
    """What keeps containers from being run here."""
    for program in ("podman", "runc", "busybox"):
        if shutil.which(program) is None:
            return f"containers need {program}"
    static = subprocess.run(["busybox", "--list"], capture_output=True, check=False).returncode == 0
    return None if static else "containers need a static busybox"


def refused() -> bool:
    """Whether the kernel, or the sandbox around this, lets no user make the namespaces that containers need."""
    words = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    user = 65534 if os.geteuid() == 0 else None
    return subprocess.run(words, user=user, cwd="/", capture_output=True, check=False).returncode != 0


def forget(name: str = "image") -> None:
    """Remove an image from what the machine's root has: an elevated task brought it there."""
    words = ["podman", "--log-level=error", "rmi", "--force", f"localhost/linarite-test-{name}:1"]
    subprocess.run(words, capture_output=True, check=False)


def make_image(folder: Path, name: str = "image", **config: object) -> str:
    """An image as `docker save` writes them, with this in its configuration; gives its name for podman."""
    layer = _layer()
    digest = hashlib.sha256(layer).hexdigest()
    settings = json.dumps(
        {
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "config": {"WorkingDir": "/home", "Env": ["PATH=/bin", "OF_IMAGE=yes"], **config},
        }
    ).encode()  # fmt: skip
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [f"linarite-test-{name}:1"], "Layers": ["layer.tar"]}])
    path = folder / f"{name}.tar"
    with tarfile.open(path, "w") as archive:
        for member, content in (("config.json", settings), ("manifest.json", manifest.encode()), ("layer.tar", layer)):
            _add(archive, member, content)
    path.chmod(0o644)
    return f"docker-archive:{path}"


def _layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("bin", "home"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        busybox = shutil.which("busybox")
        assert busybox is not None
        _add(archive, "bin/busybox", Path(busybox).read_bytes(), 0o755)
        for name in _PROGRAMS:
            info = tarfile.TarInfo(f"bin/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(info)
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    archive.addfile(info, io.BytesIO(content))
