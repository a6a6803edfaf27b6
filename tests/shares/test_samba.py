"""One share by REST and by SMB at once, as docs/samba.md tells: Microsoft's client and Debian's smbclient."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.fileshare import ContentSettings, ShareClient, ShareServiceClient
from tests.shares.samba import Samba, missing, samba
from tests.support.azure_files import KEY, FileService, file_service
from tests.support.left_out import leave_out

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    if (reason := missing()) is not None:
        leave_out(reason)
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def share(service: FileService, account: str) -> ShareClient:
    client = ShareServiceClient(f"{service.url}/{account}", credential=KEY, retry_total=0)
    return client.create_share("projects")


@pytest.fixture
def smb(service: FileService, share: ShareClient, tmp_path: Path) -> Iterator[Samba]:
    with samba(tmp_path, service.path("projects", "", share.account_name)) as running:
        yield running


def names(share: ShareClient, path: str = "") -> set[str]:
    return {each.name for each in share.list_directories_and_files(path)}


def test_what_one_writes_the_other_reads_with_a_fresh_tag(share: ShareClient, smb: Samba, tmp_path: Path) -> None:
    """New, replaced by the same size, and back."""
    (tmp_path / "one").write_bytes(b"by SMB, first")
    (tmp_path / "two").write_bytes(b"by SMB, again")
    smb('put one "from smb.txt"', folder=tmp_path)
    file = share.get_file_client("from smb.txt")
    first = file.download_file()
    assert first.readall() == b"by SMB, first"
    file.set_file_metadata({"kept": "yes"})
    tag = file.get_file_properties().etag
    smb('put two "from smb.txt"', folder=tmp_path)
    second = file.download_file()
    assert second.readall() == b"by SMB, again"
    assert second.properties.etag not in {tag, first.properties.etag}
    assert second.properties.metadata == {"kept": "yes"}
    file.upload_range(b"by REST", 0, 7)
    smb('get "from smb.txt" three', folder=tmp_path)
    assert (tmp_path / "three").read_bytes() == b"by REST again"
    share.get_file_client("large").upload_file(bytes(range(256)) * 20_000)
    smb("get large large", folder=tmp_path)
    assert (tmp_path / "large").read_bytes() == bytes(range(256)) * 20_000


def test_names_are_the_same_in_both(share: ShareClient, smb: Samba, tmp_path: Path) -> None:
    """Letters of any script, spaces, dots; case is kept and ignored by either."""
    by_rest, by_smb = (
        {"Grüße 1.txt", "日本語.dat", ".hidden", "a.b.c", "Ж'(1)"},
        {"naïve file", "ελληνικά.txt", "..two dots"},
    )
    (tmp_path / "some").write_bytes(b"some")
    smb('mkdir "Dir One"', *(f'put some "Dir One\\{name}"' for name in by_smb), folder=tmp_path)
    for name in by_rest:
        share.get_file_client(f"dir one/{name}").upload_file(b"rest")
    assert names(share) == smb.names() == {"Dir One"}
    assert names(share, "DIR ONE") == smb.names("dir one") == by_rest | by_smb
    smb('get "dir ONE\\grüße 1.TXT" got', folder=tmp_path)
    assert (tmp_path / "got").read_bytes() == b"rest"
    assert share.get_file_client("dir one/NAÏVE file").download_file().readall() == b"some"
    smb('put some "dir one\\A.B.C"', folder=tmp_path)
    assert names(share, "Dir One") == by_rest | by_smb


def test_deletions_and_renames_are_seen_by_the_other(share: ShareClient, smb: Samba) -> None:
    for name in ("one", "two", "three"):
        share.get_file_client(name).upload_file(name.encode(), metadata={"of": name})
    smb("rename one uno", "del two", "mkdir d", "rename three d\\three")
    assert names(share) == smb.names() == {"uno", "d"}
    moved = share.get_file_client("uno").download_file()
    assert (moved.readall(), moved.properties.metadata) == (b"one", {"of": "one"})
    with pytest.raises(ResourceNotFoundError):
        share.get_file_client("one").get_file_properties()
    share.get_file_client("d/three").rename_file("trois")
    share.get_file_client("uno").delete_file()
    share.delete_directory("d")
    share.create_directory("e")
    assert smb.names() == names(share) == {"trois", "e"}
    smb("rmdir e")
    assert names(share) == {"trois"}


def test_properties_follow_a_rename_by_smb(share: ShareClient, smb: Samba, tmp_path: Path) -> None:
    """Of a file and of a directory with what is in it; then in another case, and for two that change names."""
    content = ContentSettings(content_type="text/x", content_md5=bytearray(hashlib.md5(b"one").digest()))
    share.create_directory("d", metadata={"of": "d"})
    for name in ("one", "two", "d/three"):
        share.get_file_client(name).upload_file(
            b"one", metadata={"of": name}, content_settings=content, file_attributes="Hidden|Archive",
            file_creation_time="2020-01-02T03:04:05.0000000Z", file_last_write_time="2021-01-02T03:04:05.0000000Z",
        )  # fmt: skip
    before = {name: share.get_file_client(name).get_file_properties() for name in ("one", "two", "d/three")}
    smb("rename one d\\uno", "rename two t", "rename d\\three two", "rename t d\\three", "rename d E")
    for name, of in (("E/uno", "one"), ("two", "d/three"), ("e/three", "two")):
        found = share.get_file_client(name).get_file_properties()
        assert (found.metadata, found.content_settings.content_type) == ({"of": of}, "text/x")
        assert found.content_settings.content_md5 == before[of].content_settings.content_md5
        for fact in ("file_attributes", "creation_time", "last_write_time", "permission_key"):
            assert getattr(found, fact) == getattr(before[of], fact), fact
    assert share.get_directory_client("E").get_directory_properties().metadata == {"of": "d"}
    smb("rename E e")
    assert share.get_file_client("e/UNO").get_file_properties().metadata == {"of": "one"}
    (tmp_path / "new").write_bytes(b"new")
    smb("put new .tmp", "rename .tmp two -f", folder=tmp_path)  # as editors save
    assert share.get_file_client("two").get_file_properties().metadata == {"of": "d/three"}
    assert "linarite" not in smb('allinfo "two"').lower()


def test_nothing_of_the_servers_own_is_shown(service: FileService, share: ShareClient, smb: Samba) -> None:
    """After long names, snapshots, copies, replaced and deleted files: the files alone, long names as they are cut."""
    share.get_file_client("f").upload_file(b"f" * 10_000)
    share.create_snapshot()
    share.get_file_client("copy").start_copy_from_url(share.get_file_client("f").url)
    share.get_file_client("copy").rename_file("f", overwrite=True)
    share.get_file_client("ж" * 200).upload_file(b"long")
    (cut,) = smb.names() - {"f"}
    assert cut.startswith("ж" * 100 + "~")
    on_disk = {each.name for each in service.path("projects", "", share.account_name).iterdir()}
    assert on_disk == {"f", cut}
    assert names(share) == {"f", "ж" * 200}


def test_a_lease_by_rest_does_not_stop_smb(share: ShareClient, smb: Samba, tmp_path: Path) -> None:
    """They know nothing of each other; the page says so."""
    file = share.get_file_client("f")
    file.upload_file(b"before")
    file.acquire_lease()
    (tmp_path / "new").write_bytes(b"after!")
    smb("put new f", folder=tmp_path)
    found = file.download_file()
    assert (found.readall(), found.properties.lease.state) == (b"after!", "leased")
