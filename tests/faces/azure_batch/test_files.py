"""Get Task File and its neighbours (seed 000): paths, ranges, dates, growing files, directories, climbing out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer

WRITES = (
    "/bin/sh -c 'printf 0123456789; mkdir -p sub/deep; echo inner > sub/deep/a.txt; echo css > style.css;"
    ' printf "" > empty; ln -s sub/deep/a.txt inside; ln -s /etc/passwd outside; ln -s ../../../../../.. up;'
    ' mkfifo pipe; echo odd > "name with spaces &+%.txt"\''
)


@pytest.fixture
def task(batch: RawBatch) -> RawBatch:
    """A task `t` of a job `j` that has written files."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": WRITES})
    shown = batch.wait_task("j", "t")
    assert shown["executionInfo"]["exitCode"] == 0, shown
    return batch


FILES = "/jobs/j/tasks/t/files"


def test_get_file_streams_its_bytes_with_its_headers(task: RawBatch):
    answer = task.call("GET", f"{FILES}/stdout.txt")
    assert (answer.status, answer.body) == (200, b"0123456789")
    headers = answer.headers
    assert (headers["content-type"], headers["content-length"]) == ("text/plain", "10")
    assert headers["ocp-batch-file-isdirectory"] == "False"
    assert headers["ocp-batch-file-mode"].startswith("0o1006")
    assert headers["ocp-batch-file-url"].endswith(f"{FILES}/stdout.txt")
    assert headers["last-modified"].endswith(" GMT")
    assert headers["ocp-creation-time"].endswith(" GMT")
    assert "etag" not in headers


def test_head_has_the_same_headers_and_no_body(task: RawBatch):
    got, head = task.call("GET", f"{FILES}/stdout.txt"), task.call("HEAD", f"{FILES}/stdout.txt", ocp_range="bytes=1-2")
    assert (head.status, head.body) == (200, b"")
    changing = {"request-id", "date"}
    assert {k: v for k, v in head.headers.items() if k not in changing} == {
        k: v for k, v in got.headers.items() if k not in changing
    }


@pytest.mark.parametrize(
    "path", ["wd/sub/deep/a.txt", "wd%2Fsub%2Fdeep%2Fa.txt", "wd\\sub\\deep\\a.txt", "wd%5Csub/deep%5Ca.txt"]
)
def test_path_is_separated_by_slashes_encoded_or_not_or_by_backslashes(task: RawBatch, path: str):
    answer = task.call("GET", f"{FILES}/{path}")
    assert (answer.status, answer.body) == (200, b"inner\n")
    assert answer.headers["ocp-batch-file-url"].endswith("/files/wd%2Fsub%2Fdeep%2Fa.txt")


def test_name_with_odd_characters_is_found(task: RawBatch):
    name = quote("wd/name with spaces &+%.txt", safe="")
    assert task.call("GET", f"{FILES}/{name}").body == b"odd\n"


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("bytes=1-2", b"12"),
        ("bytes=0-0", b"0"),
        ("bytes=7-", b"789"),
        ("bytes=5-500", b"56789"),
        ("bytes=0-9", b"0123456789"),
    ],
)
def test_range_is_answered_by_200(task: RawBatch, text: str, body: bytes):
    """Not 206: seen on the wire."""
    answer = task.call("GET", f"{FILES}/stdout.txt", ocp_range=text)
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers["content-length"] == str(len(body))


@pytest.mark.parametrize("text", ["bytes=10-", "bytes=10-11", "bytes=5-4"])
def test_range_out_of_bounds_is_416(task: RawBatch, text: str):
    answer = task.call("GET", f"{FILES}/stdout.txt", ocp_range=text)
    assert (answer.status, answer.code) == (416, "InvalidRange")


@pytest.mark.parametrize("text", ["1-2", "bytes=a-b", "bytes=-5", "bytes=1-2,4-5", "lines=1-2"])
def test_range_that_is_none_is_refused(task: RawBatch, text: str):
    answer = task.call("GET", f"{FILES}/stdout.txt", ocp_range=text)
    assert (answer.status, answer.code) == (400, "InvalidHeaderValue")


def test_empty_file_has_no_bytes_and_no_range(task: RawBatch):
    answer = task.call("GET", f"{FILES}/wd/empty")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0")
    assert task.call("GET", f"{FILES}/wd/empty", ocp_range="bytes=0-").status == 416


