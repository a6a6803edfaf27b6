"""What tests of copies between files share: an address that opens the source, and a wait for the end."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from azure.storage.fileshare import FileSasPermissions, ShareFileClient, generate_file_sas
from tests.support.azure_files import KEY


def signed(file: ShareFileClient, key: str = KEY) -> str:
    """The address of a file with a signature that opens it for an hour."""
    token = generate_file_sas(
        file.account_name, file.share_name, file.file_path, key, permission=FileSasPermissions(read=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    return f"{file.url}?{token}"


def ended(file: ShareFileClient) -> ShareFileClient:
    """The file, once no copy to it is pending."""
    deadline = time.monotonic() + 30
    while file.get_file_properties().copy.status == "pending":
        assert time.monotonic() < deadline
    return file
