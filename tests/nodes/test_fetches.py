"""Files that a run needs: brought before it starts, whole or not at all, and never outside its working directory."""

from __future__ import annotations

from typing import Any

import pytest
from tests.nodes.helpers import Site
from tests.nodes.web import Web

from linarite.engine.launching import Fetch
from linarite.nodes.moving.errors import public_url

pytestmark = pytest.mark.anyio


async def _fetch(site: Site, url: str, path: str = "file", command: str = "cat file", **facts: Any) -> str:
    return await site.launch(command, fetches=(Fetch(url=url, path=path, **facts),))


async def test_fetch_before_start(site: Site, web: Web) -> None:
    """The file is there when the command line starts."""
    run = await _fetch(site, web.put("/f", b"content\n"))
    assert (await site.heard.exited(run)).code == 0
    assert site.out(run) == "content\n"


async def test_fetch_several(site: Site, web: Web) -> None:
    """Files go to their paths below wd/, with their folders, modes and every byte."""
    large = bytes(range(256)) * 8192
    fetches = (
        Fetch(url=web.put("/a", large), path="in/deep/a.bin"),
        Fetch(url=web.put("/b", b"#!/bin/sh\necho ran\n"), path="./in/b.sh"),
        Fetch(url=web.put("/c", b""), path="c", mode=0o600),
    )
    run = await site.launch("in/b.sh", fetches=fetches)
    assert (await site.heard.exited(run)).code == 0
    wd = site.folder(run) / "wd"
    assert (wd / "in/deep/a.bin").read_bytes() == large
    assert (wd / "c").stat().st_mode & 0o777 == 0o600
    assert (wd / "in/b.sh").stat().st_mode & 0o777 == 0o770
    assert sorted(path.name for path in wd.rglob("*")) == ["a.bin", "b.sh", "c", "deep", "in"]


async def test_fetch_replaces(site: Site, web: Web) -> None:
    """Another try of the task has the file anew."""
    url = web.put("/f", b"one")
    first = await _fetch(site, url)
    await site.heard.exited(first)
    web.put("/f", b"two")
    second = await site.launch(
        "cat file", directory=f"workitems/job1/job-1/{first}", fetches=(Fetch(url=url, path="file"),)
    )
    await site.heard.exited(second)
    assert site.out(first) == "two"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "fetch-not-found"),
        (403, "fetch-refused"),
        (401, "fetch-refused"),
        (400, "fetch-failed"),
        (503, "fetch-failed"),
    ],
)
async def test_fetch_refused_status(site: Site, web: Web, status: int, code: str) -> None:
    """The server's refusal is told with file, URL and status, and without the URL's secrets."""
    run = await _fetch(site, web.put("/f", b"", status=status) + "?sv=1&sig=SECRET")
    report = await site.heard.failed(run)
    assert (report.code, report.user) == (code, True)
    assert report.details == {"FilePath": "file", "HttpUrl": f"{web.url}/f", "StatusCode": str(status)}
    assert "SECRET" not in report.message
    assert not (site.folder(run) / "stdout.txt").exists()
    assert not any((site.folder(run) / "wd").iterdir())


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://localhost/x", "gopher://x/", "/etc/passwd", "http://", "x", "http://[::1/"]
)
async def test_fetch_refused_scheme(site: Site, url: str) -> None:
    """Nothing but http and https is fetched."""
    report = await site.heard.failed(await _fetch(site, url))
    assert report.code == "fetch-failed"


@pytest.mark.parametrize(
    "path", ["../escaped", "a/../../escaped", "/tmp/escaped", "", ".", "a\0b", "dir", "dir/", "link/x", "file/x"]
)
async def test_fetch_path_refused(site: Site, web: Web, path: str) -> None:
    """A path that leaves wd/, passes a link or is no file's is refused."""
    first = await site.sh("mkdir dir; ln -s /tmp link; : > file")
    await site.heard.exited(first)
    fetch = Fetch(url=web.put("/f", b"x"), path=path)
    run = await site.launch("true", directory=f"workitems/job1/job-1/{first}", fetches=(fetch,))
    report = await site.heard.failed(run)
    assert report.code == "fetch-path"
    assert sorted(p.name for p in (site.folder(first) / "wd").rglob("*")) == ["dir", "file", "link"]


