"""Deleted shares through azure-storage-file-share: listed, restored, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.fileshare import ShareServiceClient
from tests.support.azure_files import ABSENT, KEY, FileService, Raw, file_service

NEVER = "01D60F8BB59A4652"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def client(service: FileService, request: pytest.FixtureRequest) -> ShareServiceClient:
    account = f"t{abs(hash(request.node.name)):x}"[:20]
    return ShareServiceClient(f"{service.url}/{account}", credential=KEY, retry_total=0)


@pytest.mark.operation("Restore Share", "List Shares", "Delete Share")
def test_a_deleted_share_is_listed_and_restored(client: ShareServiceClient) -> None:
    """With its metadata, its files and its snapshots, for seven days."""
    share = client.create_share("share", metadata={"k": "v"})
    share.get_file_client("f").upload_file(b"hello")
    share.create_snapshot()
    share.delete_share(delete_snapshots=True)
    with pytest.raises(ResourceNotFoundError):
        share.get_share_properties()
    assert list(client.list_shares()) == []
    (found,) = client.list_shares(include_deleted=True, include_metadata=True)
    assert (found.name, found.deleted, found.metadata, found.remaining_retention_days) == ("share", True, {"k": "v"}, 7)
    assert found.version
    assert abs(datetime.now(UTC) - found.deleted_time) < timedelta(minutes=1)
    kept = list(client.list_shares(include_deleted=True, include_snapshots=True))
    assert [(bool(each.snapshot), each.version) for each in kept] == [(True, found.version), (False, found.version)]
    restored = client.undelete_share("share", found.version)
    assert restored.get_share_properties().metadata == {"k": "v"}
    assert restored.get_file_client("f").download_file().readall() == b"hello"
    listed = list(client.list_shares(include_deleted=True, include_snapshots=True))
    assert [(bool(each.snapshot), each.deleted) for each in listed] == [(True, None), (False, None)]


@pytest.mark.operation("Restore Share")
def test_a_taken_name_refuses_the_restoring(client: ShareServiceClient) -> None:
    """A share of the name can be made at once; until it goes the deleted one stays deleted."""
    share = client.create_share("share")
    share.delete_share()
    share.create_share()
    found = [each for each in client.list_shares(include_deleted=True) if each.deleted]
    with pytest.raises(ResourceExistsError) as refused:
        client.undelete_share("share", found[0].version)
    assert refused.value.error_code == "ShareAlreadyExists"
    share.delete_share()
    client.undelete_share("share", found[0].version)


@pytest.mark.operation("Restore Share")
def test_no_such_deleted_share(client: ShareServiceClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        client.undelete_share("share", NEVER)
    assert (refused.value.status_code, refused.value.error_code) == (404, "ShareNotFound")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"x-ms-deleted-share-name": ABSENT}, 400, "MissingRequiredHeader"),
        ({"x-ms-deleted-share-version": ABSENT}, 400, "MissingRequiredHeader"),
        ({"x-ms-deleted-share-name": "other"}, 400, "InvalidHeaderValue"),
        ({"x-ms-deleted-share-version": "../../x"}, 404, "ShareNotFound"),
    ],
)
def test_a_bad_restoring_is_refused(service: FileService, headers: dict[str, str], status: int, code: str) -> None:
    named = {"x-ms-deleted-share-name": "share", "x-ms-deleted-share-version": NEVER, **headers}
    answer = Raw(service)("PUT", "share?restype=share&comp=undelete", named)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, code)


def test_a_marker_of_another_list_is_refused(service: FileService) -> None:
    """One that has the wrong form, as those of directories do."""
    answer = Raw(service)("GET", "?comp=list&marker=Zg==")
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidQueryParameterValue")


def test_a_server_may_keep_none(tmp_path: Path) -> None:
    """With retention off a deleted share is gone."""
    with file_service(tmp_path, retention=0) as service:
        client = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0)
        client.create_share("share").delete_share()
        assert list(client.list_shares(include_deleted=True)) == []
        assert not (service.folder / ".deleted").exists()
