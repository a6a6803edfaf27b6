"""Seed 000, "Tasks - Get Task File", line by line against a running server. Where they disagree, Batch NOTES win."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from azure.batch import BatchClient
from azure.core import exceptions
from azure.core.credentials import AccessToken
from tests.faces.azure_batch.raw import Answer, RawBatch
from tests.support.batch import batch_client, held
from tests.support.server import DEVELOPMENT_KEY, RunningServer, running_server

pytestmark = pytest.mark.operation("Tasks_GetTaskFile")
FILES = "/jobs/jobId/tasks/task1/files"
TEXT = b"This is actually a byte stream."
OLD = "Mon, 01 Jan 2001 00:00:00 GMT"
GUID = "9C4D50EE-2D56-4CD3-8152-34347DC9F2B0"
HOLE = 192 * 1024 * 1024


@pytest.fixture(scope="module")
def task(server: RunningServer, tenant: str) -> RawBatch:
    """The task of the sample, which also left links to what is none of its business."""
    batch = RawBatch(server.batch, tenant)
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("jobId", "p")
    database = server.data / "server" / "linarite.db"
    links = {
        "passwd": "/etc/passwd", "database": database, "folder": database.parent, "up": "../../../../../../..",
        "relative": f"../../../../../../../{database.name}", "loop": "loop", "proc": "/proc/self/environ",
    }  # fmt: skip
    script = [f"printf '{TEXT.decode()}' > testFile.txt", f"truncate -s {HOLE} hole", "mkdir folder.d", "mkfifo pipe"]
    script += [f"ln -s {target} {name}" for name, target in links.items()]
    command = f'/bin/sh -c "{"; ".join(script)}"'
    assert batch.call("POST", "/jobs/jobId/tasks", {"id": "task1", "commandLine": command}).status == 201
    info = batch.wait_task("jobId", "task1")["executionInfo"]
    assert info["exitCode"] == 0, batch.call("GET", f"{FILES}/stderr.txt").body
    return batch


def refused(answer: Answer, status: int, code: str) -> dict[str, str]:
    """Check a refusal's status, code and shape, and that no key is in it; gives its details."""
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers["content-type"] == "application/json;odata=minimalmetadata"
    assert answer.json["message"]["value"].endswith("Z")
    assert DEVELOPMENT_KEY.encode() not in answer.body
    return answer.values


# -- the two requests ----------------------------------------------------------------------------------------------


def test_request_without_time_out(task: RawBatch):
    """The path and the api-version are all that the operation needs."""
    answer = task.call("GET", f"{FILES}/wd%2FtestFile.txt?api-version=2025-06-01")
    assert (answer.status, answer.body) == (200, TEXT)


def test_request_with_time_out(task: RawBatch):
    """The second form of the request adds timeOut."""
    answer = task.call("GET", f"{FILES}/wd%2FtestFile.txt?api-version=2025-06-01&timeOut=20")
    assert (answer.status, answer.body) == (200, TEXT)


# -- URI parameters ------------------------------------------------------------------------------------------------


def test_uri_parameter_endpoint(task: RawBatch, server: RunningServer):
    """The address that the client used stands in the file's own URL, be it by number or by an account's host name."""
    assert task.call("GET", f"{FILES}/stdout.txt").headers["ocp-batch-file-url"] == f"{server.batch}{FILES}/stdout.txt"
    host = f"{task.account}.eastus2.batch.azure.com"
    named = task.call("GET", f"{FILES}/stdout.txt", host=host)
    assert named.headers["ocp-batch-file-url"] == f"http://{host}{FILES}/stdout.txt"


def test_uri_parameter_file_path(task: RawBatch):
    """The path stands below the task's directory; one that names no file is FileNotFound."""
    assert task.call("GET", f"{FILES}/stderr.txt").status == 200
    refused(task.call("GET", f"{FILES}/wd%2Fnone.txt"), 404, "FileNotFound")


@pytest.mark.parametrize("job", ["none", "x" * 65, "a%20b", "a%2Fb", "a.b", "%00", "%FF", "%2e%2e", "%C3%A9"])
def test_uri_parameter_job_id(task: RawBatch, job: str):
    """A job that is not there, or that no job could be called, is JobNotFound."""
    refused(task.call("GET", f"/jobs/{job}/tasks/task1/files/stdout.txt"), 404, "JobNotFound")


