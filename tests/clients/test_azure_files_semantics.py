"""How files and directories are made: as Windows makes them, or as they were (`x-ms-file-property-semantics`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.storage.fileshare import NTFSAttributes, ShareClient, ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service

ABOVE = "O:BAG:BAD:(A;OICI;FA;;;SY)(A;;FR;;;WD)"
OWN = "O:BAG:BAD:(A;;FR;;;AU)"
HEADER = "x-ms-file-property-semantics"
NEW = {"x-ms-type": "file", "x-ms-content-length": "1", "x-ms-version": "2026-06-06"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def share(service: FileService, request: pytest.FixtureRequest) -> ShareClient:
    """A share with a directory `d` that has an entry to inherit."""
    client = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
    made = client.create_share(f"s{abs(hash(request.node.name)):x}")
    made.create_directory("d", file_permission=ABOVE)
    return made


@pytest.mark.operation("Create File", "Create Directory")
@pytest.mark.parametrize("semantics", [None, "New"])
def test_a_new_file_is_archive_and_inherits(share: ShareClient, semantics: str | None) -> None:
    """Attributes and permission that are given are completed; by default too."""
    file = share.get_file_client("d/f")
    file.create_file(
        1, file_attributes=NTFSAttributes(hidden=True), file_permission=OWN, file_property_semantics=semantics
    )
    found = file.get_file_properties()
    assert found.file_attributes == "Hidden | Archive"
    assert share.get_permission_for_share(found.permission_key) == "O:BAG:BAD:AI(A;;FR;;;AU)(A;ID;FA;;;SY)"
    directory = share.get_directory_client("d/e")
    directory.create_directory(file_permission=OWN, file_property_semantics=semantics)
    found = directory.get_directory_properties()
    assert found.file_attributes == "Directory"
    assert share.get_permission_for_share(found.permission_key) == "O:BAG:BAD:AI(A;;FR;;;AU)(A;OICIID;FA;;;SY)"


@pytest.mark.operation("Create File", "Create Directory")
def test_a_restored_file_is_as_it_was(share: ShareClient) -> None:
    """With a permission; without one it is made as a new one is."""
    file = share.get_file_client("d/f")
    hidden = NTFSAttributes(hidden=True)
    file.create_file(1, file_attributes=hidden, file_permission=OWN, file_property_semantics="Restore")
    found = file.get_file_properties()
    assert found.file_attributes == "Hidden"
    assert share.get_permission_for_share(found.permission_key) == OWN
    file.create_file(1, file_attributes=hidden, file_property_semantics="Restore")
    assert file.get_file_properties().file_attributes == "Hidden | Archive"
    directory = share.get_directory_client("d/e")
    directory.create_directory(file_permission=OWN, file_property_semantics="Restore")
    assert share.get_permission_for_share(directory.get_directory_properties().permission_key) == OWN


@pytest.mark.operation("Create File", "Create Directory")
def test_without_a_permission_that_above_is_inherited(service: FileService, share: ShareClient) -> None:
    """By every version, said or not; nothing to inherit is the default."""
    raw, old = Raw(service), {**NEW, "x-ms-version": "2021-06-08"}
    for name, headers in (("f", old), ("g", {**old, "x-ms-file-permission": "inherit"}), ("h", NEW)):
        key = raw("PUT", f"{share.share_name}/d/{name}", headers).headers["x-ms-file-permission-key"]
        assert share.get_permission_for_share(key).endswith("(A;;FA;;;AU)(A;ID;FA;;;SY)")
    plain = raw("PUT", f"{share.share_name}/f", NEW).headers["x-ms-file-permission-key"]
    assert share.get_permission_for_share(plain).endswith("(A;;FA;;;AU)")


@pytest.mark.operation("Create File")
def test_older_versions_set_what_is_given(service: FileService, share: ShareClient) -> None:
    given = {"x-ms-file-attributes": "Hidden", "x-ms-file-permission": OWN, "x-ms-version": "2026-04-06"}
    answer = Raw(service)("PUT", f"{share.share_name}/d/f", {**NEW, **given})
    assert answer.headers["x-ms-file-attributes"] == "Hidden"
    assert share.get_permission_for_share(answer.headers["x-ms-file-permission-key"]) == OWN


@pytest.mark.operation("Create File", "Create Directory")
def test_other_semantics_are_refused(service: FileService, share: ShareClient) -> None:
    raw = Raw(service)
    for path in ("f", "e?restype=directory"):
        answer = raw("PUT", f"{share.share_name}/{path}", {**NEW, HEADER: "Old"})
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidHeaderValue")
    assert [each.name for each in share.list_directories_and_files()] == ["d"]


@pytest.mark.operation("Create File")
def test_shares_of_nfs_have_no_semantics(service: FileService, share: ShareClient) -> None:
    raw, path = Raw(service), f"{share.share_name}n"
    raw("PUT", f"{path}?restype=share", {"x-ms-enabled-protocols": "NFS"}).raise_for_status()
    answer = raw("PUT", f"{path}/f", {**NEW, HEADER: "New"})
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "UnsupportedHeader")
    assert raw("HEAD", f"{path}/f").status_code == 404
    assert raw("PUT", f"{path}/f", NEW).status_code == 201
