"""Every operation of the descriptions, done with success: its headers are those described for its version, no others.

Each request is signed by hand, as no client speaks every version. The descriptions stand beside the specifications
(LINARITE_SPECS): one for the version 2025-01-05, one for the newest.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import httpx
import jwt
import msgspec
import pytest
from azure.storage.fileshare import ShareSasPermissions, generate_share_sas
from tests.support.azure_files import KEY, FileService, Raw, file_service
from tests.support.origin import running_origin

OLD, NEWEST = "2025-01-05", "2027-03-07"
DESCRIPTIONS = {OLD: "file-2025-01-05.json", NEWEST: "file-2027-03-07.reconstructed.json"}
COMMON = {"server", "date", "x-ms-request-id", "x-ms-version", "content-length", "x-ms-client-request-id"}
"""Headers of every answer. Source: NOTES 2."""
TYPED = {"content-type"}
"""Every answer with a body tells what it is [R]; few descriptions say so."""
NFS = {"x-ms-mode", "x-ms-owner", "x-ms-group", "x-ms-file-file-type", "x-ms-link-count"}
SMB = {"x-ms-file-attributes", "x-ms-file-permission-key"}
"""A file has the properties of its share's protocol."""
COPY = {f"x-ms-copy-{name}" for name in ("id", "source", "status", "progress", "completion-time")}
CONTENT = {"cache-control", "content-disposition", "content-encoding", "content-language", "content-md5"}
STRUCTURED = {"x-ms-structured-body", "x-ms-structured-content-length"}
RANGED = {"content-range", "x-ms-content-md5"}
PROVISIONED = {
    f"x-ms-share-{name}"
    for name in ("provisioned-iops", "provisioned-bandwidth-mibps", "included-burst-iops", "max-burst-credits-for-iops")
}
LOWERED = {
    f"x-ms-share-next-allowed-{name}-downgrade-time" for name in ("quota", "provisioned-iops", "provisioned-bandwidth")
}
OF_V1 = {"x-ms-share-provisioned-egress-mbps", "x-ms-share-provisioned-ingress-mbps"}
USED = {"x-ms-file-share-usage-bytes", "x-ms-file-share-snapshot-usage-bytes"}
BURSTING = {f"x-ms-share-paid-bursting-{name}" for name in ("enabled", "max-iops", "max-bandwidth-mibps")}
VIEWED = {"x-ms-enable-snapshot-virtual-directory-access", "x-ms-enable-smb-directory-lease"}

NO_CONTENT = 204
NEVER = {
    "x-ms-access-tier-transition-state": "a tier is another one at once",
    "x-ms-copy-status-description": "only of a copy that failed; tests/clients/test_azure_files_elsewhere.py",
    "x-ms-marker": "there are never more handles to close than one answer names",
}
"""Described headers that no successful request here can have, and why."""
UNDESCRIBED = {
    "Share_GetProperties": {"x-ms-has-immutability-policy", "x-ms-has-legal-hold"},  # recorded in the real service [R]
    "File_Download": {"x-ms-type"},  # recorded [R]; the page "Get File" has it
    "File_UploadRange": {"x-ms-content-crc64"},  # a client's checksum is told back; the page "Put Range" has it
    "File_BreakLease": {"x-ms-lease-time"},  # recorded: a file's lease breaks at once [R]; newer descriptions have it
    "Directory_SetMetadata": {"last-modified"},  # recorded [R]; newer descriptions have it
    "File_SetMetadata": {"last-modified"},
}
"""Headers beside the described ones, seen on the wire or on an operation's page."""

MD5 = base64.b64encode(bytes(16)).decode()
BODY = bytes(range(256)) * 4
RANGE = {"x-ms-write": "update", "x-ms-range": "bytes=0-1023"}
STORED = {
    "x-ms-cache-control": "no-store", "x-ms-content-disposition": "attachment", "x-ms-content-encoding": "identity",
    "x-ms-content-language": "en", "x-ms-content-md5": MD5, "x-ms-content-type": "text/plain",
}  # fmt: skip
FILE = {"x-ms-type": "file", "x-ms-content-length": "1024"}
META = {"x-ms-meta-a": "b"}
LEASE, OTHER = "6a2e1d2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b", "7a2e1d2b-3c4d-4e5f-8a9b-0c1d2e3f4a5b"
CHECKED = {"x-ms-structured-body": "XSM/1.0; properties=crc64"}
TAKEN = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": LEASE}
OWN = {"x-ms-lease-id": LEASE}


