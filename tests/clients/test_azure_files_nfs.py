"""Shares whose protocol is NFS: owners and modes, hard and symbolic links, through the real client; then refusals."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import unquote

import httpx
import pytest
from azure.storage.fileshare import ContentSettings, ShareClient, ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service

SYMBOLIC, HARD = "restype=symboliclink", "restype=hardlink"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def share(service: FileService, request: pytest.FixtureRequest) -> ShareClient:
    client = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
    return client.create_share(f"s{abs(hash(request.node.name)):x}", protocols="NFS")


class Newer(Raw):
    """Requests of a version that knows links."""

    def __call__(self, method: str, path: str, headers: dict[str, str] | None = None, *rest: bytes) -> httpx.Response:
        return super().__call__(method, path, {"x-ms-version": "2025-05-05", **(headers or {})}, *rest)


@pytest.fixture
def raw(service: FileService) -> Raw:
    return Newer(service)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


@pytest.mark.operation(
    "Create File", "Set File Properties", "Create Directory", "Set Directory Properties", "Copy File"
)
def test_owner_group_and_mode_stand_for_attributes(share: ShareClient) -> None:
    """Given, by default, set anew, and copied or not."""
    file = share.get_file_client("f")
    file.create_file(10, owner="345", group="123", file_mode="7777")
    found = file.get_file_properties()
    assert (found.owner, found.group, found.file_mode, found.nfs_file_type) == ("345", "123", "7777", "Regular")
    assert (found.file_attributes, found.permission_key, found.link_count) == (None, None, 1)
    file.set_http_headers(ContentSettings(), owner="0", file_mode="0640")
    found = file.get_file_properties()
    assert (found.owner, found.group, found.file_mode) == ("0", "123", "0640")
    directory = share.create_directory("d").get_directory_properties()
    assert (directory.owner, directory.file_mode, directory.nfs_file_type) == ("0", "0755", "Directory")
    for name, wanted in (("source", ("0", "123", "0640")), ("none", ("0", "0", "0664"))):
        modes = {"file_mode_copy_mode": "source", "owner_copy_mode": "source"} if name == "source" else {}
        copy = share.get_file_client(name)
        copy.start_copy_from_url(file.url, **modes)
        found = copy.get_file_properties()
        assert (found.owner, found.group, found.file_mode) == wanted


@pytest.mark.operation("Create File")
def test_a_mode_may_be_said_in_letters(raw: Raw, share: ShareClient) -> None:
    new = {"x-ms-type": "file", "x-ms-content-length": "1"}
    for text, mode in (("rwxr-x--x", "0751"), ("rwsr-Sr-T", "7744"), ("755", "0755")):
        answer = raw("PUT", f"{share.share_name}/f", {**new, "x-ms-mode": text})
        assert (answer.status_code, answer.headers.get("x-ms-mode")) == (201, mode)


@pytest.mark.operation("Create Hard Link")
def test_a_hard_link_is_the_same_file(service: FileService, share: ShareClient) -> None:
    """Bytes and properties by either name; what is made anew under one leaves the other."""
    share.create_directory("d")
    file, other = share.get_file_client("d/f"), share.get_file_client("d/g")
    file.upload_file(b"one", metadata={"a": "b"})
    made = other.create_hardlink(target="d/f")
    assert (made["link_count"], made["file_file_type"], made["mode"]) == (2, "Regular", "0664")
    assert made["file_id"] == file.get_file_properties().file_id
    other.upload_range(b"two", 0, 3)
    other.set_file_metadata({"c": "d"})
    assert file.download_file().readall() == b"two"
    assert (file.get_file_properties().metadata, file.get_file_properties().link_count) == ({"c": "d"}, 2)
    lease = file.acquire_lease()
    assert other.get_file_properties().lease.state == "leased"
    lease.release()
    other.upload_file(b"three")
    assert file.download_file().readall() == b"two"
    assert file.get_file_properties().link_count == 1
    assert os.stat(service.path(share.share_name, "d/f")).st_nlink == 1


@pytest.mark.operation("Create Hard Link", "Create Symbolic Link", "Get Symbolic Link")
def test_versions_before_links_refuse_them(share: ShareClient, raw: Raw) -> None:
    """Nothing is made; what is there is not told."""
    share.get_file_client("f").create_file(1)
    share.get_file_client("l").create_symlink(target="f")
    old, hard = {"x-ms-version": "2025-01-05"}, {"x-ms-type": "file", "x-ms-file-target-file": "f"}
    for method, name, query, headers in (
        ("PUT", "new", SYMBOLIC, {"x-ms-link-text": "f"}), ("GET", "l", SYMBOLIC, {}), ("PUT", "new", HARD, hard),
    ):  # fmt: skip
        answer = raw(method, f"{share.share_name}/{name}?{query}", {**headers, **old})
        assert code(answer) == (400, "InvalidQueryParameterValue")
        assert "Known from version 2025-05-05 on." in answer.text
    assert raw("HEAD", f"{share.share_name}/new").status_code == 404


@pytest.mark.operation("Create Hard Link")
def test_a_hard_link_names_its_files_lease_or_none(share: ShareClient, raw: Raw) -> None:
    """Another one, or one that is over, is refused, and no name is made."""
    file = share.get_file_client("f")
    file.create_file(1)
    lease = file.acquire_lease()
    own = {"x-ms-lease-id": lease.id}
    headers = {"x-ms-type": "file", "x-ms-file-target-file": "f"}
    other = {**headers, "x-ms-lease-id": "00000000-1111-2222-3333-444444444444"}
    path = f"{share.share_name}/g?{HARD}"
    assert code(raw("PUT", path, other)) == (412, "LeaseIdMismatchWithFileOperation")
    assert raw("HEAD", f"{share.share_name}/g").status_code == 404
    assert raw("PUT", path, {**headers, **own}).status_code == 201
    assert raw("PUT", f"{share.share_name}/h?{HARD}", headers).status_code == 201
    lease.release()
    over = raw("PUT", f"{share.share_name}/i?{HARD}", {**headers, **own})
    assert code(over) == (412, "LeaseNotPresentWithFileOperation")


@pytest.mark.operation("Create Hard Link")
def test_a_file_with_two_names_loses_one(share: ShareClient) -> None:
    share.get_file_client("f").upload_file(b"text", metadata={"a": "b"})
    other = share.get_file_client("g")
    used = share.get_share_stats()
    other.create_hardlink(target="/f")
    assert share.get_share_stats() == used > 0
    share.get_file_client("f").delete_file()
    assert (other.download_file().readall(), other.get_file_properties().metadata) == (b"text", {"a": "b"})
    assert other.get_file_properties().link_count == 1


@pytest.mark.operation("Create Symbolic Link", "Get Symbolic Link", "Delete File")
@pytest.mark.parametrize("text", ["d/f", "../../outside", "/etc/passwd", "grüße & 100%25"])
def test_a_symbolic_link_is_kept_as_it_is(service: FileService, share: ShareClient, raw: Raw, text: str) -> None:
    """It is a link on disk too; the server reads nothing outside by it; it goes and what it leads to stays."""
    share.create_directory("d").upload_file("f", b"text")
    link = share.get_file_client("link")
    path = f"{share.share_name}/link?{SYMBOLIC}"
    headers = {"x-ms-link-text": httpx.URL(f"http://h/{text}").raw_path[1:].decode() if "%" not in text else
               "gr%C3%BC%C3%9Fe%20%26%20100%2525", "x-ms-owner": "345", "x-ms-meta-a": "b"}  # fmt: skip
    if text == "../../outside":
        headers["x-ms-link-text"] = "..%2F..%2Foutside"
    made = raw("PUT", path, headers)
    assert (made.status_code, made.headers["x-ms-file-file-type"], made.headers["x-ms-owner"]) == (
        201,
        "SymLink",
        "345",
    )
    assert unquote(link.get_symlink()["link_text"]) == text
    assert os.readlink(service.path(share.share_name, "link")) == text
    read = raw("GET", f"{share.share_name}/link")
    assert read.content == b"text" if text == "d/f" else read.status_code in {400, 404}
    taken = share.create_snapshot()["snapshot"]
    link.delete_file()
    earlier = raw("GET", f"{path}&sharesnapshot={taken}")
    assert unquote(earlier.headers["x-ms-link-text"]) == text
    assert not service.path(share.share_name, "link").is_symlink()
    assert share.get_file_client("d/f").download_file().readall() == b"text"
    assert code(raw("GET", path)) == (404, "ResourceNotFound")


@pytest.mark.operation("Create Symbolic Link", "Get Symbolic Link", "Create Hard Link")
def test_a_link_that_cannot_be_is_refused(service: FileService, share: ShareClient, raw: Raw) -> None:
    """And nothing is made."""
    name = share.share_name
    share.create_directory("d").upload_file("f", b"text")
    text, target = {"x-ms-link-text": "d/f"}, {"x-ms-type": "file", "x-ms-file-target-file": "d/f"}
    cases: list[tuple[str, str, dict[str, str], int, str]] = [
        ("PUT", f"{name}/no/l?{SYMBOLIC}", text, 404, "ParentNotFound"),
        ("GET", f"{name}/no/l?{SYMBOLIC}", {}, 404, "ParentNotFound"),
        ("GET", f"{name}/d/f?{SYMBOLIC}", {}, 404, "ResourceNotFound"),
        ("PUT", f"{name}/D/F?{SYMBOLIC}", text, 409, "ResourceAlreadyExists"),
        ("PUT", f"{name}/l?{SYMBOLIC}", {}, 400, "MissingRequiredHeader"),
        ("PUT", f"{name}/l?{SYMBOLIC}", {"x-ms-link-text": "%ff"}, 400, "InvalidHeaderValue"),
        ("PUT", f"{name}/l?{SYMBOLIC}", {"x-ms-link-text": "a%00b"}, 400, "InvalidHeaderValue"),
        ("PUT", f"{name}/l?{SYMBOLIC}", {"x-ms-link-text": "a" * 2049}, 400, "InvalidHeaderValue"),
        ("PUT", f"{name}/no/l?{HARD}", target, 404, "ParentNotFound"),
        ("PUT", f"{name}/l?{HARD}", {**target, "x-ms-file-target-file": "d/no"}, 404, "ResourceNotFound"),
        ("PUT", f"{name}/l?{HARD}", {**target, "x-ms-file-target-file": "d"}, 409, "ResourceTypeMismatch"),
        ("PUT", f"{name}/l?{HARD}", {**target, "x-ms-file-target-file": "d/../d/f"}, 400, "InvalidResourceName"),
        ("PUT", f"{name}/d/f?{HARD}", target, 409, "ResourceAlreadyExists"),
        ("PUT", f"{name}/D/F?{HARD}", target, 409, "ResourceAlreadyExists"),
        ("PUT", f"{name}/l?{HARD}", {"x-ms-type": "file"}, 400, "MissingRequiredHeader"),
        ("PUT", f"{name}/l?{HARD}", {"x-ms-file-target-file": "d/f"}, 400, "MissingRequiredHeader"),
    ]
    for method, path, headers, status, wanted in cases:
        assert code(raw(method, path, headers)) == (status, wanted), (path, headers)
    assert sorted(os.listdir(service.path(name, ""))) == ["d"]
    assert os.listdir(service.path(name, "d")) == ["f"]


def test_properties_of_the_other_protocol_are_refused(share: ShareClient, raw: Raw) -> None:
    """NFS has no attributes nor descriptors, SMB no owners, modes and links."""
    raw("PUT", "smb?restype=share")
    new = {"x-ms-type": "file", "x-ms-content-length": "1"}
    sddl = {"x-ms-file-permission": "O:SYG:SYD:(A;;FA;;;SY)"}
    for name, headers, wanted in (
        (share.share_name, {"x-ms-file-attributes": "ReadOnly"}, "UnsupportedHeader"),
        (share.share_name, sddl, "UnsupportedHeader"),
        ("smb", {"x-ms-mode": "0644"}, "UnsupportedHeader"),
        ("smb", {"x-ms-owner": "1"}, "UnsupportedHeader"),
        (share.share_name, {"x-ms-owner": "root"}, "InvalidHeaderValue"),
        (share.share_name, {"x-ms-group": "4294967296"}, "InvalidHeaderValue"),
        (share.share_name, {"x-ms-mode": "0888"}, "InvalidHeaderValue"),
        (share.share_name, {"x-ms-mode": "rwxrwxrw"}, "InvalidHeaderValue"),
    ):
        assert code(raw("PUT", f"{name}/new", {**new, **headers})) == (400, wanted), headers
        assert raw("HEAD", f"{name}/new").status_code == 404
    assert code(raw("PUT", f"smb/l?{SYMBOLIC}", {"x-ms-link-text": "a"})) == (400, "InvalidQueryParameterValue")
    assert code(raw("GET", f"smb/l?{SYMBOLIC}")) == (400, "InvalidQueryParameterValue")
    hard = {"x-ms-type": "file", "x-ms-file-target-file": "a"}
    assert code(raw("PUT", f"smb/l?{HARD}", hard)) == (400, "InvalidQueryParameterValue")
    source = {"x-ms-copy-source": f"{raw.service.url}/devaccount/{share.share_name}/x"}
    for way, wanted in (("other", "InvalidHeaderValue"), ("override", "MissingRequiredHeader")):
        answer = raw("PUT", f"{share.share_name}/c", {**source, "x-ms-file-mode-copy-mode": way})
        assert code(answer) == (400, wanted)


NEWEST = {"x-ms-version": "2027-03-07"}


@pytest.mark.operation("Get Hard Links")
def test_a_file_tells_all_its_names(share: ShareClient, raw: Raw) -> None:
    """By its id, with its properties; another id has none."""
    file = share.create_directory("d").get_file_client("f")
    file.upload_file(b"hello", content_settings=ContentSettings(content_type="text/plain"))
    share.get_file_client("other").create_hardlink(target="d/f")
    share.get_file_client("alone").upload_file(b"1")
    found, above = file.get_file_properties(), share.get_directory_client("d").get_directory_properties()
    answer = raw("GET", f"{share.share_name}?comp=hardlinks&fileid={found.file_id}", NEWEST)
    assert answer.status_code == 200
    for name, parent in (("f", above.file_id), ("other", "0")):
        wanted = f"<HardLink><FileName>{name}</FileName><ParentId>{parent}</ParentId></HardLink>"
        assert answer.text.count(wanted) == 1
    assert answer.text.count("<HardLink>") == 2
    told = answer.headers
    assert (told["x-ms-content-type"], told["x-ms-content-length"], told["x-ms-link-count"]) == ("text/plain", "5", "2")
    assert told["x-ms-file-name"] in {"f", "other"}
    assert (told["content-type"], told["x-ms-file-id"], told["etag"]) == ("application/xml", found.file_id, found.etag)


@pytest.mark.parametrize(
    ("query", "headers", "wanted"),
    [
        ("", NEWEST, (400, "MissingRequiredQueryParameter")),
        ("&fileid=x", NEWEST, (400, "InvalidQueryParameterValue")),
        ("&fileid=99999999999999999999999", NEWEST, (400, "InvalidQueryParameterValue")),
        ("&fileid=7", NEWEST, (404, "ResourceNotFound")),
        ("&fileid=7", {}, (400, "InvalidQueryParameterValue")),
    ],
)
def test_hard_links_of_nothing(
    share: ShareClient, raw: Raw, query: str, headers: dict[str, str], wanted: tuple[int, str]
) -> None:
    assert code(raw("GET", f"{share.share_name}?comp=hardlinks{query}", headers)) == wanted


def test_hard_links_are_of_nfs_alone(service: FileService, raw: Raw) -> None:
    raw("PUT", "smb?restype=share")
    assert code(raw("GET", "smb?comp=hardlinks&fileid=7", NEWEST)) == (400, "InvalidQueryParameterValue")


@pytest.mark.operation("List Directories and Files")
def test_newer_lists_tell_links_and_owners(share: ShareClient, raw: Raw) -> None:
    """A symbolic link as itself, even one that leads nowhere; owners, modes and counts of names where asked."""
    share.get_file_client("f").create_file(3, owner="345", group="123", file_mode="0640")
    share.get_file_client("g").create_hardlink(target="f")
    share.get_file_client("l").create_symlink(target="nowhere")
    path = f"{share.share_name}?restype=directory&comp=list"
    newest = raw("GET", f"{path}&include=NfsAttributes,LinkCount", NEWEST).text
    assert "<SymLink><Name>l</Name>" in newest
    assert "<LinkText>nowhere</LinkText></SymLink>" in newest
    assert newest.count("<LinkCount>2</LinkCount><FileType>Regular</FileType></File>") == 2
    assert "<Uid>345</Uid><Gid>123</Gid><Mode>0640</Mode></Properties><LinkCount>2</LinkCount>" in newest
    every = raw("GET", f"{path}&include=All", NEWEST).text
    assert "<Mode>0640</Mode>" in every
    assert "<Etag>" in every
    permissions = raw("GET", f"{path}&include=Permissions", NEWEST).text
    assert "<Uid>345</Uid><Gid>123</Gid><Mode>0640</Mode></Properties><FileType>" in permissions
    older = raw("GET", f"{path}&include=NfsAttributes,LinkCount").text
    assert "SymLink" not in older
    assert "<Uid>" not in older
    assert "LinkText" not in older


@pytest.mark.operation("List Directories and Files")
def test_a_list_of_an_smb_share_tells_permissions_by_their_key(service: FileService, raw: Raw) -> None:
    raw("PUT", "smblist?restype=share")
    raw("PUT", "smblist/f", {"x-ms-type": "file", "x-ms-content-length": "1"})
    path = "smblist?restype=directory&comp=list&include=Permissions"
    assert "<PermissionKey>" in raw("GET", path, NEWEST).text
    assert "<PermissionKey>" not in raw("GET", path).text
    assert "<Uid>" not in raw("GET", path, NEWEST).text


@pytest.mark.operation("Delete File")
def test_a_deleted_name_tells_how_many_are_left(service: FileService, share: ShareClient, raw: Raw) -> None:
    share.get_file_client("f").create_file(1)
    share.get_file_client("g").create_hardlink(target="f")
    counts = [raw("DELETE", f"{share.share_name}/{name}").headers["x-ms-link-count"] for name in ("f", "g")]
    assert counts == ["1", "0"]
    raw("PUT", "smbgone?restype=share")
    raw("PUT", "smbgone/f", {"x-ms-type": "file", "x-ms-content-length": "1"})
    assert "x-ms-link-count" not in raw("DELETE", "smbgone/f").headers
