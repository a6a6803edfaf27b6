"""Bodies of answers, element for element: no other than described for the version, and each that is described.

The descriptions stand beside the specifications (LINARITE_SPECS). What older versions do not tell yet is of the
service's own pages.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import jwt
import pytest
from tests.clients.test_azure_files_described import DESCRIPTIONS, FIGURES, NEWEST
from tests.support.azure_files import KEY, FileService, Raw, file_service

from linarite.faces.azure_files.versions import KNOWN

META = {"x-ms-meta-a": "b"}
FILE = {"x-ms-type": "file", "x-ms-content-length": "4096"}
RANGE = {"x-ms-write": "update"}
LEASED = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1"}
ACL = (
    b"<SignedIdentifiers><SignedIdentifier><Id>p</Id><AccessPolicy><Start>2020-01-01</Start><Expiry>2099-01-01</Expiry>"
    b"<Permission>r</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
)
METRICS = "<{0}><Version>1.0</Version><Enabled>true</Enabled><IncludeAPIs>true</IncludeAPIs><RetentionPolicy>\
<Enabled>true</Enabled><Days>3</Days></RetentionPolicy></{0}>"
CORS = "<Cors><CorsRule><AllowedOrigins>*</AllowedOrigins><AllowedMethods>GET</AllowedMethods><AllowedHeaders>a\
</AllowedHeaders><ExposedHeaders>*</ExposedHeaders><MaxAgeInSeconds>5</MaxAgeInSeconds></CorsRule></Cors>"
SETTINGS = (
    f"<StorageServiceProperties>{METRICS.format('HourMetrics')}{METRICS.format('MinuteMetrics')}{CORS}"
    "</StorageServiceProperties>"
).encode()
NEVER = {
    "Properties/AccessTierTransitionState": "a tier is another one at once",
    "Entries/Handle": "no SMB client holds any",
    "Entries/BlockDevice": "what is no file, directory or link is not shown: no request can make it",
    "Entries/CharDevice": "the same",
    "Entries/Fifo": "the same",
    "Entries/Socket": "the same",
}
"""Described elements that no body here has, and why."""
LISTING = "?restype=directory&comp=list&include=Timestamps,Etag,Attributes,PermissionKey&prefix=%EF%BF%BE"
BODIES = {
    "Service_GetProperties": ("?restype=service&comp=properties",),
    "Service_ListSharesSegment": (
        "?comp=list&include=snapshots,metadata,deleted&maxresults=50&marker=Ly8%3D&prefix=s",
    ),
    "Share_GetAccessPolicy": ("smb?restype=share&comp=acl",),
    "Share_GetStatistics": ("smb?restype=share&comp=stats",),
    "Directory_ListFilesAndDirectoriesSegment": (
        f"smb{LISTING}",
        "smb/d%EF%BF%BE?restype=directory&comp=list&maxresults=9&marker=YQ%3D%3D&sharesnapshot={snapshot}",
        "smb?restype=directory&comp=list&include=Timestamps,Etag,Attributes,PermissionKey",
        "snfs?restype=directory&comp=list&include=all",
    ),
    "Directory_ListHandles": ("smb?comp=listhandles",),
    "File_ListHandles": ("smb/f?comp=listhandles",),
    "File_GetRangeList": (
        "smb/f?comp=rangelist&maxresults=1", "smb/f?comp=rangelist&prevsharesnapshot={snapshot}",
    ),
    "File_GetHardLinks": ("snfs?comp=hardlinks&fileid={id}",),
}  # fmt: skip
"""Requests whose bodies together have all that an operation can tell."""


@cache
def description(version: str) -> dict[str, Any]:
    text = (Path(os.environ["LINARITE_SPECS"]) / "azure-files" / DESCRIPTIONS[version]).read_text()
    found: dict[str, Any] = json.loads(text)
    return found


class Elements:
    """What a description says of the elements in a body."""

    def __init__(self, version: str) -> None:
        self.document = description(version)

    def of(self, operation: str) -> dict[str, Any]:
        """The schema of an operation's body; empty when this version has none."""
        for path in (*self.document["paths"].values(), *self.document["x-ms-paths"].values()):
            for found in path.values():
                if isinstance(found, dict) and found.get("operationId") == operation:
                    return self.resolved(found["responses"]["200"]["schema"])
        return {}

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema itself, with the name that the reference to it has."""
        own = schema.get("xml", {})
        while "$ref" in schema:
            schema = self.document["definitions"][schema["$ref"].rpartition("/")[2]]
        return {**schema, "xml": {**schema.get("xml", {}), **own}}

    def within(self, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The elements that may stand in one; those of a list stand for themselves."""
        if schema.get("type") == "array":
            item = self.resolved(schema["items"])
            return {self._named(schema["items"], item): item}
        found: dict[str, dict[str, Any]] = {}
        for name, prop in schema.get("properties", {}).items():
            part = self.resolved(prop)
            if part["xml"].get("attribute") or part["xml"].get("x-ms-text"):
                continue
            if part.get("type") == "array" and not part["xml"].get("wrapped"):
                found.update(self.within(part))
            else:
                found[part["xml"].get("name", name)] = part
        return found

    def _named(self, reference: dict[str, Any], item: dict[str, Any]) -> str:
        name: str = item["xml"].get("name") or reference["$ref"].rpartition("/")[2]
        return name

    def compare(self, element: ET.Element, schema: dict[str, Any], told: set[str]) -> Iterator[str]:
        """What is not described; what is goes to `told`, by its parent's name and its own."""
        known = self.within(schema)
        for child in element:
            told.add(f"{element.tag}/{child.tag}")
            if child.tag in known:
                yield from self.compare(child, known[child.tag], told)
            elif not schema.get("additionalProperties"):
                yield f"{element.tag}/{child.tag}"

    def all_of(self, tag: str, schema: dict[str, Any]) -> Iterator[str]:
        """Every element that is described and can be, by its parent's name and its own."""
        for name, part in self.within(schema).items():
            if f"{tag}/{name}" not in NEVER:
                yield f"{tag}/{name}"
                yield from self.all_of(name, part)


