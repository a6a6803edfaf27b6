"""Settings of shares that are kept and told, through the real client; then refusals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.storage.fileshare import ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.mark.operation("Create Share", "Set Share Properties", "Get Share Properties", "List Shares")
def test_what_is_set_is_told_and_the_rest_is_not(service: FileService) -> None:
    """By its properties and by a list; what a later request does not name stays, through a snapshot too."""
    client = ShareServiceClient(f"{service.url}/options", credential=KEY, retry_total=0)
    share = client.create_share("share", paid_bursting_enabled=True, paid_bursting_iops=1000)
    client.create_share("plain")
    share.set_share_properties(paid_bursting_bandwidth_mibps=10_340, quota=10)
    listed = {each.name: each for each in client.list_shares()}
    for found in (share.get_share_properties(), listed["share"]):
        assert (found.paid_bursting_enabled, found.paid_bursting_iops) == (True, 1000)
        assert (found.paid_bursting_bandwidth_mibps, found.quota) == (10_340, 10)
        assert found.enable_snapshot_virtual_directory_access is None
    assert listed["plain"].paid_bursting_enabled is None
    snapshot = share.create_snapshot()["snapshot"]
    other = client.get_share_client("share", snapshot=snapshot)
    assert other.get_share_properties().paid_bursting_iops == 1000
    share.create_snapshot()


@pytest.mark.operation("Set Share Properties", "Create Share")
@pytest.mark.parametrize(
    "headers",
    [
        {"x-ms-share-paid-bursting-enabled": "maybe"},
        {"x-ms-share-paid-bursting-max-iops": "102401"},
        {"x-ms-share-paid-bursting-max-bandwidth-mibps": "many"},
        {"x-ms-share-provisioned-iops": "-1"},
        {"x-ms-enable-snapshot-virtual-directory-access": "1"},
    ],
)
def test_a_setting_that_is_none_is_refused(service: FileService, headers: dict[str, str]) -> None:
    raw = Raw(service)
    raw("PUT", "share?restype=share")
    before = raw("GET", "share?restype=share").headers["etag"]
    for path in ("share?restype=share&comp=properties", "new?restype=share"):
        answer = raw("PUT", path, headers)
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (400, "InvalidHeaderValue")
    assert raw("GET", "share?restype=share").headers["etag"] == before
    assert raw("GET", "new?restype=share").status_code == 404


@pytest.mark.operation("Create Share", "Get Share Properties", "List Shares")
def test_a_premium_share_tells_what_its_size_brings(service: FileService) -> None:
    """By its properties and by a list, and anew when the size changes; what was set goes before it."""
    client = ShareServiceClient(f"{service.url}/premium", credential=KEY, retry_total=0)
    share = client.create_share("share", quota=100)
    (listed,) = client.list_shares()
    for found in (share.get_share_properties(), listed):
        assert (found.access_tier, found.provisioned_iops, found.provisioned_bandwidth) == ("Premium", 3100, 110)
        assert (found.provisioned_ingress_mbps, found.provisioned_egress_mbps) == (44, 66)
        assert (found.included_burst_iops, found.max_burst_credits_for_iops) == (10_000, 6_900 * 3600)
        assert found.next_allowed_quota_downgrade_time is not None
    share.set_share_properties(quota=10_000, provisioned_bandwidth_mibps=5_000)
    found = share.get_share_properties()
    assert (found.provisioned_iops, found.provisioned_bandwidth, found.included_burst_iops) == (13_000, 5_000, 30_000)