def test_dates_make_the_read_conditional(task: RawBatch):
    then = task.call("HEAD", f"{FILES}/stdout.txt").headers["last-modified"]
    old = "Mon, 01 Jan 2001 00:00:00 GMT"
    answer = task.call("GET", f"{FILES}/stdout.txt", if_modified_since=then)
    assert (answer.status, answer.body) == (304, b"")
    assert task.call("GET", f"{FILES}/stdout.txt", if_modified_since=old).status == 200
    assert task.call("GET", f"{FILES}/stdout.txt", if_unmodified_since=then).status == 200
    answer = task.call("GET", f"{FILES}/stdout.txt", if_unmodified_since=old)
    assert (answer.status, answer.code) == (412, "ConditionNotMet")
    assert task.call("HEAD", f"{FILES}/stdout.txt", if_modified_since=then).status == 304


def test_directory_is_answered_by_its_headers(task: RawBatch):
    for method in ("GET", "HEAD"):
        answer = task.call(method, f"{FILES}/wd")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["ocp-batch-file-isdirectory"] == "True"


@pytest.mark.parametrize("path", ["none.txt", "wd/none/x", "stdout.txt/x", "wd/pipe", "wd%2Fnone"])
def test_file_that_is_not_there_is_404(task: RawBatch, path: str):
    answer = task.call("GET", f"{FILES}/{path}")
    assert (answer.status, answer.code) == (404, "FileNotFound")


@pytest.mark.parametrize(
    "path",
    [
        "../../../../../../etc/passwd", "%2e%2e%2f%2e%2e%2fx", "wd/..%2f..%2f..%2f..%2fx", "%2Fetc%2Fpasswd", "wd/%00",
        "wd%2F.%2Fsub", "..\\..\\..\\secret", "wd/outside", "wd/up", "wd/up/x",
    ],
)  # fmt: skip
def test_path_or_link_that_climbs_out_is_refused(task: RawBatch, path: str):
    """In every operation on files, and nothing is deleted."""
    for method in ("GET", "DELETE"):
        answer = task.call(method, f"{FILES}/{path}?recursive=true")
        assert (answer.status, answer.code) in {(400, "InvalidUri"), (404, "FileNotFound")}
        assert b"root:" not in answer.body
    assert task.call("GET", f"{FILES}/stdout.txt").status == 200
    assert Path("/etc/passwd").exists()


def test_link_inside_is_followed(task: RawBatch):
    assert task.call("GET", f"{FILES}/wd/inside").body == b"inner\n"


def listed(batch: RawBatch, query: str = "", path: str = FILES) -> dict[str, Any]:
    answer = batch.call("GET", f"{path}?{query}")
    assert answer.status == 200, answer.body
    return {item["name"]: item for item in answer.json["value"]}


def test_list_files_shows_the_top_or_everything(task: RawBatch):
    top = listed(task)
    assert top.keys() >= {"stdout.txt", "stderr.txt", "wd"}
    assert not any("/" in name for name in top)
    assert top["wd"] == {"name": "wd", "url": top["wd"]["url"], "isDirectory": True}
    properties = top["stdout.txt"]["properties"]
    assert (properties["contentLength"], properties["contentType"]) == ("10", "text/plain")
    assert properties["fileMode"].startswith("0o100")
    everything = listed(task, "recursive=true")
    assert {"wd/sub/deep/a.txt", "wd/sub/deep", "wd/inside", "wd/style.css"} <= everything.keys()
    assert not {"wd/outside", "wd/up", "wd/pipe"} & everything.keys()
    assert everything["wd/style.css"]["properties"]["contentType"] == "text/css"
    url = everything["wd/sub/deep/a.txt"]["url"]
    assert url.endswith(f"{FILES}/wd%2Fsub%2Fdeep%2Fa.txt")


def test_list_files_is_filtered_and_paged(task: RawBatch):
    inside = "$filter=" + quote("startswith(name,'wd/sub')")
    assert listed(task, f"recursive=true&{inside}").keys() == {"wd/sub", "wd/sub/deep", "wd/sub/deep/a.txt"}
    page = task.call("GET", f"{FILES}?recursive=true&maxresults=2&{inside}").json
    assert [item["name"] for item in page["value"]] == ["wd/sub", "wd/sub/deep"]
    link = page["odata.nextLink"].partition(FILES)[2]
    assert [item["name"] for item in task.call("GET", FILES + link).json["value"]] == ["wd/sub/deep/a.txt"]
    assert task.call("GET", f"{FILES}?recursive=perhaps").code == "InvalidQueryParameterValue"


