"""What other programs leave in a share that is no plain file: nothing waits for it, nothing is lost or led astray."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.support.azure_files import FileService, Raw, file_service
from tests.support.left_out import leave_out

from linarite.shares import renaming

ROOT = os.geteuid() == 0
THINGS = ("pipe", "socket", "dangling", "outside", "absolute", "loop", "chain", "outdir")
DEVICES = ("null", "nothing", "block")
PUT = {"x-ms-type": "file", "x-ms-content-length": "10"}
NEW, RANGE = "{0}?comp=rename", "{0}?comp=range"
REQUESTS: dict[str, tuple[str, str, dict[str, str], bytes]] = {
    "get": ("GET", "{0}", {}, b""),
    "head": ("HEAD", "{0}", {}, b""),
    "create": ("PUT", "{0}", PUT, b""),
    "create below": ("PUT", "{0}/new", PUT, b""),
    "create directory": ("PUT", "{0}?restype=directory", {}, b""),
    "put range": ("PUT", RANGE, {"x-ms-write": "update", "x-ms-range": "bytes=0-3"}, b"data"),
    "clear": ("PUT", RANGE, {"x-ms-write": "clear", "x-ms-range": "bytes=0-3"}, b""),
    "resize": ("PUT", "{0}?comp=properties", {"x-ms-content-length": "20"}, b""),
    "set metadata": ("PUT", "{0}?comp=metadata", {"x-ms-meta-a": "b"}, b""),
    "list ranges": ("GET", "{0}?comp=rangelist", {}, b""),
    "lease": ("PUT", "{0}?comp=lease", {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}, b""),
    "list": ("GET", "{0}?restype=directory&comp=list", {}, b""),
    "copy": ("PUT", "copy", {"x-ms-copy-source": "{0}"}, b""),
    "copy over": ("PUT", "{0}", {"x-ms-copy-source": "real"}, b""),
    "rename": ("PUT", "moved?comp=rename", {"x-ms-file-rename-source": "{0}"}, b""),
    "rename over": ("PUT", NEW, {"x-ms-file-rename-source": "real"}, b""),
    "delete": ("DELETE", "{0}", {}, b""),
    "delete directory": ("DELETE", "{0}?restype=directory", {}, b""),
}


class Share:
    """A share with `real` (a file) and `dir` (with `dir/x`); `disk` is its folder, `outside` one that is not in it."""

    def __init__(self, service: FileService, home: Path) -> None:
        self.service, self.raw = service, Raw(service)
        self.disk, self.outside = service.path("share", ""), home / "outside"
        self.outside.mkdir()
        (self.outside / "f").write_bytes(b"secret")
        for path, headers in (("?restype=share", {}), ("/dir?restype=directory", {})):
            assert self.raw("PUT", f"share{path}", headers).status_code == 201
        for path in ("real", "dir/x"):
            self.make(path, f"of {path}")

    def make(self, path: str, content: str) -> None:
        size = {"x-ms-type": "file", "x-ms-content-length": str(len(content))}
        assert self.raw("PUT", f"share/{path}", size).status_code == 201
        written = {"x-ms-write": "update", "x-ms-range": f"bytes=0-{len(content) - 1}"}
        assert self.raw("PUT", f"share/{path}?comp=range", written, content.encode()).status_code == 201

    def url(self, path: str) -> str:
        return f"{self.service.url}/devaccount/share/{path}"

    def ask(self, request: str, name: str) -> Any:
        method, path, headers, body = REQUESTS[request]
        fields = {
            key: self.url(value.format(name)) if key.endswith("-source") else value for key, value in headers.items()
        }
        return self.raw(method, f"share/{path.format(name)}", fields, body)

    def rename(self, source: str, target: str, *, replace: bool = False) -> Any:
        fields = {"x-ms-file-rename-source": self.url(source), "x-ms-file-rename-replace-if-exists": str(replace)}
        return self.raw("PUT", f"share/{target}?comp=rename", fields)

    def names(self) -> list[str]:
        listed = ET.fromstring(self.raw("GET", "share?restype=directory&comp=list").content)
        return [str(each.text) for each in listed.iter("Name")]

    def leave(self, name: str) -> None:
        """One of the things, or of the devices."""
        path = self.disk / name
        links = {
            "dangling": "nowhere", "outside": "../../../outside/f", "absolute": str(self.disk / "real"),
            "loop": "loop", "chain": "outside", "outdir": str(self.outside),
        }  # fmt: skip
        if name in links:
            path.symlink_to(links[name])
        elif name == "pipe":
            os.mkfifo(path)
        elif name == "socket":
            folder = os.open(self.disk, os.O_RDONLY)
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(f"/proc/self/fd/{folder}/{name}")  # the path itself may be too long
            os.close(folder)
        else:
            kind, number = {
                "null": (stat.S_IFCHR, (1, 3)), "nothing": (stat.S_IFCHR, (250, 250)),
                "block": (stat.S_IFBLK, (250, 250)),
            }[name]  # fmt: skip
            os.mknod(path, 0o666 | kind, os.makedev(*number))

    def state(self) -> dict[str, Any]:
        """Everything that is on disk, inside and outside."""
        found: dict[str, Any] = {}
        for folder in (self.disk, self.outside):
            for each in folder.rglob("*"):
                now = each.lstat()
                plain = stat.S_ISREG(now.st_mode)
                found[str(each)] = (now.st_mode, now.st_ino, now.st_mtime_ns, each.read_bytes() if plain else b"")
        return found


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Share]:
    with file_service(tmp_path) as service:
        yield Share(service, tmp_path)


@pytest.mark.parametrize("name", [*THINGS, *(pytest.param(each, marks=pytest.mark.root) for each in DEVICES if ROOT)])
def test_what_is_no_file_of_the_share_refuses_everything(share: Share, name: str) -> None:
    """Pipes, sockets, devices, links to nowhere and outside: at once, in the protocol's words, with nothing changed."""
    share.leave(name)
    (share.disk / "chain2").symlink_to("outside")
    (share.disk / "outside2").symlink_to("../../../outside/f")
    before = share.state()
    for request in REQUESTS:
        told = share.ask(request, name)
        assert 400 <= told.status_code < 500, request
        assert told.headers["x-ms-error-code"] not in {"InvalidInput", "ShareNotFound"}, request
        assert share.state() == before, request
    assert share.names() == ["dir", "real"]