class Case(msgspec.Struct, frozen=True):
    """A request that does an operation, the described headers that do not apply to it, and versions that know it."""

    operation: str
    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes = b""
    without: set[str] = set()
    since: str = OLD


def leased(kind: str, path: str) -> Iterator[Case]:
    """What is done to a lease, in this order."""
    anew = {"x-ms-lease-action": "change", **OWN, "x-ms-proposed-lease-id": OTHER}
    yield Case(f"{kind}_AcquireLease", "PUT", path, TAKEN)
    if kind == "Share":
        yield Case("Share_RenewLease", "PUT", path, {"x-ms-lease-action": "renew", **OWN})
    yield Case(f"{kind}_ChangeLease", "PUT", path, anew)
    # the id of a broken lease is its holder's alone [R]; the descriptions name it all the same
    yield Case(f"{kind}_BreakLease", "PUT", path, {"x-ms-lease-action": "break"}, without={"x-ms-lease-id"})
    yield Case(f"{kind}_ReleaseLease", "PUT", path, {"x-ms-lease-action": "release", "x-ms-lease-id": OTHER})


SERVICE = "?restype=service&comp=properties"
PERMISSION = b'{"permission":"O:SYG:SYD:(A;;FA;;;SY)"}'
EMPTY = b"<StorageServiceProperties />"
FIGURES = {
    "x-ms-share-provisioned-iops": "1000", "x-ms-share-provisioned-bandwidth-mibps": "100",
    "x-ms-share-paid-bursting-enabled": "true", "x-ms-share-paid-bursting-max-iops": "5000",
    "x-ms-share-paid-bursting-max-bandwidth-mibps": "500", "x-ms-enable-snapshot-virtual-directory-access": "true",
    "x-ms-enable-smb-directory-lease": "true",
}  # fmt: skip
HANDLES = {"x-ms-handle-id": "*"}
COPIED = {"x-ms-copy-source": "{url}/smb/source"}