class Account:
    """One with everything that bodies can tell of; `known` stands in for words of requests."""

    def __init__(self, service: FileService, version: str, name: str = "b") -> None:
        self.raw, self.version = Raw(service, f"{name}{version.replace('-', '')}"), version
        self.known: dict[str, str] = {}
        self._fill()

    def __call__(
        self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> httpx.Response:
        answer = self.ask(method, path, headers, body)
        assert answer.status_code < 300, answer.text
        return answer

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> httpx.Response:
        for name, value in self.known.items():
            path = path.replace(f"{{{name}}}", value)
        return self.raw(method, path, {"x-ms-version": self.version, **(headers or {})}, body)

    def _fill(self) -> None:
        new = {"x-ms-version": NEWEST}
        self("PUT", "?restype=service&comp=properties", new, SETTINGS)
        for share, headers in (
            ("smb", META),
            ("snfs", {"x-ms-enabled-protocols": "NFS"}),
            ("sv2", FIGURES),
            ("sgone", {}),
        ):
            self("PUT", f"{share}?restype=share", {**new, **headers})
        self("PUT", "smb?restype=share&comp=acl", new, ACL)
        self("PUT", "smb?restype=share&comp=lease", {**new, **LEASED})
        for name in ("f", "g%EF%BF%BE"):
            self("PUT", f"smb/{name}", {**new, **FILE})
        self("PUT", "smb/d%EF%BF%BE?restype=directory", new)
        self("PUT", "smb/f?comp=range", {**new, **RANGE, "x-ms-range": "bytes=0-3"}, b"data")
        self.known["snapshot"] = self("PUT", "smb?restype=share&comp=snapshot", new).headers["x-ms-snapshot"]
        self("PUT", "smb/f?comp=range", {**new, "x-ms-write": "clear", "x-ms-range": "bytes=0-511"})
        for at in (1024, 3072):
            self("PUT", "smb/f?comp=range", {**new, **RANGE, "x-ms-range": f"bytes={at}-{at + 3}"}, b"data")
        self("DELETE", "sgone?restype=share", new)
        self.known["id"] = self("PUT", "snfs/f", {**new, **FILE}).headers["x-ms-file-id"]
        self("PUT", "snfs/g?restype=hardlink", {**new, "x-ms-type": "file", "x-ms-file-target-file": "f"})
        self("PUT", "snfs/l?restype=symboliclink", {**new, "x-ms-link-text": "f"})
        self("PUT", "snfs/d?restype=directory", new)

    def body(self, path: str) -> ET.Element:
        return ET.fromstring(self("GET", path).content.removeprefix(b"\xef\xbb\xbf"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(scope="module")
def accounts(service: FileService) -> dict[str, Account]:
    return {version: Account(service, version) for version in DESCRIPTIONS}


@pytest.mark.specs
@pytest.mark.parametrize("operation", BODIES)
@pytest.mark.parametrize("version", DESCRIPTIONS)
def test_a_body_has_the_elements_that_are_described(
    service: FileService, accounts: dict[str, Account], version: str, operation: str
) -> None:
    """None that is not, and all that are but for those named with the reason. What a version has not, it refuses."""
    elements, account = Elements(version), accounts[version]
    schema = elements.of(operation)
    if not schema:
        refused = [account.ask("GET", path) for path in BODIES[operation]]
        assert {answer.status_code for answer in refused} == {400}
        assert {answer.headers["x-ms-error-code"] for answer in refused} == {"InvalidQueryParameterValue"}
        assert all("<QueryParameterName>comp</QueryParameterName>" in answer.text for answer in refused)
        return
    told, premium = set[str](), Raw(service, "premium")
    if operation == "Service_ListSharesSegment":
        premium("PUT", "share?restype=share")
        found = ET.fromstring(premium("GET", "?comp=list", {"x-ms-version": version}).content)
        assert not list(elements.compare(found, schema, told))
    for path in BODIES[operation]:
        if "include=all" in path and version < NEWEST:
            continue
        body = account.body(path)
        assert not list(elements.compare(body, schema, told))
        tag = body.tag
    assert set(elements.all_of(tag, schema)) - told == set()
    assert not told & set(NEVER)


@pytest.mark.specs
def test_a_key_for_user_delegation_has_the_elements_that_are_described(service: FileService) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    claims = {"aud": "https://storage.azure.com", "exp": until, "oid": "o", "tid": "t"}
    token = jwt.encode(claims, base64.b64decode(KEY), algorithm="HS256")
    answer = httpx.post(
        f"{service.url}/devaccount/?restype=service&comp=userdelegationkey", trust_env=False,
        headers={"Authorization": f"Bearer {token}", "x-ms-version": NEWEST},
        content=f"<KeyInfo><Expiry>{until:%Y-%m-%dT%H:%M:%SZ}</Expiry><DelegatedUserTid>t</DelegatedUserTid></KeyInfo>",
    )  # fmt: skip
    elements, told, body = Elements(NEWEST), set[str](), ET.fromstring(answer.content)
    schema = elements.of("Service_GetUserDelegationKey")
    assert not list(elements.compare(body, schema, told))
    assert set(elements.all_of(body.tag, schema)) == told


SHARES = "?comp=list&include=deleted,metadata"
SINCE = [
    ("HEAD", "premium/share?restype=share", "x-ms-share-provisioned-iops", "2019-07-07"),
    ("HEAD", "premium/share?restype=share", "x-ms-share-provisioned-ingress-mbps", "2019-07-07"),
    ("HEAD", "premium/share?restype=share", "x-ms-share-provisioned-egress-mbps", "2019-07-07"),
    ("HEAD", "premium/share?restype=share", "x-ms-share-next-allowed-quota-downgrade-time", "2019-07-07"),
    ("HEAD", "premium/share?restype=share", "x-ms-share-provisioned-bandwidth-mibps", "2021-02-12"),
    ("HEAD", "premium/share?restype=share", "x-ms-share-included-burst-iops", "2025-01-05"),
    ("HEAD", "smb?restype=share", "x-ms-access-tier", "2019-12-12"),
    ("HEAD", "smb?restype=share", "x-ms-access-tier-change-time", "2019-12-12"),
    ("HEAD", "smb?restype=share", "x-ms-lease-state", "2020-02-10"),
    ("HEAD", "smb?restype=share", "x-ms-lease-status", "2020-02-10"),
    ("HEAD", "smb?restype=share", "x-ms-lease-duration", "2020-02-10"),
    ("HEAD", "smb?restype=share", "x-ms-enabled-protocols", "2020-02-10"),
    ("HEAD", "snfs?restype=share", "x-ms-root-squash", "2020-02-10"),
    ("HEAD", "sv2?restype=share", "x-ms-enable-snapshot-virtual-directory-access", "2023-08-03"),
    ("HEAD", "sv2?restype=share", "x-ms-share-paid-bursting-enabled", "2024-11-04"),
    ("HEAD", "sv2?restype=share", "x-ms-enable-smb-directory-lease", "2025-05-05"),
    ("PUT", "smb?restype=share&comp=properties", "x-ms-share-quota", "2025-01-05"),
    ("PUT", "smb?comp=forceclosehandles", "x-ms-number-of-handles-failed", "2019-07-07"),
    ("HEAD", "snfs/f", "x-ms-mode", "2025-05-05"),
    ("HEAD", "snfs/f", "x-ms-link-count", "2025-05-05"),
    ("GET", SHARES, "<AccessTier>", "2019-12-12"),
    ("GET", SHARES, "<DeletedTime>", "2019-12-12"),
    ("GET", SHARES, "<LeaseState>", "2020-02-10"),
    ("GET", SHARES, "<EnabledProtocols>", "2020-02-10"),
    ("GET", SHARES, "<RootSquash>", "2020-02-10"),
    ("GET", SHARES, "<EnableSnapshotVirtualDirectoryAccess>", "2023-08-03"),
    ("GET", "?restype=service&comp=properties", "<Multichannel>", "2020-02-10"),
    ("GET", "?restype=service&comp=properties", "<EncryptionInTransit>", "2026-02-06"),
    ("GET", "?restype=service&comp=properties", "<NFS>", "2026-02-06"),
    ("GET", "smb?restype=directory&comp=list&include=etag", "<Etag>", "2020-04-08"),
    ("GET", "smb?restype=directory&comp=list", "<FileId>", "2020-10-02"),
    ("GET", "snfs?restype=directory&comp=list", "<SymLink>", "2027-03-07"),
]


@pytest.fixture(scope="module")
def account(service: FileService) -> Account:
    premium = Raw(service, "premium")
    premium("PUT", "share?restype=share")
    return Account(service, NEWEST, "since")


def is_told(account: Account, method: str, path: str, name: str, version: str) -> bool:
    raw, fields = account.raw, {"x-ms-version": version}
    if path.startswith("premium/"):
        raw, path = Raw(raw.service, "premium"), path.removeprefix("premium/")
    answer = raw(
        method, path, {**fields, "x-ms-handle-id": "*", **({"x-ms-share-quota": "9"} if "comp=prop" in path else {})}
    )
    assert answer.status_code < 300, answer.text
    return name in answer.text if name.startswith("<") else name in answer.headers


@pytest.mark.parametrize(("method", "path", "name", "since"), SINCE)
def test_what_is_told_from_a_version_on(account: Account, method: str, path: str, name: str, since: str) -> None:
    """By that version and the newest, and not by the one before it."""
    before = KNOWN[KNOWN.index(since) - 1]
    assert [is_told(account, method, path, name, each) for each in (before, since, NEWEST)] == [False, True, True]


LEASE = {"x-ms-lease-action": "break"}
RENAME = {"x-ms-file-rename-source": "{url}/{account}/smb/f"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "since"),
    [
        ("PUT", "smb/f?comp=lease", LEASE, "2019-07-07"),
        ("PUT", "snfs?restype=share&comp=lease", LEASE, "2020-02-10"),
        ("PUT", "sgone?restype=share&comp=undelete", {}, "2019-12-12"),
        ("GET", "smb/f?comp=rangelist&prevsharesnapshot={snapshot}", {}, "2020-02-10"),
        ("PUT", "smb/h?comp=rename", RENAME, "2021-04-10"),
        ("PUT", "smb/h?restype=directory&comp=rename", RENAME, "2021-04-10"),
        ("GET", "snfs/l?restype=symboliclink", {}, "2025-05-05"),
        ("PUT", "snfs/m?restype=symboliclink", {"x-ms-link-text": "f"}, "2025-05-05"),
        ("GET", "snfs?comp=hardlinks&fileid=1", {}, "2027-03-07"),
        ("POST", "?restype=service&comp=userdelegationkey", {}, "2025-07-05"),
    ],
)  # fmt: skip
def test_an_operation_is_of_its_versions(
    account: Account, method: str, path: str, headers: dict[str, str], since: str
) -> None:
    """An older one is refused, as an unknown parameter; nothing is done."""
    before = KNOWN[KNOWN.index(since) - 1]
    path = path.replace("{snapshot}", account.known["snapshot"])
    fields = {
        name: value.format(url=account.raw.service.url, account=account.raw.account) for name, value in headers.items()
    }
    old = account.raw(method, path, {"x-ms-version": before, **fields})
    assert (old.status_code, old.headers["x-ms-error-code"]) == (400, "InvalidQueryParameterValue")
    assert f"Known from version {since} on." in old.text
    new = account.raw(method, path, {"x-ms-version": since, **fields})
    assert "Known from version" not in new.text
