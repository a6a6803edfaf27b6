"""Settings of shares that are kept and told, through the real client; then refusals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime

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
    share.set_share_properties(quota=10_000)
    found = share.get_share_properties()
    assert (found.provisioned_iops, found.provisioned_bandwidth, found.included_burst_iops) == (13_000, 1_100, 30_000)
    assert found.next_provisioned_iops_downgrade is None


@pytest.mark.operation("Create Share", "Set Share Properties", "Get Share Properties", "List Shares", "Restore Share")
def test_a_share_whose_operations_are_provisioned_tells_what_they_bring(service: FileService) -> None:
    """The figures are those that a real share of 1,024 GiB with 1,000 operations tells: 5,000 and 14,400,000."""
    client = ShareServiceClient(f"{service.url}/provisioned", credential=KEY, retry_total=0)
    share = client.get_share_client("share")
    made: dict[str, str] = {}
    share.create_share(
        quota=1024, provisioned_iops=1000, provisioned_bandwidth_mibps=120,
        raw_response_hook=lambda response: made.update(response.http_response.headers),
    )  # fmt: skip
    (listed,) = client.list_shares()
    for found in (share.get_share_properties(), listed):
        assert (found.provisioned_iops, found.provisioned_bandwidth) == (1000, 120)
        assert (found.included_burst_iops, found.max_burst_credits_for_iops) == (5000, 14_400_000)
        assert (found.provisioned_ingress_mbps, found.provisioned_egress_mbps) == (None, None)
        assert found.next_provisioned_iops_downgrade is not None
        assert found.next_provisioned_bandwidth_downgrade is not None
    assert made["x-ms-share-included-burst-iops"] == "5000"
    share.set_share_properties(
        quota=1024, provisioned_iops=30_000,
        raw_response_hook=lambda response: made.update(response.http_response.headers),
    )  # fmt: skip
    assert made["x-ms-share-included-burst-iops"] == "50000"
    assert made["x-ms-share-max-burst-credits-for-iops"] == str(20_000 * 3600)
    assert "x-ms-share-next-allowed-provisioned-bandwidth-downgrade-time" in made


@pytest.mark.operation("Set Share Properties", "Get Share Properties")
def test_what_is_provisioned_may_be_lowered_a_day_later(service: FileService) -> None:
    """Told by the share's properties and by the answer to what sets them: what was never raised, since it is there."""
    raw = Raw(service, "raised")
    names = {name: f"x-ms-share-next-allowed-{text}-downgrade-time" for name, text in
             (("iops", "provisioned-iops"), ("mibps", "provisioned-bandwidth"), ("quota", "quota"))}  # fmt: skip
    figures = {"x-ms-share-provisioned-iops": "1000", "x-ms-share-provisioned-bandwidth-mibps": "100"}
    raw("PUT", "share?restype=share", {**figures, "x-ms-share-quota": "100"}).raise_for_status()

    def times() -> dict[str, str]:
        found = raw("GET", "share?restype=share").headers
        return {name: found[header] for name, header in names.items()}

    made = parsedate_to_datetime(raw("GET", "share?restype=share").headers["last-modified"])
    assert {parsedate_to_datetime(each) - made for each in times().values()} == {timedelta(0)}
    path = "share?restype=share&comp=properties"
    lower = {"x-ms-share-quota": "90", "x-ms-share-provisioned-iops": "900"}
    assert raw("PUT", path, lower).status_code == 200
    answer = raw("PUT", path, {"x-ms-share-quota": "200"})
    assert {name: answer.headers[header] for name, header in names.items()} == times()
    later = parsedate_to_datetime(times()["quota"]) - parsedate_to_datetime(answer.headers["date"])
    assert timedelta(days=1) - later < timedelta(minutes=1)