def test_uri_parameter_job_id_has_no_case(task: RawBatch):
    """Ids are compared without regard to letter case."""
    assert task.call("GET", "/jobs/JOBID/tasks/TASK1/files/wd%2FtestFile.txt").body == TEXT


@pytest.mark.parametrize("name", ["none", "x" * 65, "a%20b", "a%2Fb", "a.b", "a:b", "%00", "%FF", "%2e%2e"])
def test_uri_parameter_task_id(task: RawBatch, name: str):
    """A task that is not there, or that no task could be called, is TaskNotFound."""
    refused(task.call("GET", f"/jobs/jobId/tasks/{name}/files/stdout.txt"), 404, "TaskNotFound")


def test_uri_parameter_api_version_is_required(task: RawBatch):
    """Without it the request is refused by the parameter's name."""
    answer = task.call("GET", f"{FILES}/stdout.txt?x=api-version")
    assert refused(answer, 400, "MissingRequiredQueryParameter")["QueryParameterName"] == "api-version"


def test_uri_parameter_api_version_has_at_least_one_character(task: RawBatch):
    """An empty one is none."""
    refused(task.call("GET", f"{FILES}/stdout.txt?api-version="), 400, "MissingRequiredQueryParameter")


@pytest.mark.parametrize("version", ["2025-06-02", "2099-01-01", "latest", "2015-12-01.2.2"])
def test_uri_parameter_api_version_is_a_known_one(task: RawBatch, version: str):
    """A date that is no version is refused."""
    refused(task.call("GET", f"{FILES}/stdout.txt?api-version={version}"), 400, "UnsupportedRequestVersion")


@pytest.mark.parametrize("name", ["timeOut", "timeout", "TIMEOUT"])
@pytest.mark.parametrize("seconds", ["1", "30", "31", "2147483647"])
def test_uri_parameter_time_out_over_30_is_the_default(task: RawBatch, name: str, seconds: str):
    """A larger value is taken as 30, and the name has no case."""
    assert task.call("GET", f"{FILES}/stdout.txt?{name}={seconds}").status == 200


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1.5", "%D9%A3", "9" * 5000])
def test_uri_parameter_time_out_is_an_integer(task: RawBatch, seconds: str):
    """What is no int32 above 0 is refused by the parameter's name."""
    answer = task.call("GET", f"{FILES}/stdout.txt?timeOut={seconds}")
    assert refused(answer, 400, "InvalidQueryParameterValue")["QueryParameterName"].lower() == "timeout"


# -- request headers -----------------------------------------------------------------------------------------------


def test_request_header_client_request_id(task: RawBatch):
    """By itself it is taken and not told."""
    answer = task.call("GET", f"{FILES}/stdout.txt", client_request_id=GUID)
    assert (answer.status, "client-request-id" in answer.headers) == (200, False)


@pytest.mark.parametrize(("value", "echoed"), [("true", GUID), ("True", GUID), ("false", None)])
def test_request_header_return_client_request_id(task: RawBatch, value: str, echoed: str | None):
    """True brings the id back, in a refusal as well."""
    for path in ("stdout.txt", "none.txt"):
        answer = task.call("GET", f"{FILES}/{path}", client_request_id=GUID, return_client_request_id=value)
        assert answer.headers.get("client-request-id") == echoed


@pytest.mark.parametrize("minutes", [-14, 14])
def test_request_header_ocp_date_within_15_minutes(task: RawBatch, minutes: int):
    """The time of the request may be a little off."""
    assert task.call("GET", f"{FILES}/stdout.txt", age=60 * minutes).status == 200


@pytest.mark.parametrize("minutes", [-16, 16, 60 * 24 * 365])
def test_request_header_ocp_date_over_15_minutes_off(task: RawBatch, minutes: int):
    """A signature of another time is refused, and the reason says so."""
    answer = task.call("GET", f"{FILES}/stdout.txt", age=60 * minutes)
    assert "15 minutes" in refused(answer, 403, "AuthenticationFailed")["AuthenticationErrorDetail"]