SHARED = (
    Case("Service_SetProperties", "PUT", SERVICE, body=EMPTY),
    Case("Service_GetProperties", "GET", SERVICE),
    Case("Service_ListSharesSegment", "GET", "?comp=list"),
    Case("Share_Create", "PUT", "made?restype=share", FIGURES),
    Case("Share_Create", "PUT", "plain?restype=share", without=PROVISIONED),
    Case("Share_SetProperties", "PUT", "made?restype=share&comp=properties", FIGURES),
    Case("Share_SetProperties", "PUT", "plain?restype=share&comp=properties", without=PROVISIONED | LOWERED),
    Case("Share_SetMetadata", "PUT", "made?restype=share&comp=metadata", META),
    *leased("Share", "made?restype=share&comp=lease"),
    Case("Share_AcquireLease", "PUT", "made?restype=share&comp=lease", TAKEN),
    # a root is squashed on shares of NFS alone; what the size of a share brings in and out is of provisioned v1
    Case("Share_GetProperties", "GET", "made?restype=share", without={"x-ms-root-squash"} | OF_V1),
    Case("Share_CreateSnapshot", "PUT", "made?restype=share&comp=snapshot"),
    Case("Share_CreatePermission", "PUT", "made?restype=share&comp=filepermission", body=PERMISSION),
    Case("Share_GetPermission", "GET", "made?restype=share&comp=filepermission", {"x-ms-file-permission-key": "{key}"}),
    Case("Share_SetAccessPolicy", "PUT", "made?restype=share&comp=acl", body=b"<SignedIdentifiers />"),
    Case("Share_GetAccessPolicy", "GET", "made?restype=share&comp=acl"),
    Case("Share_GetStatistics", "GET", "made?restype=share&comp=stats"),
    Case("Share_Delete", "DELETE", "made?restype=share", {"x-ms-delete-snapshots": "include", **OWN}),
    Case("Share_Delete", "DELETE", "plain?restype=share", without=USED),
    Case("Share_Restore", "PUT", "made?restype=share&comp=undelete",
         {"x-ms-deleted-share-name": "made", "x-ms-deleted-share-version": "{deleted}"}),
)  # fmt: skip
"""What is done to an account and its shares, in this order."""
OF_NFS = (
    Case("Share_GetProperties", "GET", "nfs?restype=share", without=(
        {"x-ms-lease-duration", "x-ms-meta"} | PROVISIONED | LOWERED | OF_V1 | BURSTING | VIEWED)),
    Case("Directory_Create", "PUT", "nfs/d?restype=directory", META, without=SMB, since=NEWEST),
    Case("Directory_SetProperties", "PUT", "nfs/d?restype=directory&comp=properties", without=SMB, since=NEWEST),
    Case("Directory_GetProperties", "GET", "nfs/d?restype=directory", without=SMB, since=NEWEST),
    Case("File_Create", "PUT", "nfs/f", FILE, without=SMB | {"content-md5", "x-ms-structured-body"}, since=NEWEST),
    Case("File_SetHTTPHeaders", "PUT", "nfs/f?comp=properties", {**STORED, "x-ms-content-length": "1024"}, without=SMB,
         since=NEWEST),
    Case("File_SetMetadata", "PUT", "nfs/f?comp=metadata", META, since=NEWEST),
    Case("File_AcquireLease", "PUT", "nfs/f?comp=lease", TAKEN, since=NEWEST),
    Case("File_GetProperties", "HEAD", "nfs/f", without=SMB | COPY, since=NEWEST),
    Case("File_Download", "GET", "nfs/f", without=SMB | COPY | RANGED | STRUCTURED, since=NEWEST),
    Case("File_CreateHardLink", "PUT", "nfs/g?restype=hardlink",
         {"x-ms-type": "file", "x-ms-file-target-file": "f", **OWN}, since=NEWEST),
    Case("File_CreateSymbolicLink", "PUT", "nfs/l?restype=symboliclink", {"x-ms-link-text": "f"}, since=NEWEST),
    Case("File_GetSymbolicLink", "GET", "nfs/l?restype=symboliclink", since=NEWEST),
    Case("File_GetHardLinks", "GET", "nfs?comp=hardlinks&fileid={id}", without=SMB | COPY, since=NEWEST),
    Case("File_Delete", "DELETE", "nfs/g", OWN, since=NEWEST),
)  # fmt: skip
OF_SMB = (
    Case("Directory_Create", "PUT", "smb/d?restype=directory", META, without=NFS),
    Case("Directory_GetProperties", "GET", "smb/d?restype=directory", without=NFS),
    Case("Directory_SetProperties", "PUT", "smb/d?restype=directory&comp=properties", without=NFS),
    Case("Directory_SetMetadata", "PUT", "smb/d?restype=directory&comp=metadata", META),
    Case("Directory_ListFilesAndDirectoriesSegment", "GET", "smb/d?restype=directory&comp=list"),
    Case("Directory_ListHandles", "GET", "smb/d?comp=listhandles"),
    Case("Directory_ForceCloseHandles", "PUT", "smb/d?comp=forceclosehandles", HANDLES),
    Case("Directory_Rename", "PUT", "smb/e?restype=directory&comp=rename", {"x-ms-file-rename-source": "{url}/smb/d"}),
    Case("Directory_Delete", "DELETE", "smb/e?restype=directory"),
    Case("File_Create", "PUT", "smb/source", FILE, without=NFS | {"content-md5", "x-ms-structured-body"}),
    Case("File_Create", "PUT", "smb/f", FILE, BODY, NFS | {"x-ms-structured-body"}, NEWEST),
    Case("File_UploadRange", "PUT", "smb/source?comp=range", RANGE, BODY, {"x-ms-structured-body"}),
    Case("File_SetHTTPHeaders", "PUT", "smb/source?comp=properties", {**STORED, "x-ms-content-length": "1024"},
         without=NFS),
    Case("File_SetMetadata", "PUT", "smb/source?comp=metadata", META),
    Case("File_StartCopy", "PUT", "smb/f", COPIED),
    *leased("File", "smb/f?comp=lease"),
    Case("File_AcquireLease", "PUT", "smb/f?comp=lease", TAKEN),
    Case("File_GetProperties", "HEAD", "smb/f", without=NFS),
    Case("File_Download", "GET", "smb/f", without=NFS | RANGED | STRUCTURED),
    Case("File_Download", "GET", "smb/f", {"x-ms-range": "bytes=0-9", "x-ms-range-get-content-md5": "true"},
         without=NFS | STRUCTURED),
    Case("File_Download", "GET", "smb/f", CHECKED, without=NFS | RANGED),
    Case("File_GetRangeList", "GET", "smb/f?comp=rangelist"),
    Case("File_UploadRange", "PUT", "smb/f?comp=range", {"x-ms-write": "clear", "x-ms-range": "bytes=0-511", **OWN},
         # nothing was sent that could have a checksum or be encrypted [R]
         without={"content-md5", "x-ms-structured-body", "x-ms-request-server-encrypted"}),
    # the checksum of a range from elsewhere is its CRC64 [R]
    Case("File_UploadRangeFromURL", "PUT", "smb/f?comp=range",
         {**RANGE, "x-ms-copy-source": "{url}/smb/source?{sas}", "x-ms-source-range": "bytes=0-1023", **OWN},
         without={"content-md5"}),
    Case("File_ListHandles", "GET", "smb/f?comp=listhandles"),
    Case("File_ForceCloseHandles", "PUT", "smb/f?comp=forceclosehandles", HANDLES),
    Case("File_Rename", "PUT", "smb/g?comp=rename",
         {"x-ms-file-rename-source": "{url}/smb/f", "x-ms-source-lease-id": LEASE}, without=NFS),
    Case("File_Delete", "DELETE", "smb/g", OWN, without=NFS),
)  # fmt: skip
STORIES = {"shared": SHARED, "nfs": OF_NFS, "smb": OF_SMB}


