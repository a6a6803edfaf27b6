"""The same scenarios through every client of Azure Files: what their users do all day, and what they are told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.clients.drivers import FILES_CLIENTS, Driver, Refused, driver
from tests.support import trees
from tests.support.left_out import leave_out
from tests.support.server import RunningServer

pytestmark = pytest.mark.timeout(600)  # a client may have to be installed first


@pytest.fixture(params=FILES_CLIENTS)
def client(request: pytest.FixtureRequest, server: RunningServer, account: str, tmp_path: Path) -> Iterator[Driver]:
    if request.param.startswith("@") and not shutil.which("npm"):
        leave_out("the JavaScript client needs npm and node")
    home = tmp_path / "home"
    home.mkdir()
    with driver(request.param, server.files, account, home) as client:
        client.create_share(share="share")
        yield client


class Desk:
    """Files of the client's user, and one share."""

    def __init__(self, client: Driver, home: Path) -> None:
        self.client, self.home = client, home

    def put(self, path: str, content: bytes, **more: Any) -> None:
        source = self.home / "up"
        source.write_bytes(content)
        self.client.upload(share="share", path=path, source=str(source), **more)

    def get(self, path: str, **part: Any) -> bytes:
        target = self.home / "down"
        self.client.download(share="share", path=path, target=str(target), **part)
        return target.read_bytes()

    def make(self, path: str) -> None:
        self.client.create_directory(share="share", path=path)

    def list(self, path: str = "", **more: Any) -> list[list[Any]]:
        return self.client.list(share="share", path=path, **more)

    def names(self, path: str = "", **more: Any) -> list[str]:
        return [name for name, _, _ in self.list(path, **more)]

    def about(self, path: str, kind: str = "file", **more: Any) -> dict[str, Any]:
        return self.client.properties(share="share", path=path, kind=kind, **more)

    def rename(self, path: str, target: str, kind: str = "file", **more: Any) -> None:
        self.client.rename(share="share", path=path, target=target, kind=kind, **more)

    def delete(self, path: str, kind: str = "file", **more: Any) -> None:
        self.client.delete(share="share", path=path, kind=kind, **more)


@pytest.fixture
def desk(client: Driver, tmp_path: Path) -> Desk:
    return Desk(client, tmp_path)