def test_what_cannot_be_seen_keeps_its_directory(share: Share) -> None:
    """A client removes nothing that it was never told of."""
    (share.disk / "dir" / "x").unlink()
    for name in (b"back\\slash", b"col:on", b"line\nfeed", b"\xff\xfe", b"?"):
        (share.disk / "dir" / os.fsdecode(name)).write_bytes(b"foreign")
    listed = ET.fromstring(share.raw("GET", "share/dir?restype=directory&comp=list").content)
    assert list(listed.iter("Name")) == []
    told = share.raw("DELETE", "share/dir?restype=directory")
    assert (told.status_code, told.headers["x-ms-error-code"]) == (409, "DirectoryNotEmpty")
    assert len(list((share.disk / "dir").iterdir())) == 5


def test_a_link_replaces_nothing(share: Share) -> None:
    """Not the file that it leads to, which would be gone, and no other."""
    (share.disk / "link").symlink_to("real")
    share.make("other", "of other")
    for target in ("real", "other"):
        told = share.rename("link", target, replace=True)
        assert (told.status_code, told.headers["x-ms-error-code"]) == (409, "ResourceAlreadyExists")
    assert (share.disk / "real").read_bytes() == b"of real"
    assert (share.disk / "other").read_bytes() == b"of other"
    assert share.raw("GET", "share/link").content == b"of real"
    assert share.rename("real", "link").status_code == 409  # the name is taken, whatever it leads to
    assert share.rename("real", "link", replace=True).status_code == 200
    assert (share.disk / "link").read_bytes() == b"of real"
    assert share.names() == ["dir", "link", "other"]


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_by_two_ways_is_itself(share: Share, replace: bool) -> None:
    """Through a link to its directory: a rename onto itself keeps it, in another case too."""
    (share.disk / "way").symlink_to("dir")
    for source, target, name in (("way/x", "dir/x", "x"), ("dir/x", "way/x", "x"), ("dir/x", "way/X", "X")):
        assert share.rename(source, target, replace=replace).status_code == 200
        assert [each.name for each in (share.disk / "dir").iterdir()] == [name]
        assert (share.disk / "dir" / name).read_bytes() == b"of dir/x"


