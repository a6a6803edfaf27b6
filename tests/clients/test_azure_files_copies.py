"""Copies through azure-storage-file-share: between accounts they go on after the answer; permissions and attributes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.fileshare import (
    ShareClient,
    ShareServiceClient,
)
from tests.support.azure_files import KEY, FileService, Raw, file_service
from tests.support.copies import ended, signed

SDDL = "O:S-1-5-21-1-2-3-4G:S-1-5-21-1-2-3-4D:(A;;FA;;;SY)"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


def share_of(service: FileService, account: str, name: str) -> ShareClient:
    client = ShareServiceClient(f"{service.url}/{account}", credential=KEY, retry_total=0)
    return client.create_share(name)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"s{abs(hash(request.node.name)):x}"


@pytest.mark.operation("Copy File", "Abort Copy File")
def test_a_copy_from_another_account_goes_on(service: FileService, name: str) -> None:
    """Answered as pending; then it is there whole, with the source's metadata, and there is nothing to abort."""
    data = os.urandom(9 * 1024 * 1024 + 5)
    source = share_of(service, "devsecond", name).get_file_client("from")
    source.upload_file(data, metadata={"k": "v"})
    target = share_of(service, "devaccount", name).get_file_client("to")
    begun = target.start_copy_from_url(signed(source))
    assert begun["copy_status"] == "pending"
    found = ended(target).get_file_properties()
    assert (found.copy.id, found.copy.status, found.copy.progress) == (
        begun["copy_id"],
        "success",
        f"{len(data)}/{len(data)}",
    )
    assert (found.metadata, found.copy.status_description, "sig=" in found.copy.source) == ({"k": "v"}, None, False)
    assert target.download_file().readall() == data
    with pytest.raises(HttpResponseError) as refused:
        target.abort_copy(begun)
    assert (refused.value.status_code, refused.value.error_code) == (409, "NoPendingCopyOperation")


@pytest.mark.operation("Copy File")
def test_permission_and_archive_of_a_copy(service: FileService, name: str) -> None:
    """From the source, even of another share, or the request's own; Archive is added where asked."""
    source = share_of(service, "devaccount", f"{name}a").get_file_client("from")
    source.create_file(3, file_permission=SDDL, file_attributes="Hidden")
    target = share_of(service, "devaccount", name)
    copy = target.get_file_client("to")
    copy.start_copy_from_url(source.url, file_permission="source", file_attributes="source", set_archive_attribute=True)
    found = copy.get_file_properties()
    assert target.get_permission_for_share(found.permission_key).startswith(SDDL)
    assert found.file_attributes == "Hidden | Archive"
    other = target.get_file_client("other")
    other.start_copy_from_url(source.url)
    assert other.get_file_properties().permission_key != found.permission_key
    copied = target.get_file_client("copied")
    copied.start_copy_from_url(copy.url, permission_key="source", file_attributes="Temporary")
    assert (copied.get_file_properties().permission_key, copied.get_file_properties().file_attributes) == (
        found.permission_key, "Temporary",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-ms-file-permission-copy-mode": "neither"}, "InvalidHeaderValue"),
        ({"x-ms-file-permission-copy-mode": "override"}, "MissingRequiredHeader"),
        ({"x-ms-file-permission-copy-mode": "source", "x-ms-file-permission": SDDL}, "InvalidHeaderValue"),
        ({"x-ms-file-copy-set-archive": "maybe"}, "InvalidHeaderValue"),
        ({"x-ms-file-copy-ignore-readonly": "maybe"}, "InvalidHeaderValue"),
        ({"x-ms-file-attributes": "Blue"}, "InvalidHeaderValue"),
        ({"x-ms-copy-source": "ftp://127.0.0.1/devaccount/s/f"}, "InvalidHeaderValue"),
        ({"x-ms-copy-source": "http://127.0.0.1/" + "a" * 2048}, "InvalidHeaderValue"),
        ({"x-ms-copy-source": "http://169.254.169.254/latest/meta-data"}, "CannotVerifyCopySource"),
    ],
)
def test_a_bad_copy_is_refused_and_makes_nothing(
    service: FileService, headers: dict[str, str], code: str, request: pytest.FixtureRequest
) -> None:
    share = share_of(service, "devaccount", f"b{abs(hash(request.node.name)):x}")
    share.get_file_client("from").upload_file(b"1")
    url = f"{service.url}/devaccount/{share.share_name}/from"
    answer = Raw(service)("PUT", f"{share.share_name}/to", {"x-ms-copy-source": url, **headers})
    assert answer.headers["x-ms-error-code"] == code
    assert [each.name for each in share.list_directories_and_files()] == ["from"]
