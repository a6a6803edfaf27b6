"""If-Match and its like on files, sent through the real client and raw: who saw an older version changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ResourceModifiedError
from azure.storage.fileshare import ContentSettings, ShareClient, ShareLeaseClient, ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service

BEFORE = b"before" * 128


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def share(service: FileService, account: str) -> ShareClient:
    client = ShareServiceClient(f"{service.url}/{account}", credential=KEY, retry_total=0)
    return client.create_share("share")


def test_of_two_clients_with_one_tag_exactly_one_wins(share: ShareClient) -> None:
    """Range by range, from connections of their own, as often as they try."""
    file = share.get_file_client("f")
    file.create_file(8)
    clients = [ShareClient.from_share_url(share.url, credential=KEY, retry_total=0).get_file_client("f") for _ in "ab"]
    for _ in range(20):
        tag, won = str(file.get_file_properties().etag), list[int]()
        barrier = threading.Barrier(len(clients))

        def write(number: int, tag: str = tag, won: list[int] = won, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            try:
                clients[number].upload_range(bytes([number]) * 8, 0, 8, headers={"If-Match": tag})
            except ResourceModifiedError:
                return
            won.append(number)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(len(clients))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(won) == 1
        assert file.download_file().readall() == bytes([won[0]]) * 8


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"If-Match": '"0x8D0000000000000"'}, 412), ({"If-Match": "*"}, 0), ({"If-None-Match": "*"}, 412),
        ({"If-Unmodified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}, 412),
        ({"If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}, 0), ({"If-Unmodified-Since": "yesterday"}, 400),
    ],
)  # fmt: skip
def test_a_condition_that_does_not_hold_changes_nothing(
    share: ShareClient, condition: dict[str, str], status: int
) -> None:
    """Of every operation that changes a file."""
    file = share.get_file_client("f")
    file.upload_file(BEFORE, metadata={"a": "b"})
    share.get_file_client("other").upload_file(b"others")
    changes = (
        lambda: file.set_file_metadata({"c": "d"}, headers=condition),
        lambda: file.set_http_headers(ContentSettings(content_type="text/x"), headers=condition),
        lambda: file.upload_range(b"b", 0, 1, headers=condition),
        lambda: file.clear_range(0, 512, headers=condition),
        lambda: file.resize_file(3, headers=condition),
        lambda: file.create_file(9, headers=condition),
        lambda: file.start_copy_from_url(f"{share.url}/other", headers=condition),
        lambda: file.delete_file(headers=condition),
    )
    for change in changes:
        before = file.get_file_properties()
        if not status:
            change()
            continue
        with pytest.raises(HttpResponseError) as refused:
            change()
        assert refused.value.status_code == status
        after = file.get_file_properties()
        assert (after.etag, after.metadata, after.size) == (before.etag, before.metadata, before.size)
        assert file.download_file().readall() == BEFORE


def test_a_file_is_made_only_where_none_is(share: ShareClient) -> None:
    """If-None-Match: * makes Create File one that never replaces."""
    file = share.get_file_client("f")
    file.create_file(1, headers={"If-None-Match": "*"})
    with pytest.raises(ResourceModifiedError):
        file.create_file(2, headers={"If-None-Match": "*"})
    with pytest.raises(ResourceModifiedError):
        share.get_file_client("none").create_file(2, headers={"If-Match": "*"})
    assert [(each.name, each.size) for each in share.list_directories_and_files()] == [("f", 1)]


def test_what_has_not_changed_is_not_sent_again(service: FileService, share: ShareClient) -> None:
    """304 without a body on reads; 412 when the version that was asked for is gone."""
    share.get_file_client("f").upload_file(b"bytes")
    raw = Raw(service, share.account_name)
    tag = raw("GET", "share/f").headers["ETag"]
    again = raw("GET", "share/f", {"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert raw("GET", "share/f", {"If-Match": tag}).content == b"bytes"
    share.get_file_client("f").upload_range(b"B", 0, 1)
    assert raw("GET", "share/f", {"If-None-Match": tag}).content == b"Bytes"
    gone = raw("GET", "share/f", {"If-Match": tag})
    assert (gone.status_code, gone.headers["x-ms-error-code"]) == (412, "ConditionNotMet")


def test_of_clients_that_want_one_lease_exactly_one_has_it(share: ShareClient) -> None:
    """And once it is had, nothing that was sent without it is written: the bytes stay what they are then."""
    share.get_file_client("f").create_file(512)
    for round_number in range(10):
        clients = [ShareClient.from_share_url(share.url, credential=KEY, retry_total=0) for _ in range(4)]
        files, barrier = [each.get_file_client("f") for each in clients], threading.Barrier(4)
        won, late = list[str](), list[int]()
        had = threading.Event()

        def acquire(number: int) -> None:
            barrier.wait(10)  # noqa: B023 - joined below
            try:
                lease = files[number].acquire_lease()  # noqa: B023
            except HttpResponseError:
                return
            won.append(lease.id)  # noqa: B023
            had.set()  # noqa: B023

        def write(number: int) -> None:
            barrier.wait(10)  # noqa: B023
            for byte in range(1, 40):
                begun_late = had.is_set()  # noqa: B023
                try:
                    files[number].upload_range(bytes([byte]) * 512, 0, 512)  # noqa: B023
                except HttpResponseError:
                    return
                if begun_late:
                    late.append(byte)  # noqa: B023

        work = [threading.Thread(target=each, args=(n,)) for n, each in enumerate((acquire, acquire, write, write))]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join(30)
        assert (len(won), late) == (1, []), round_number
        ShareLeaseClient(files[0]).break_lease()