def cases() -> Iterator[tuple[str, str, int]]:
    for version in DESCRIPTIONS:
        for story, told in STORIES.items():
            yield from ((version, story, at) for at, case in enumerate(told) if case.since <= version)


def name_of(at: tuple[str, str, int]) -> str:
    version, story, number = at
    return f"{version}-{story}-{number}-{STORIES[story][number].operation}"


@cache
def described(version: str) -> dict[str, dict[str, set[str]]]:
    """Operation to status to names of headers, in lower case."""
    text = (Path(os.environ["LINARITE_SPECS"]) / "azure-files" / DESCRIPTIONS[version]).read_text()
    document = json.loads(text)
    found: dict[str, dict[str, set[str]]] = {}
    for path in (*document["paths"].values(), *document["x-ms-paths"].values()):
        for method, operation in path.items():
            if method != "parameters":
                found[operation["operationId"]] = {
                    status: {name.lower() for name in response.get("headers", {})}
                    for status, response in operation["responses"].items()
                }
    return found


def told(answer: httpx.Response) -> set[str]:
    """The names of an answer's headers; those of metadata are one."""
    return {"x-ms-meta" if name.startswith("x-ms-meta-") else name for name in answer.headers}


class Account:
    """One whose requests are of one version; what one answer tells, a later request may name."""

    def __init__(self, service: FileService, version: str) -> None:
        self.raw = Raw(service, f"v{version.replace('-', '')}")
        self.version, self.url = version, f"{service.url}/{self.raw.account}"
        self.known = {"url": self.url, "sas": self._sas()}

    def _sas(self) -> str:
        until = datetime.now(UTC) + timedelta(hours=1)
        return generate_share_sas(
            self.raw.account, "smb", KEY, permission=ShareSasPermissions(read=True), expiry=until
        )  # fmt: skip

    def prepare(self) -> None:
        for share, protocol in (("smb", "SMB"), ("nfs", "NFS")):
            self.raw("PUT", f"{share}?restype=share", {"x-ms-enabled-protocols": protocol}).raise_for_status()

    def send(self, case: Case) -> httpx.Response:
        fields = {"x-ms-version": self.version, "x-ms-client-request-id": "asked", **case.headers}
        path, fields = self._filled(case.path), {name: self._filled(value) for name, value in fields.items()}
        answer = self.raw(case.method, path, fields, case.body)
        self.known["key"] = answer.headers.get("x-ms-file-permission-key", self.known.get("key", ""))
        if case.operation == "File_Create" and case.path == "nfs/f":
            self.known["id"] = answer.headers["x-ms-file-id"]
        if case.operation == "Share_Delete":
            listed = self.raw("GET", "?comp=list&include=deleted&prefix=made").text
            self.known["deleted"] = listed.partition("<Version>")[2].partition("<")[0]
        return answer

    def _filled(self, text: str) -> str:
        for name, value in self.known.items():
            text = text.replace(f"{{{name}}}", value)
        return text


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(scope="module")
def answers(service: FileService) -> dict[tuple[str, str, int], httpx.Response]:
    """The answers to all, each story from its beginning to its end."""
    accounts = {version: Account(service, version) for version in DESCRIPTIONS}
    for account in accounts.values():
        account.prepare()
    return {at: accounts[at[0]].send(STORIES[at[1]][at[2]]) for at in cases()}


