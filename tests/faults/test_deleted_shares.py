"""The plug is pulled after a share was deleted and a copy began: one can be restored, the other comes to its end."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

from azure.storage.fileshare import FileSasPermissions, ShareServiceClient, generate_file_sas
from tests.support.server import DEVELOPMENT_KEY, running_server

PATIENCE = 60


def test_a_deleted_share_and_a_pending_copy_outlive_the_server() -> None:
    """What was answered holds: the share is listed as deleted, and the copy ends with the bytes of its source."""
    data = os.urandom(24 * 1024 * 1024)
    with running_server() as server:

        def account(name: str) -> ShareServiceClient:
            return ShareServiceClient(f"{server.files}/{name}", credential=DEVELOPMENT_KEY)

        source = account("devsecond").create_share("theirs").get_file_client("from")
        source.upload_file(data)
        ours = account("devaccount")
        ours.create_share("gone").get_file_client("f").upload_file(b"hello")
        target = ours.create_share("ours").get_file_client("to")
        token = generate_file_sas(
            "devsecond", "theirs", ["from"], DEVELOPMENT_KEY, permission=FileSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
        ours.get_share_client("gone").delete_share()
        assert target.start_copy_from_url(f"{source.url}?{token}")["copy_status"] == "pending"
        server.kill9()
        server.start()
        (found,) = (share for share in ours.list_shares(include_deleted=True) if share.deleted)
        restored = ours.undelete_share("gone", found.version)
        assert restored.get_file_client("f").download_file().readall() == b"hello"
        deadline = time.monotonic() + PATIENCE
        while target.get_file_properties().copy.status == "pending":
            assert time.monotonic() < deadline
        assert target.get_file_properties().copy.status == "success"
        assert target.download_file().readall() == data