@pytest.mark.operation("Set Share Properties")
@pytest.mark.parametrize(
    ("header", "refusal"),
    [
        ("x-ms-share-quota", "ContainerQuotaDowngradeNotAllowed"),
        ("x-ms-share-provisioned-iops", "FileShareProvisionedIopsDowngradeNotAllowed"),
        ("x-ms-share-provisioned-bandwidth-mibps", "FileShareProvisionedBandwidthDowngradeNotAllowed"),
    ],
)
def test_what_was_raised_lately_is_not_lowered(service: FileService, header: str, refusal: str) -> None:
    """Not even together with what may be set; a share that pays by use may be made smaller whenever it likes."""
    raw, path = Raw(service, f"low{len(header)}"), "share?restype=share&comp=properties"
    figures = {"x-ms-share-provisioned-iops": "1000", "x-ms-share-provisioned-bandwidth-mibps": "100"}
    for share, headers in (("share", figures), ("plain", {})):
        raw("PUT", f"{share}?restype=share", {**headers, "x-ms-share-quota": "100"}).raise_for_status()
        raised = {header: "2000"} if share == "share" else {"x-ms-share-quota": "2000"}
        raw("PUT", f"{share}?restype=share&comp=properties", raised).raise_for_status()
    before = dict(raw("GET", "share?restype=share").headers)
    answer = raw("PUT", path, {header: "1500", "x-ms-share-paid-bursting-enabled": "true"})
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (409, refusal)
    after = dict(raw("GET", "share?restype=share").headers)
    assert {name: after[name] for name in before if name not in {"date", "x-ms-request-id"}} == {
        name: value for name, value in before.items() if name not in {"date", "x-ms-request-id"}
    }
    assert raw("PUT", path.replace("share?", "plain?", 1), {"x-ms-share-quota": "50"}).status_code == 200


@pytest.mark.operation("Delete Share", "Restore Share")
def test_a_provisioned_share_that_is_deleted_tells_what_it_took(service: FileService) -> None:
    """Its files and its snapshots, to versions that know of it; another share tells nothing."""
    raw = Raw(service, "deleting")
    share = ShareServiceClient(f"{service.url}/deleting", credential=KEY, retry_total=0).get_share_client("share")
    share.create_share(provisioned_iops=1000)
    share.get_file_client("f").upload_file(bytes([1]) * 100_000)
    share.create_snapshot()
    share.get_file_client("f").delete_file()
    own, snapshots = "x-ms-file-share-usage-bytes", "x-ms-file-share-snapshot-usage-bytes"
    answer = raw("DELETE", "share?restype=share", {"x-ms-delete-snapshots": "include"})
    assert (answer.status_code, answer.headers[own]) == (202, "0")
    assert 100_000 <= int(answer.headers[snapshots]) < 200_000
    listed = raw("GET", "?comp=list&include=deleted").text
    version = listed.partition("<Version>")[2].partition("<")[0]
    restored = raw(
        "PUT", "share?restype=share&comp=undelete",
        {"x-ms-deleted-share-name": "share", "x-ms-deleted-share-version": version},
    )  # fmt: skip
    assert (restored.status_code, restored.headers["x-ms-share-included-burst-iops"]) == (201, "5000")
    old = {"x-ms-delete-snapshots": "include", "x-ms-version": "2024-11-04"}
    assert own not in raw("DELETE", "share?restype=share", old).headers
    raw("PUT", "plain?restype=share").raise_for_status()
    assert own not in raw("DELETE", "plain?restype=share").headers


@pytest.mark.operation("Create Share", "Get Share Properties")
def test_a_directory_lease_is_told_to_versions_that_know_it(service: FileService) -> None:
    client = ShareServiceClient(f"{service.url}/leasing", credential=KEY, retry_total=0)
    share = client.create_share("share", enable_smb_directory_lease=False)
    header, told = "x-ms-enable-smb-directory-lease", dict[str, str]()
    share.get_share_properties(raw_response_hook=lambda response: told.update(response.http_response.headers))
    assert told[header] == "false"
    raw, newest = Raw(service, "leasing"), {"x-ms-version": "2026-10-06"}
    assert "<EnableSmbDirectoryLease>false</EnableSmbDirectoryLease>" in raw("GET", "?comp=list", newest).text
    assert header not in raw("GET", "share?restype=share").headers


@pytest.mark.operation("Create Share", "Get Share Properties", "Set Share Properties")
def test_a_share_of_nfs_tells_its_root_squash_and_when_its_tier_changed(service: FileService) -> None:
    client = ShareServiceClient(f"{service.url}/squashing", credential=KEY, retry_total=0)
    share = client.create_share("share", protocols="NFS", root_squash="RootSquash")
    assert share.get_share_properties().root_squash == "RootSquash"
    share.set_share_properties(root_squash="AllSquash", access_tier="Hot")
    found = share.get_share_properties()
    assert (found.root_squash, found.access_tier) == ("AllSquash", "Hot")
    raw = Raw(service, "squashing")
    raw("PUT", "share?restype=share&comp=properties", {"x-ms-share-quota": "5"}).raise_for_status()
    headers = raw("GET", "share?restype=share").headers
    assert parsedate_to_datetime(headers["x-ms-access-tier-change-time"]) <= parsedate_to_datetime(headers["date"])