def test_list_files_of_older_versions_has_numbers(server: RunningServer, task: RawBatch):
    old = RawBatch(server.batch, task.account, "2024-02-01.19.0")
    assert listed(old)["stdout.txt"]["properties"]["contentLength"] == 10


def test_delete_file_and_directory(task: RawBatch):
    assert task.call("DELETE", f"{FILES}/wd/style.css").status == 200
    assert task.call("GET", f"{FILES}/wd/style.css").status == 404
    answer = task.call("DELETE", f"{FILES}/wd/sub")
    assert (answer.status, answer.code) == (409, "OperationInvalidForCurrentState")
    assert task.call("DELETE", f"{FILES}/wd/sub?recursive=true").status == 200
    assert "wd/sub" not in listed(task, "recursive=true")
    assert task.call("DELETE", f"{FILES}/wd/inside").status == 404


def test_files_of_a_task_that_has_not_started_are_409(batch: RawBatch):
    batch.make_job("j")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"})
    for target in (FILES, f"{FILES}/stdout.txt"):
        answer = batch.call("GET", target)
        assert (answer.status, answer.code) == (409, "OperationInvalidForCurrentState")
        assert "still active" in answer.values["Reason"]
    batch.call("POST", "/jobs/j/tasks/t/terminate")
    assert batch.call("GET", FILES).code == "TaskFilesUnavailable"


def test_files_of_a_node_that_is_gone_are_409(task: RawBatch):
    task.call("POST", "/pools/p/resize", {"targetDedicatedNodes": 0})
    deadline = time.monotonic() + 10
    while task.call("GET", "/pools/p/nodes").json["value"]:
        assert time.monotonic() < deadline
    answer = task.call("GET", f"{FILES}/stdout.txt")
    assert (answer.status, answer.code) == (409, "TaskFilesUnavailable")


def test_files_after_their_retention_are_409(batch: RawBatch):
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call(
        "POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true", "constraints": {"retentionTime": "PT0.1S"}}
    )
    batch.wait_task("j", "t")
    deadline = time.monotonic() + 20
    while (answer := batch.call("GET", FILES)).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (answer.status, answer.code) == (409, "TaskFilesCleanedup")


def test_growing_file_of_a_running_task_is_read_at_its_length(batch: RawBatch):
    """Each answer has the bytes that were there when it began, and later answers have more."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    command = "/bin/sh -c 'while :; do echo 0123456789abcdef; done'"
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": command})
    batch.wait_task("j", "t", "running")
    sizes: list[int] = []
    deadline = time.monotonic() + 20
    while len(set(sizes)) < 3:
        assert time.monotonic() < deadline
        answer = batch.call("GET", f"{FILES}/stdout.txt")
        assert len(answer.body) == int(answer.headers["content-length"])
        sizes.append(len(answer.body))
    batch.call("POST", "/jobs/j/tasks/t/terminate")
    assert sizes == sorted(sizes)


def test_files_of_a_node_stand_below_its_root(task: RawBatch):
    node = task.call("GET", "/jobs/j/tasks/t").json["nodeInfo"]["nodeId"]
    files = f"/pools/p/nodes/{node}/files"
    assert listed(task, path=files).keys() >= {"applications", "shared", "startup", "volatile", "workitems"}
    answer = task.call("GET", f"{files}/workitems/j/job-1/t/stdout.txt")
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert task.call("HEAD", f"{files}/workitems%2Fj%2Fjob-1%2Ft%2Fstdout.txt").headers["content-length"] == "10"
    assert task.call("GET", f"{files}/..%2F..%2Fx").code == "InvalidUri"
    assert task.call("DELETE", f"{files}/workitems/j/job-1/t/stdout.txt").status == 200
    assert task.call("GET", f"{FILES}/stdout.txt").code == "FileNotFound"
    assert task.call("GET", "/pools/p/nodes/none/files").code == "NodeNotFound"