@pytest.mark.specs
@pytest.mark.parametrize("at", list(cases()), ids=name_of)
def test_an_answer_has_the_headers_that_are_described(
    answers: dict[tuple[str, str, int], httpx.Response], at: tuple[str, str, int]
) -> None:
    """All that apply, none besides; an exception that is none any more is found too."""
    case, answer = STORIES[at[1]][at[2]], answers[at]
    compare(case, at[0], answer)


def compare(case: Case, version: str, answer: httpx.Response) -> None:
    operation = described(version)[case.operation]
    assert str(answer.status_code) in operation, answer.text
    known, found = operation[str(answer.status_code)], told(answer)
    never = {name for name in NEVER if name in known}
    beside = UNDESCRIBED.get(case.operation, set()) | (TYPED if answer.content else set())
    assert found - known - COMMON == (found & beside) - known, "not described"
    assert known - found == (known & case.without) | never, "described, and not there"
    assert not found & case.without, "said not to apply"
    assert COMMON - ({"content-length"} if answer.status_code == NO_CONTENT else set()) <= found
    assert answer.headers["x-ms-version"] == version


@pytest.mark.specs
@pytest.mark.parametrize("version", DESCRIPTIONS)
def test_every_described_operation_is_done(version: str) -> None:
    """Those that no story can do stand in tests of their own."""
    done = {STORIES[story][number].operation for at, story, number in cases() if at == version}
    assert set(described(version)) - done <= {"File_AbortCopy", "Service_GetUserDelegationKey"}


@pytest.mark.specs
def test_a_key_for_user_delegation_has_the_described_headers(service: FileService) -> None:
    now = datetime.now(UTC)
    claims = {"aud": "https://storage.azure.com", "exp": now + timedelta(hours=1), "oid": LEASE, "tid": OTHER}
    token = jwt.encode(claims, base64.b64decode(KEY), algorithm="HS256")
    answer = httpx.post(
        f"{service.url}/devaccount/?restype=service&comp=userdelegationkey", trust_env=False,
        headers={"Authorization": f"Bearer {token}", "x-ms-version": NEWEST, "x-ms-client-request-id": "asked"},
        content=f"<KeyInfo><Expiry>{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}</Expiry></KeyInfo>",
    )  # fmt: skip
    compare(Case("Service_GetUserDelegationKey", "POST", ""), NEWEST, answer)


@pytest.mark.specs
@pytest.mark.parametrize("version", DESCRIPTIONS)
def test_the_end_of_a_copy_has_the_described_headers(tmp_path: Path, version: str) -> None:
    """One from another server goes on after its answer; its source has no more than a MiB before the copy is ended."""
    with running_origin() as origin, file_service(tmp_path, copy_sources=[f"http://{origin.place}"]) as service:
        origin.content = bytes(2 << 20)
        origin.gate.clear()
        account = Account(service, version)
        account.raw("PUT", "aborted?restype=share")
        begun = account.send(Case("", "PUT", "aborted/f", {"x-ms-copy-source": origin.url}))
        assert begun.headers["x-ms-copy-status"] == "pending"
        path = f"aborted/f?comp=copy&copyid={begun.headers['x-ms-copy-id']}"
        ended = account.send(Case("", "PUT", path, {"x-ms-copy-action": "abort"}))
        compare(Case("File_AbortCopy", "PUT", path), version, ended)