def refused(call: Callable[[], Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value


def test_a_tree_goes_up_is_listed_comes_back_and_goes(desk: Desk, tmp_path: Path) -> None:
    """Every odd name is kept to the letter, in lists and as a part of paths."""
    here, back = tmp_path / "here", tmp_path / "back"
    trees.plant(here)
    for path in sorted(here.rglob("*")):
        name = str(path.relative_to(here))
        if path.is_dir():
            desk.make(name)
        else:
            desk.client.upload(share="share", path=name, source=str(path))
    waiting, files, directories = [""], [], []
    while waiting:
        above = waiting.pop()
        for name, kind, size in desk.list(above):
            path = f"{above}/{name}" if above else name
            if kind == "directory":
                waiting.append(path)
                directories.append(path)
                (back / path).mkdir(parents=True)
            else:
                assert size == (here / path).stat().st_size
                files.append(path)
                desk.client.download(share="share", path=path, target=str(back / path))
    assert trees.seen(back) == trees.seen(here)
    for path in files:
        desk.delete(path)
    for path in reversed(directories):
        desk.delete(path, "directory")
    assert desk.list() == []


def test_a_name_longer_than_a_disk_takes(desk: Desk) -> None:
    """255 characters of two, three and four bytes each, and the same again in a directory of such a name."""
    for name in ("ü" * 255, "日" * 255, "😀" * 127):
        desk.make(name)
        desk.put(f"{name}/{name}", b"kept")
        assert desk.names(name) == [name]
        desk.rename(f"{name}/{name}", f"{name[:-1]}")
        assert desk.get(name[:-1]) == b"kept"
        assert sorted(desk.names()) == sorted({name, name[:-1]})
        desk.delete(name[:-1])
        desk.delete(name, "directory")


def test_a_large_file_goes_in_parallel_ranges(desk: Desk) -> None:
    content = os.urandom(21 * 1024 * 1024 + 17)
    desk.put("large", content)
    assert desk.get("large") == content
    assert desk.get("large", first=5_000_000, count=9_000_001) == content[5_000_000:14_000_001]
    assert desk.client.ranges(share="share", path="large") == [[0, len(content) - 1]]
    desk.put("large", b"")
    assert (desk.get("large"), desk.about("large")["size"]) == (b"", 0)


def test_metadata_and_properties(desk: Desk) -> None:
    """Of files and of directories; a change has another tag, and the file its id."""
    desk.put("f", b"<p>", metadata={"colour": "blue", "note": "50% + more"}, media="text/html; charset=utf-8")
    first = desk.about("f")
    assert (first["size"], first["media"]) == (3, "text/html; charset=utf-8")
    assert first["metadata"] == {"colour": "blue", "note": "50% + more"}
    desk.client.set_metadata(share="share", path="f", kind="file", metadata={"other": "x"})
    second = desk.about("f")
    assert (second["metadata"], second["media"], second["id"]) == ({"other": "x"}, first["media"], first["id"])
    assert second["etag"] != first["etag"]
    desk.make("d")
    desk.client.set_metadata(share="share", path="d", kind="directory", metadata={"of": "a directory"})
    assert desk.about("d", "directory")["metadata"] == {"of": "a directory"}
    assert desk.about("d", "directory")["id"] != second["id"]


def test_renames(desk: Desk) -> None:
    """Files and directories move with what they hold; what is in the way is replaced only when the client says so."""
    desk.make("old & 100%")
    desk.put("old & 100%/a+b #1.", b"1", metadata={"k": "v"})
    before = desk.about("old & 100%/a+b #1.")
    desk.rename("old & 100%", "new 日本..", "directory")
    desk.rename("new 日本../a+b #1.", "new 日本../ü%2Fü")
    after = desk.about("new 日本../ü%2Fü")
    assert (after["id"], after["metadata"], desk.get("new 日本../ü%2Fü")) == (before["id"], {"k": "v"}, b"1")
    desk.put("other", b"2")
    in_the_way = refused(lambda: desk.rename("other", "new 日本../ü%2Fü"))
    assert (in_the_way.status, in_the_way.code) == (409, "ResourceAlreadyExists")
    desk.rename("other", "new 日本../ü%2Fü", replacing=True)
    assert desk.get("new 日本../ü%2Fü") == b"2"
    assert (desk.names(), desk.names("new 日本..")) == (["new 日本.."], ["ü%2Fü"])


def test_every_odd_name_can_be_given_and_taken(desk: Desk) -> None:
    """A file goes through all names of the tree, a directory with a file in it too: bytes, id and metadata go along."""
    desk.make("d")
    desk.put("d/f", b"kept", metadata={"k": "v"})
    number, above, name = desk.about("d/f")["id"], "d", "f"
    for following in trees.NAMES:
        desk.rename(f"{above}/{name}", f"{above}/{following}")
        desk.rename(above, following, "directory")
        above, name = following, following
        assert (desk.names(), desk.names(above)) == ([above], [name])
        assert desk.get(f"{above}/{name}") == b"kept"
    after = desk.about(f"{above}/{name}")
    assert (after["id"], after["metadata"]) == (number, {"k": "v"})


def test_a_snapshot_stays_as_it_was(desk: Desk) -> None:
    desk.make("d")
    desk.put("d/f 100%", b"before")
    then = desk.client.snapshot(share="share")
    desk.put("d/f 100%", b"after that")
    desk.put("d/g", b"")
    assert (desk.get("d/f 100%", snapshot=then), desk.get("d/f 100%")) == (b"before", b"after that")
    assert (desk.names("d", snapshot=then), desk.names("d")) == (["f 100%"], ["f 100%", "g"])
    assert desk.about("d/f 100%", snapshot=then)["size"] == 6


def test_a_signature_allows_what_it_says(desk: Desk, tmp_path: Path) -> None:
    desk.put("f & 100%.", b"signed")
    target = tmp_path / "signed"
    desk.client.by_signature(share="share", path="f & 100%.", permission="r", target=str(target))
    assert target.read_bytes() == b"signed"
    answer = refused(lambda: desk.client.by_signature(share="share", path="f & 100%.", permission="r"))
    assert (answer.status, answer.code) == (403, "AuthorizationPermissionMismatch")
    assert desk.get("f & 100%.") == b"signed"
    desk.client.by_signature(share="share", path="f & 100%.", permission="rd")
    assert desk.names() == []


def test_a_copy(desk: Desk) -> None:
    desk.make("d #1")
    desk.put("d #1/a+b 100%.", b"copied", metadata={"k": "v"})
    assert desk.client.copy(share="share", path="d #1/a+b 100%.", target="d #1/日本") == "success"
    assert (desk.get("d #1/日本"), desk.about("d #1/日本")["metadata"]) == (b"copied", {"k": "v"})


def test_a_lease_holds_others_off(desk: Desk) -> None:
    desk.put("f", b"held")
    lease = desk.client.lease(share="share", path="f")
    assert desk.about("f")["lease"] == "leased"
    without = refused(lambda: desk.delete("f"))
    assert (without.status, without.code) == (412, "LeaseIdMissing")
    other = refused(lambda: desk.delete("f", lease="00000000-1111-2222-3333-444444444444"))
    assert (other.status, other.code) == (412, "LeaseIdMismatchWithFileOperation")
    desk.client.release(share="share", path="f", lease=lease)
    assert desk.about("f")["lease"] == "available"
    desk.delete("f")


def test_lists_go_through_all_pages(desk: Desk) -> None:
    """Nothing is told twice or left out, in the order of names without case."""
    names = sorted((f"{'Nn'[number % 2]}ame {number:03}" for number in range(230)), key=str.upper)
    for name in names:
        desk.put(name, b"")
    assert desk.names(page=100) == names
    assert desk.names() == names


def test_refusals_are_the_errors_that_each_client_knows(desk: Desk) -> None:
    """Status and code; the Python clients have an exception for each sort of them."""
    desk.make("d")
    desk.put("d/f", b"")
    large = {"k": "x" * 9000}
    cases: list[tuple[Callable[[], Any], int, str, str]] = [
        (lambda: desk.get("none"), 404, "ResourceNotFound", "ResourceNotFoundError"),
        (lambda: desk.get("none/f"), 404, "ParentNotFound", "ResourceNotFoundError"),
        (lambda: desk.make("d"), 409, "ResourceAlreadyExists", "ResourceExistsError"),
        (lambda: desk.make("d/f"), 409, "ResourceAlreadyExists", "ResourceExistsError"),
        (lambda: desk.client.create_share(share="share"), 409, "ShareAlreadyExists", "ResourceExistsError"),
        (lambda: desk.client.create_share(share="Share"), 400, "InvalidResourceName", "HttpResponseError"),
        (lambda: desk.client.list(share="none", path=""), 404, "ShareNotFound", "ResourceNotFoundError"),
        (lambda: desk.delete("d", "directory"), 409, "DirectoryNotEmpty", "ResourceExistsError"),
        (lambda: desk.put("a:b", b""), 400, "InvalidResourceName", "HttpResponseError"),
        (lambda: desk.put("x" * 256, b""), 400, "InvalidResourceName", "HttpResponseError"),
        (lambda: desk.put("f", b"", metadata=large), 400, "MetadataTooLarge", "HttpResponseError"),
    ]
    for call, status, code, kind in cases:
        answer = refused(call)
        assert (answer.status, answer.code) == (status, code)
        assert answer.kind == ("RestError" if desk.client.name.startswith("@") else kind)
    assert (desk.names(), desk.names("d")) == (["d"], ["f"])