@pytest.mark.parametrize("date", ["now", "2026-01-01T00:00:00Z", "Mon, 01 Jan 0001 00:00:00 +1400", "x" * 500])
def test_request_header_ocp_date_is_a_date_of_rfc_7231(task: RawBatch, date: str):
    """What is none is refused."""
    refused(task.call("GET", f"{FILES}/stdout.txt", ocp_date=date), 403, "AuthenticationFailed")


def test_request_header_if_modified_since(task: RawBatch):
    """The file comes only if it is newer than that time; otherwise the answer is a bare 304."""
    modified = task.call("HEAD", f"{FILES}/wd%2FtestFile.txt").headers["last-modified"]
    same = task.call("GET", f"{FILES}/wd%2FtestFile.txt", if_modified_since=modified)
    assert (same.status, same.body) == (304, b"")
    assert task.call("GET", f"{FILES}/wd%2FtestFile.txt", if_modified_since=OLD).body == TEXT


def test_request_header_if_unmodified_since(task: RawBatch):
    """The file comes only if it is no newer than that time."""
    modified = task.call("HEAD", f"{FILES}/wd%2FtestFile.txt").headers["last-modified"]
    assert task.call("GET", f"{FILES}/wd%2FtestFile.txt", if_unmodified_since=modified).body == TEXT
    refused(task.call("GET", f"{FILES}/wd%2FtestFile.txt", if_unmodified_since=OLD), 412, "ConditionNotMet")


@pytest.mark.parametrize("header", ["if_modified_since", "if_unmodified_since"])
@pytest.mark.parametrize("value", ["soon", "2026-01-01", "x" * 500])
def test_request_header_with_a_date_that_is_none(task: RawBatch, header: str, value: str):
    """A condition that cannot be read is refused by the header's name."""
    values = refused(task.call("GET", f"{FILES}/stdout.txt", **{header: value}), 400, "InvalidHeaderValue")
    assert values["HeaderName"] == header.replace("_", "-")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (None, TEXT), ("bytes=1-2", TEXT[1:3]), ("bytes=0-0", TEXT[:1]), ("bytes=5-", TEXT[5:]),
        ("bytes=5-99999", TEXT[5:]),
    ],
)  # fmt: skip
def test_request_header_ocp_range(task: RawBatch, text: str | None, part: bytes):
    """Without it the whole file comes; with it the bytes from the first to the last named, as 200 [NOTES: not 206]."""
    answer = task.call("GET", f"{FILES}/wd%2FtestFile.txt", **({"ocp_range": text} if text else {}))
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, part, str(len(part)))


@pytest.mark.parametrize("text", ["bytes=31-", "bytes=99-100", "bytes=5-4"])
def test_request_header_ocp_range_outside_of_the_file(task: RawBatch, text: str):
    """A range that has none of the file's bytes is 416."""
    refused(task.call("GET", f"{FILES}/wd%2FtestFile.txt", ocp_range=text), 416, "InvalidRange")


@pytest.mark.parametrize("text", ["1-2", "bytes=-5", "bytes=1-2,4-5", "bytes=" + "9" * 5000 + "-"])
def test_request_header_ocp_range_of_another_format(task: RawBatch, text: str):
    """The format is bytes=startRange-endRange."""
    values = refused(task.call("GET", f"{FILES}/stdout.txt", ocp_range=text), 400, "InvalidHeaderValue")
    assert values["HeaderName"] == "ocp-range"


# -- responses -----------------------------------------------------------------------------------------------------