async def test_fetch_through_link_as_file(site: Site, web: Web) -> None:
    """A link in the place of the file is replaced, not followed."""
    first = await site.sh("echo keep > ../precious; ln -s ../precious file")
    await site.heard.exited(first)
    fetch = Fetch(url=web.put("/f", b"new"), path="file")
    run = await site.launch("cat file", directory=f"workitems/job1/job-1/{first}", fetches=(fetch,))
    await site.heard.exited(run)
    assert site.out(first, "precious") == "keep\n"
    assert site.out(first) == "new"


async def test_fetch_redirect(site: Site, web: Web) -> None:
    """Redirects are followed."""
    web.put("/f", b"there")
    run = await _fetch(site, web.put("/r", b"", status=302, headers={"Location": "/f"}))
    await site.heard.exited(run)
    assert site.out(run) == "there"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://localhost/x", "/r"])
async def test_fetch_redirect_refused(site: Site, web: Web, location: str) -> None:
    """A redirect to another scheme, or without end, is refused."""
    run = await _fetch(site, web.put("/r", b"", status=302, headers={"Location": location}))
    report = await site.heard.failed(run)
    assert report.code == "fetch-failed"
    assert "redirects" in report.message


async def test_fetch_cut_short(site: Site, web: Web) -> None:
    """A file that ends too early leaves nothing behind."""
    run = await _fetch(site, web.put("/f", b"half", headers={"Content-Length": "8"}))
    assert (await site.heard.failed(run)).code == "fetch-failed"
    assert not any((site.folder(run) / "wd").iterdir())


async def test_fetch_nobody_answers(site: Site, web: Web) -> None:
    """A server that is not there fails the fetch."""
    web.close()
    assert (await site.heard.failed(await _fetch(site, f"{web.url}/f"))).code == "fetch-failed"


async def test_fetch_tried_again(site: Site, web: Web) -> None:
    """A server that fails for a while, as one that starts again does, is asked again."""
    await site.local.stop()
    site.kill_everything()
    await site.start(fetch_patience=30.0)
    run = await _fetch(site, web.put("/f", b"late", failures=2))
    await site.heard.exited(run)
    assert site.out(run) == "late"
    assert web.asked == ["/f"] * 3


async def test_fetch_bytes_as_kept(site: Site, web: Web) -> None:
    """A file with a content encoding comes as the bytes that the server keeps."""
    run = await _fetch(site, web.put("/f", b"not gzip at all", headers={"Content-Encoding": "gzip"}))
    await site.heard.exited(run)
    assert site.out(run) == "not gzip at all"


LISTING = """<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="c"><Blobs>{}</Blobs>
<NextMarker /></EnumerationResults>"""
BLOB = """<Blob><Name>{}</Name><Properties><Content-Length>1</Content-Length><BlobType>BlockBlob</BlobType>
</Properties></Blob>"""


@pytest.mark.parametrize("name", ["../escaped", "a/../../escaped", "link/x", ".."])
async def test_fetch_container_refuses_names(site: Site, web: Web, name: str) -> None:
    """Whatever a storage service calls its blobs, nothing is written outside wd/, through a link or over a folder."""
    first = await site.sh("mkdir dir; ln -s /tmp link")
    await site.heard.exited(first)
    url = web.put("/account/c", LISTING.format(BLOB.format(name)).encode(), headers={"Content-Type": "text/xml"})
    for path in (f"/account/c/{name}", "/account/c/escaped", "/account/escaped", "/escaped", "/account/"):
        web.put(path, b"x")
    fetch = Fetch(url=f"{url}?sig=SECRET", container=True)
    run = await site.launch("true", directory=f"workitems/job1/job-1/{first}", fetches=(fetch,))
    report = await site.heard.failed(run)
    assert report.code == "fetch-path"
    assert "SECRET" not in str(report)
    assert sorted(p.name for p in (site.folder(first) / "wd").rglob("*")) == ["dir", "link"]


async def test_fetch_container_of_markers(site: Site, web: Web) -> None:
    """What stands for a folder is no file."""
    marker = BLOB.format("folder/")
    url = web.put("/account/c", LISTING.format(marker).encode(), headers={"Content-Type": "text/xml"})
    run = await site.launch("ls -A", fetches=(Fetch(url=url, container=True),))
    await site.heard.exited(run)
    assert site.out(run) == ""


def test_public_url() -> None:
    """Queries, fragments and passwords are no part of what is shown."""
    assert public_url("https://user:pw@host:81/a/b?sig=x#y") == "https://host:81/a/b"
    assert public_url("http://[broken") == ""
