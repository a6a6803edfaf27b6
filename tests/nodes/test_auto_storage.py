"""Connection strings and the signatures made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from linarite.nodes.auto_storage import LIFE, read

KEY = "c2VjcmV0"
NOW = 1_700_000_000_000_000


def test_container_url_grants_what_the_package_would() -> None:
    """The same rights until the same second as azure-storage-blob signs; Azurite checks the signature itself."""
    url = read(f"DefaultEndpointsProtocol=https;AccountName=acc;AccountKey={KEY};").container_url("box", NOW)
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://acc.blob.core.windows.net/box"
    ours = parse_qs(parts.query)
    expiry = datetime.fromtimestamp((NOW + LIFE) / 1_000_000, UTC)
    permission = ContainerSasPermissions(read=True, list=True)
    theirs = generate_container_sas("acc", "box", account_key=KEY, permission=permission, expiry=expiry)
    known = parse_qs(theirs)
    assert {name: ours[name] for name in ("sp", "se", "sr")} == {name: known[name] for name in ("sp", "se", "sr")}


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (f"AccountName=acc;AccountKey={KEY}", "https://acc.blob.core.windows.net"),
        (f"DefaultEndpointsProtocol=http;AccountName=acc;AccountKey={KEY};EndpointSuffix=x.y", "http://acc.blob.x.y"),
        (f"AccountName=a;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/a/;", "http://127.0.0.1:1/a"),
        ("BlobEndpoint=https://acc.x/;SharedAccessSignature=?sv=1&sig=2", "https://acc.x"),
        (f" accountname = acc ; ACCOUNTKEY={KEY}\n", "https://acc.blob.core.windows.net"),
    ],
)
def test_read_endpoint(text: str, endpoint: str) -> None:
    assert read(text).endpoint == endpoint


def test_container_url_with_a_signature_for_all() -> None:
    linked = read("BlobEndpoint=https://acc.x/;SharedAccessSignature=?sv=1&sig=2")
    assert linked.container_url("a box", NOW) == "https://acc.x/a%20box?sv=1&sig=2"


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "AccountName=acc", "AccountKey=c2VjcmV0", "AccountName=acc;AccountKey=?", "BlobEndpoint=x;A=b",
        "BlobEndpoint=ftp://h/;SharedAccessSignature=s", "UseDevelopmentStorage=true",
        "BlobEndpoint=https://h/?q;SharedAccessSignature=s",
    ],
)  # fmt: skip
def test_read_refused(text: str) -> None:
    """A sentence says what a connection string has."""
    with pytest.raises(ValueError, match=r"connection string|BlobEndpoint|AccountKey"):
        read(text)