def test_response_200_with_its_headers(task: RawBatch):
    """The file's bytes, its media type, its length, its times and what it is."""
    answer = task.call("GET", f"{FILES}/wd%2FtestFile.txt")
    headers = answer.headers
    assert (answer.status, headers["content-length"], headers["content-type"]) == (200, str(len(TEXT)), "text/plain")
    assert abs(parsedate_to_datetime(headers["last-modified"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert parsedate_to_datetime(headers["ocp-creation-time"]) <= datetime.now(UTC)
    assert headers["ocp-batch-file-isdirectory"] == "False"
    assert headers["ocp-batch-file-mode"].startswith("0o100")
    assert headers["ocp-batch-file-url"].endswith(f"{FILES}/wd%2FtestFile.txt")
    assert uuid.UUID(headers["request-id"])
    assert headers["dataserviceversion"] == "3.0"
    assert "etag" not in headers


def test_response_media_type_octet_stream(task: RawBatch):
    """A name that tells no type is application/octet-stream."""
    assert task.call("HEAD", f"{FILES}/wd%2Fhole").headers["content-type"] == "application/octet-stream"


def test_response_of_a_directory(task: RawBatch):
    """A directory is told by its headers alone."""
    answer = task.call("GET", f"{FILES}/wd%2Ffolder.d")
    assert (answer.status, answer.body, answer.headers["ocp-batch-file-isdirectory"]) == (200, b"", "True")


def test_response_streams_a_file_as_fast_as_it_is_read(task: RawBatch, server: RunningServer):
    """A file that nobody reads is not held in memory, and comes whole when it is read."""
    status = Path(f"/proc/{server.pid}/status")

    def resident() -> int:
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1])

    before = resident()
    token = bearer(account=task.account)
    url = f"{server.batch}{FILES}/wd%2Fhole?api-version=2025-06-01"
    with requests.get(url, headers={"Authorization": token}, stream=True, timeout=60) as answer:
        pieces = answer.iter_content(1024 * 1024)
        length = len(next(pieces))
        time.sleep(0.3)  # long enough for the server to read ahead, if it would
        assert resident() - before < 48 * 1024
        assert length + sum(map(len, pieces)) == HOLE


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", f"{FILES}/none", 404, "FileNotFound"),
        ("GET", "/jobs/none/tasks/task1/files/stdout.txt", 404, "JobNotFound"),
        ("PUT", f"{FILES}/stdout.txt", 405, "UnsupportedHttpVerb"),
        ("GET", "/job/jobId", 404, "ResourceNotFound"),
    ],
)
def test_response_of_another_status(task: RawBatch, method: str, target: str, status: int, code: str):
    """Every other status comes with a BatchError."""
    refused(task.call(method, target), status, code)


def test_response_of_a_head_that_is_refused(task: RawBatch):
    """HEAD has the status alone."""
    answer = task.call("HEAD", f"{FILES}/none")
    assert (answer.status, answer.body) == (404, b"")


# -- security ------------------------------------------------------------------------------------------------------


def bearer(**claims: Any) -> str:
    """A token of the development issuer for the scope of the page."""
    body = {"aud": "https://batch.core.windows.net/", "exp": int(time.time()) + 600, "sub": "me", **claims}
    return "Bearer " + jwt.encode(body, base64.b64decode(DEVELOPMENT_KEY), "HS256")


def test_security_oauth2(task: RawBatch):
    """A token for https://batch.core.windows.net/ reads the file."""
    answer = task.call("GET", f"{FILES}/wd%2FtestFile.txt", sign=False, authorization=bearer(account=task.account))
    assert (answer.status, answer.body) == (200, TEXT)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://storage.azure.com"},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 99999999999},
        {"account": 5},
    ],
    ids=str,
)
def test_security_oauth2_with_a_token_that_does_not_hold(task: RawBatch, claims: dict[str, Any]):
    """Another scope, another time or a claim that is none: 401 with the challenge."""
    claims = {"account": task.account, **claims}
    answer = task.call("GET", f"{FILES}/stdout.txt", sign=False, authorization=bearer(**claims))
    refused(answer, 401, "AuthenticationFailed")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer a.b.c", "Basic ZGV2OmRldg==", "SharedKey", "SharedKey x"])
def test_security_without_credentials(task: RawBatch, header: str | None):
    """No scheme of this service is 401."""
    named = {} if header is None else {"authorization": header}
    code = "AuthenticationFailed" if header == "Bearer a.b.c" else "InvalidAuthenticationInfo"
    refused(task.call("GET", f"{FILES}/stdout.txt", sign=False, **named), 401, code)


def test_security_with_a_signature_of_another_key(task: RawBatch):
    """The string that should have been signed is told, the key is not."""
    answer = task.call("GET", f"{FILES}/stdout.txt", key="b3RoZXIta2V5")
    assert "string to sign" in refused(answer, 403, "AuthenticationFailed")["AuthenticationErrorDetail"]


