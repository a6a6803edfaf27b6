"""A disk that fails or may not be written: a refusal in the protocol's words, no more of it, and on with the next."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.azure_files import FileService, Raw, file_service
from tests.support.disks import mounted

WRITE = {"x-ms-write": "update", "x-ms-range": "bytes=0-3"}
INTERNAL = (500, "InternalError")
CHANGES = {
    "create": ("PUT", "share/new", {"x-ms-type": "file", "x-ms-content-length": "4"}, b""),
    "put range": ("PUT", "share/f?comp=range", WRITE, b"next"),
    "clear": ("PUT", "share/f?comp=range", {**WRITE, "x-ms-write": "clear"}, b""),
    "metadata": ("PUT", "share/f?comp=metadata", {"x-ms-meta-a": "b"}, b""),
    "directory": ("PUT", "share/new?restype=directory", {}, b""),
    "rename": ("PUT", "share/new?comp=rename", {"x-ms-file-rename-source": "share/f"}, b""),
    "copy": ("PUT", "share/new", {"x-ms-copy-source": "share/f"}, b""),
    "delete": ("DELETE", "share/f", {}, b""),
    "snapshot": ("PUT", "share?restype=share&comp=snapshot", {}, b""),
    "share": ("PUT", "another?restype=share", {}, b""),
}


def ask(service: FileService, change: str) -> tuple[int, str | None]:
    """The answer, which tells nothing of the server's inside."""
    method, path, headers, body = CHANGES[change]
    fields = {
        name: f"{service.url}/devaccount/{value}" if name.endswith("-source") else value
        for name, value in headers.items()
    }
    told = Raw(service)(method, path, fields, body)
    if told.status_code >= 400:
        assert told.content.decode("utf-8-sig").startswith("<?xml")
        assert not any(word in told.text for word in ("Traceback", "Errno", str(service.folder)))
    return told.status_code, told.headers.get("x-ms-error-code")


def prepare(service: FileService) -> None:
    raw = Raw(service)
    assert raw("PUT", "share?restype=share").status_code == 201
    assert raw("PUT", "share/f", {"x-ms-type": "file", "x-ms-content-length": "4"}).status_code == 201
    assert raw("PUT", "share/f?comp=range", WRITE, b"data").status_code == 201


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    with file_service(tmp_path) as running:
        prepare(running)
        yield running


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (errno.EIO, INTERNAL),
        (errno.ESTALE, INTERNAL),
        (errno.EMFILE, INTERNAL),
        (errno.EDQUOT, (400, "ShareSizeLimitReached")),
        (errno.EACCES, (403, "AuthorizationFailure")),
    ],
)
@pytest.mark.parametrize("change", ["create", "put range", "clear", "metadata", "rename", "delete"])
def test_what_does_not_reach_the_disk_is_not_acknowledged(
    service: FileService, monkeypatch: pytest.MonkeyPatch, code: int, answer: tuple[int, str], change: str
) -> None:
    """The flush fails, as it does where the disk breaks: refused; once it works again, so does the file."""
    fsync = os.fsync

    def failing(descriptor: int) -> None:
        if str(service.folder) in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing)
        assert ask(service, change) == answer
    for name in ("share/f", "share/new"):
        raw = Raw(service)
        assert raw("PUT", name, {"x-ms-type": "file", "x-ms-content-length": "4"}).status_code == 201
        assert raw("PUT", f"{name}?comp=range", WRITE, b"well").status_code == 201
        assert raw("GET", name).content == b"well"


@pytest.mark.root
def test_a_disk_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    """It was mounted so again, as the kernel does on errors: every change is refused, and none has happened."""
    (tmp_path / "home").mkdir()
    with mounted(tmp_path, "tmpfs", 16) as disk:
        (tmp_path / "home" / "shares").symlink_to(disk / "shares")
        (disk / "shares").mkdir()
        with file_service(tmp_path / "home") as service:
            prepare(service)
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            before = sorted(disk.rglob("*"))
            tag = Raw(service)("HEAD", "share/f").headers["ETag"]
            for change in CHANGES:
                assert ask(service, change) == INTERNAL, change
            assert Raw(service)("GET", "share/f").content == b"data"
            assert Raw(service)("HEAD", "share/f").headers["ETag"] == tag
            assert Raw(service)("HEAD", "another?restype=share").status_code == 404
            subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
            assert sorted(disk.rglob("*")) == before
            assert ask(service, "put range") == (201, None)
