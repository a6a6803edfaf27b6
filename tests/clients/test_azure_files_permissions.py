"""Security descriptors as SDDL and as bytes, through the real client; then refusals."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from azure.storage.fileshare import ShareServiceClient
from tests.support.azure_files import KEY, FileService, Raw, file_service

from linarite.engine.sharing.descriptors import to_binary

SDDL = "O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;;0x1200a9;;;WD)"
BINARY = base64.b64encode(to_binary(SDDL)).decode()
ADDRESS = "share?restype=share&comp=filepermission"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture(scope="module")
def raw(service: FileService) -> Raw:
    send = Raw(service)
    send("PUT", "share?restype=share").raise_for_status()
    return send


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers.get("x-ms-error-code", "")


@pytest.mark.operation("Create Permission", "Get Permission", "Create File", "Set File Properties", "Create Directory")
def test_both_forms_are_one_permission(service: FileService) -> None:
    """By one key; each is read in either form."""
    share = ShareServiceClient(f"{service.url}/devaccount", credential=KEY, retry_total=0).create_share("both")
    key = share.create_permission_for_share(SDDL)
    document = msgspec.json.encode({"permission": BINARY, "format": "binary"})
    again = Raw(service)("PUT", ADDRESS.replace("share", "both", 1), body=document)
    assert (again.status_code, again.headers["x-ms-file-permission-key"]) == (201, key)
    assert share.get_permission_for_share(key) == SDDL
    assert share.get_permission_for_share(key, file_permission_format="binary") == BINARY
    file = share.get_file_client("f")
    file.create_file(1, file_permission=BINARY, file_permission_format="binary")
    assert file.get_file_properties().permission_key == key
    directory = share.create_directory("d", file_permission=BINARY, file_permission_format="binary")
    assert directory.get_directory_properties().permission_key == key


@pytest.mark.operation("Create Permission")
@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ({"permission": "%", "format": "binary"}, "FileInvalidPermission"),
        ({"permission": "AAAA", "format": "binary"}, "FileInvalidPermission"),
        ({"permission": BINARY}, "FileInvalidPermission"),
        ({"permission": SDDL, "format": "xml"}, "InvalidInput"),
    ],
)
def test_a_permission_that_is_none_is_refused(raw: Raw, document: dict[str, str], refusal: str) -> None:
    assert code(raw("PUT", ADDRESS, body=msgspec.json.encode(document))) == (400, refusal)


@pytest.mark.operation("Get Permission", "Create File")
def test_a_form_that_is_none_is_refused(raw: Raw) -> None:
    """And no file is made."""
    key = raw("PUT", ADDRESS, body=msgspec.json.encode({"permission": SDDL})).headers["x-ms-file-permission-key"]
    asked = {"x-ms-file-permission-key": key, "x-ms-file-permission-format": "xml"}
    assert code(raw("GET", ADDRESS, asked)) == (400, "InvalidHeaderValue")
    new = {"x-ms-type": "file", "x-ms-content-length": "1", "x-ms-file-permission": "AAAA"}
    answer = raw("PUT", "share/f", {**new, "x-ms-file-permission-format": "binary"})
    assert code(answer) == (400, "FileInvalidPermission")
    assert raw("HEAD", "share/f").status_code == 404