def test_of_two_names_of_one_file_the_target_stays(share: Share) -> None:
    """The kernel would leave both."""
    os.link(share.disk / "real", share.disk / "twin")
    assert share.rename("real", "twin").status_code == 409
    assert share.rename("real", "twin", replace=True).status_code == 200
    assert share.names() == ["dir", "twin"]
    assert (share.disk / "twin").read_bytes() == b"of real"


def test_a_link_that_would_lead_nowhere_stays(share: Share) -> None:
    (share.disk / "link").symlink_to("real")
    assert share.rename("link", "dir/link").status_code == 404
    assert share.names() == ["dir", "link", "real"]
    assert share.rename("link", "dir2").status_code == 200
    assert share.raw("GET", "share/dir2").content == b"of real"


def test_a_link_to_an_empty_directory_goes_as_one(share: Share) -> None:
    """What it leads to stays."""
    (share.disk / "way").symlink_to("dir")
    told = share.raw("DELETE", "share/way?restype=directory")
    assert (told.status_code, told.headers["x-ms-error-code"]) == (409, "DirectoryNotEmpty")
    assert share.raw("DELETE", "share/way/x").status_code == 202
    assert share.raw("DELETE", "share/way?restype=directory").status_code == 202
    assert share.names() == ["dir", "real"]


def test_what_another_program_makes_meanwhile_is_not_replaced(share: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at a free name and the move there."""
    look = renaming.cleared

    def meanwhile(*args: Any, **options: Any) -> Any:
        found = look(*args, **options)
        (share.disk / "new").write_bytes(b"another program's")
        return found

    monkeypatch.setattr(renaming, "cleared", meanwhile)
    told = share.rename("real", "new")
    assert (told.status_code, told.headers["x-ms-error-code"]) == (409, "ResourceAlreadyExists")
    assert (share.disk / "new").read_bytes() == b"another program's"
    assert (share.disk / "real").read_bytes() == b"of real"


@pytest.mark.parametrize("request_", ["create", "put range", "clear", "resize"])
def test_a_program_that_runs_is_not_changed(share: Share, request_: str) -> None:
    """It was started from the share, by a task for example; the kernel keeps its file as it is."""
    (share.disk / "program").write_bytes(Path("/bin/sleep").read_bytes())
    (share.disk / "program").chmod(0o755)
    with subprocess.Popen([share.disk / "program", "60"]) as runs:
        try:
            (share.disk / "program").open("r+b").close()
            leave_out("this kernel lets running programs be changed")
        except OSError:
            told = share.ask(request_, "program")
        finally:
            runs.kill()
    assert (told.status_code, told.headers["x-ms-error-code"]) == (409, "SharingViolation")
    assert (share.disk / "program").read_bytes() == Path("/bin/sleep").read_bytes()
    assert share.ask(request_, "program").status_code < 300


LENDS = """
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
fcntl.fcntl(os.open(sys.argv[1], os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)
print("lent", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("request_", ["create", "put range", "clear", "resize"])
def test_a_file_that_is_lent_to_another_program_is_asked_for_later(share: Share, request_: str) -> None:
    """As by the kernel's NFS server to a client of its own, which has a moment to give it back."""
    with subprocess.Popen(
        [sys.executable, "-c", LENDS, str(share.disk / "real")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"lent\n"
        before = share.state()
        told = share.ask(request_, "real")
        assert (told.status_code, told.headers["x-ms-error-code"]) == (503, "ServerBusy")
        assert share.state() == before
        other.kill()
    assert share.ask(request_, "real").status_code < 300