def test_security_with_a_signature_of_another_request(task: RawBatch):
    """What was signed for one file does not open another."""
    date = formatdate(usegmt=True)
    text = task.text("GET", f"{FILES}/stdout.txt?api-version=2025-06-01", {"ocp-date": date})
    signature = base64.b64encode(_hmac(text)).decode()
    answer = task.call(
        "GET", f"{FILES}/stderr.txt", sign=False, ocp_date=date, authorization=f"SharedKey {task.account}:{signature}"
    )
    refused(answer, 403, "AuthenticationFailed")


def _hmac(text: str) -> bytes:
    return hmac.digest(base64.b64decode(DEVELOPMENT_KEY), text.encode(), hashlib.sha256)


def test_security_over_https_with_the_real_client():
    """The client's own token credential, over the certificate that the server makes."""

    class Credential:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            assert scopes == ("https://batch.core.windows.net//.default",)
            return AccessToken(bearer(account="devaccount").partition(" ")[2], int(time.time()) + 600)

    with running_server(tls=True) as secure:
        client = BatchClient(secure.batch, Credential(), connection_verify=str(secure.ca), retry_total=0, **held())
        with pytest.raises(exceptions.ResourceNotFoundError):
            b"".join(client.download_task_file("none", "t", "stdout.txt"))


# -- example -------------------------------------------------------------------------------------------------------


def test_example_get_file_from_task(task: RawBatch):
    r"""The sample's own request, its path with a backslash as it stands: wd\testFile.txt."""
    answer = task.call("GET", f"{FILES}/wd\\testFile.txt?api-version=2025-06-01")
    assert (answer.status, answer.body) == (200, TEXT)


@pytest.mark.parametrize("path", ["wd/testFile.txt", "wd%2FtestFile.txt", "wd%5CtestFile.txt", "wd//testFile.txt"])
def test_example_with_other_separators(task: RawBatch, path: str):
    """A slash, an encoded one and an encoded backslash lead to the same file."""
    assert task.call("GET", f"{FILES}/{path}").body == TEXT


def test_example_with_a_name_that_is_no_utf_8(batch: RawBatch):
    """A file whose name is any bytes is read at the address that its list gives."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("jobId", "p")
    command = '/bin/sh -c \'printf odd > "$(printf "odd\\377name")"\''
    batch.call("POST", "/jobs/jobId/tasks", {"id": "task1", "commandLine": command})
    batch.wait_task("jobId", "task1")
    urls = [item["url"] for item in batch.call("GET", f"{FILES}?recursive=true").json["value"]]
    [odd] = [url for url in urls if "name" in url]
    assert odd.endswith("/wd%2Fodd%FFname")
    answer = batch.call("GET", urlsplit(odd).path)
    assert (answer.body, answer.headers["ocp-batch-file-url"]) == (b"odd", odd)


# -- definitions ---------------------------------------------------------------------------------------------------


def test_definition_batch_error(task: RawBatch):
    """A code, a message and values, besides the metadata that the service sends."""
    found = task.call("GET", f"{FILES}/stdout.txt?timeOut=soon").json
    assert found.keys() == {"odata.metadata", "code", "message", "values"}
    assert found["code"] == "InvalidQueryParameterValue"


def test_definition_batch_error_detail(task: RawBatch):
    """Each of the values is a key and a value."""
    values = task.call("GET", f"{FILES}/stdout.txt?timeOut=soon").json["values"]
    assert [item.keys() for item in values] == [{"key", "value"}] * len(values)
    assert all(isinstance(text, str) for item in values for text in item.values())


def test_definition_batch_error_message(task: RawBatch):
    """A language and a text, which ends in the request's id and time."""
    answer = task.call("GET", f"{FILES}/none")
    message = answer.json["message"]
    assert message.keys() == {"lang", "value"}
    assert message["lang"] == "en-US"
    assert f"\nRequestId:{answer.headers['request-id']}\nTime:" in message["value"]


# -- bad input -----------------------------------------------------------------------------------------------------

CLIMBING = [
    "../../../../../../../etc/passwd", "..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fx", "..",
    "%2e%2e", "%2e", "wd/../stdout.txt", "wd%2F.%2FtestFile.txt", "%2Fetc%2Fpasswd", "%5C%5Chost%5Cx", "..%5C..%5Cx",
    "wd\\..\\..\\..\\x", "wd%00", "%00", "stdout.txt%00.png",
]  # fmt: skip
LINKS = ["passwd", "database", "folder", "folder/linarite.db", "up", "up/etc/passwd", "relative", "proc"]
NOWHERE = ["//etc/passwd", "C:%5Cx", "%252e%252e%252f", "%c0%ae%c0%ae/x", "a" * 5000, "wd/loop", "wd/pipe", "wd/bad%ff"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("path", [*CLIMBING, *(f"wd/{name}" for name in LINKS)])
def test_bad_input_path_that_climbs_out(task: RawBatch, method: str, path: str):
    """By dots, by NUL, by an absolute path or by a link that the task planted: refused, and nothing goes."""
    answer = task.call(method, f"{FILES}/{path}?recursive=true")
    if method == "HEAD":
        assert (answer.status, answer.body) == (400, b"")
    else:
        refused(answer, 400, "InvalidUri")
    assert task.call("GET", f"{FILES}/wd%2FtestFile.txt").body == TEXT


@pytest.mark.parametrize("path", NOWHERE)
def test_bad_input_path_that_leads_nowhere(task: RawBatch, path: str):
    """An absolute path below the address, another system's, one encoded twice or of no file: there is no such file."""
    refused(task.call("GET", f"{FILES}/{path}"), 404, "FileNotFound")


@pytest.mark.parametrize("path", [*CLIMBING, *(f"workitems/jobId/job-1/task1/wd/{name}" for name in LINKS)])
def test_bad_input_path_that_climbs_out_of_a_node(task: RawBatch, path: str):
    """The same through the files of the node, whose root is the wall there; what stays inside is no file."""
    node = task.call("GET", "/jobs/jobId/tasks/task1").json["nodeInfo"]["nodeId"]
    answer = task.call("GET", f"/pools/p/nodes/{node}/files/{path}")
    assert answer.code in {"InvalidUri", "FileNotFound"}
    assert b"root:" not in answer.body


def test_bad_input_links_are_not_listed(task: RawBatch):
    """A list shows no link that leads out, no pipe and no loop."""
    names = {item["name"] for item in task.call("GET", f"{FILES}?recursive=true").json["value"]}
    assert names == {"stdout.txt", "stderr.txt", "wd", "wd/testFile.txt", "wd/hole", "wd/folder.d"}


@pytest.mark.parametrize("value", ["0", "-5", "1001", "x", "9" * 5000])
def test_bad_input_maxresults(task: RawBatch, value: str):
    """A page of files has 1 to 1000 of them."""
    refused(task.call("GET", f"{FILES}?maxresults={value}"), 400, "InvalidQueryParameterValue")


@pytest.mark.parametrize("value", ["name eq 'x'", "startswith(size,'x')", "startswith(name,", "(" * 3000, "9" * 5000])
def test_bad_input_filter(task: RawBatch, value: str):
    """A filter that this list has not is refused."""
    answer = task.call("GET", f"{FILES}?$filter={requests.utils.quote(value)}")
    assert answer.status == 400, answer.body
    assert answer.code in {"InvalidQueryParameterValue", "UnsupportedQueryParameter"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nonsense", b'{"id": "\xff"}', b'"t"', b'{"id": 5}', b"[" * 100_000], ids=range(8)
)
def test_bad_input_malformed_json(batch: RawBatch, body: bytes):
    """A body that is no task is refused, and there is no task."""
    batch.make_job("j")
    refused(batch.call("POST", "/jobs/j/tasks", body), 400, "InvalidRequestBody")
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []


@pytest.mark.parametrize("id", ["", "x" * 65, "a b", "a/b", "a.b", "a:b", "é", "..", "a\u0000"])
def test_bad_input_id(batch: RawBatch, id: str):
    """An id has 1 to 64 letters, digits, hyphens and underscores, a pool's, a job's and a task's alike."""
    batch.make_job("j")
    pool = {"id": id, "vmSize": "standard_d2_v3", "virtualMachineConfiguration": {}}
    for path, body in (
        ("/jobs/j/tasks", {"id": id, "commandLine": "/bin/true"}),
        ("/jobs", {"id": id, "poolInfo": {"poolId": "p"}}),
        ("/pools", pool),
    ):
        answer = batch.call("POST", path, body)
        assert answer.status == 400, (path, answer.body)
        assert answer.code in {"InvalidPropertyValue", "InvalidRequestBody", "MissingRequiredProperty"}
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []
    assert [job["id"] for job in batch.call("GET", "/jobs").json["value"]] == ["j"]


@pytest.mark.parametrize("path", ["tasks", "addtaskcollection"])
def test_bad_input_body_over_1_mb(batch: RawBatch, path: str):
    """RequestBodyTooLarge, and there is no task."""
    batch.make_job("j")
    task: dict[str, Any] = {"id": "t", "commandLine": "x" * 1_100_000}
    body = task if path == "tasks" else {"value": [task]}
    refused(batch.call("POST", f"/jobs/j/{path}", body), 413, "RequestBodyTooLarge")
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []


def test_bad_input_body_over_1_mb_in_chunks(server: RunningServer, batch: RawBatch):
    """A body that does not say its length is counted as it comes."""
    batch.make_job("j")
    address = urlsplit(server.batch)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    pieces = [b'{"id": "t", "commandLine": "', *[b"x" * 65536] * 20, b'"}']
    headers = {"Authorization": bearer(account=batch.account), "Content-Type": "application/json"}
    connection.request("POST", "/jobs/j/tasks?api-version=2025-06-01", iter(pieces), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (413, "RequestBodyTooLarge")
    connection.close()
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []


def test_bad_input_over_100_tasks(batch: RawBatch):
    """A collection has at most 100 tasks, and none of them is added."""
    batch.make_job("j")
    tasks = [{"id": f"t{number}", "commandLine": "/bin/true"} for number in range(101)]
    answer = batch.call("POST", "/jobs/j/addtaskcollection", {"value": tasks})
    assert (answer.status, answer.code) in {(400, "InvalidPropertyValue"), (400, "InvalidRequestBody")}
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []


@pytest.mark.parametrize("text", ["P" + "9" * 5000 + "D", "PT", "5 days", "-P1D", "P1.5D"])
def test_bad_input_duration(batch: RawBatch, text: str):
    """A time that is none, or of too many digits, is refused, and there is no task."""
    batch.make_job("j")
    task = {"id": "t", "commandLine": "/bin/true", "constraints": {"maxWallClockTime": text}}
    refused(batch.call("POST", "/jobs/j/tasks", task), 400, "InvalidPropertyValue")
    assert batch.call("GET", "/jobs/j/tasks").json["value"] == []


# -- the real client -----------------------------------------------------------------------------------------------


def test_client_gets_a_file_and_parts_of_it(server: RunningServer, task: RawBatch):
    """azure-batch for Python reads a file, a range of it, and its properties."""
    client = batch_client(server, task.account, retries=0)
    whole = b"".join(client.download_task_file("jobId", "task1", "wd/testFile.txt"))
    part = b"".join(client.download_task_file("jobId", "task1", "wd\\testFile.txt", ocp_range="bytes=5-9"))
    assert (whole, part) == (TEXT, TEXT[5:10])
    properties = client.get_task_file_properties("jobId", "task1", "wd/testFile.txt")
    assert (properties.content_length, properties.is_directory) == (len(TEXT), False)
    assert properties.url.endswith("/files/wd%2FtestFile.txt")


@pytest.mark.parametrize(
    ("path", "conditions", "status"),
    [
        ("none.txt", {}, 404), ("../../../etc/passwd", {}, 400), ("stdout.txt", {"ocp_range": "bytes=99-"}, 416),
        ("stdout.txt", {"if_modified_since": datetime.now(UTC) + timedelta(hours=1)}, 304),
        ("stdout.txt", {"if_unmodified_since": datetime(2001, 1, 1, tzinfo=UTC)}, 412),
    ],
)  # fmt: skip
def test_client_is_told_what_is_wrong(
    server: RunningServer, task: RawBatch, path: str, conditions: dict[str, Any], status: int
):
    """Its own exception has the status; the client does not read the body of a download that is refused."""
    client = batch_client(server, task.account, retries=0)
    with pytest.raises(exceptions.HttpResponseError) as caught:
        b"".join(client.download_task_file("jobId", "task1", path, **conditions))
    assert caught.value.status_code == status
