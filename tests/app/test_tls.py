"""https for all faces, with the certificate authority that the server makes, or with a certificate of one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.support.server import FACES, RunningServer, linarite, running_server

from linarite.http import tls
from linarite.http.serving import GRACE, Certificate
from linarite.refusal import Refused


@pytest.fixture(scope="module")
def secure() -> Iterator[RunningServer]:
    with running_server(tls=True) as running:
        yield running


@pytest.mark.parametrize("face", FACES)
def test_every_face_is_trusted_by_the_printed_certificate(secure: RunningServer, face: str) -> None:
    authority = secure.command("cert").stdout.strip()
    assert Path(authority) == secure.ca
    assert secure.urls[face].startswith("https://127.0.0.1:")
    assert requests.get(f"{secure.urls[face]}/readyz", verify=authority, timeout=10).status_code == 200


def test_the_name_localhost_is_trusted_too(secure: RunningServer) -> None:
    url = secure.dashboard.replace("127.0.0.1", "localhost")
    assert requests.get(url, verify=str(secure.ca), timeout=10).status_code == 200


def test_an_idle_connection_does_not_keep_the_server_from_stopping() -> None:
    """A client that reads nothing more does not answer the end of https: the server goes without that answer."""
    with running_server(tls=True) as server, requests.Session() as client:
        assert client.get(f"{server.batch}/readyz", verify=str(server.ca), timeout=10).status_code == 200
        began = time.monotonic()
        assert server.terminate() == 0
        assert time.monotonic() - began < GRACE / 2


def test_without_that_certificate_the_server_is_not_trusted(secure: RunningServer) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(secure.dashboard, timeout=10)


def test_keys_are_readable_by_the_server_alone(secure: RunningServer) -> None:
    keys = list((secure.data / "tls").glob("*.key"))
    assert len(keys) == 2
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)


def test_a_development_token_opens_both_faces_of_azure(secure: RunningServer) -> None:
    for face, audience, path, headers in (
        ("batch", "batch", "/jobs?api-version=2024-07-01.20.0", {}),
        (
            "files",
            "storage",
            "/devaccount/none?restype=share",
            {"x-ms-file-request-intent": "backup", "x-ms-version": "2025-01-05"},
        ),
    ):
        token = secure.command("token", "--audience", audience, "--role", "admin").stdout.strip()
        answer = requests.get(
            secure.urls[face] + path,
            headers={"Authorization": f"Bearer {token}", **headers},
            verify=str(secure.ca),
            timeout=10,
        )
        assert answer.status_code == (200 if face == "batch" else 404), answer.text
        other = "batch" if audience == "storage" else "storage"
        token = secure.command("token", "--audience", other).stdout.strip()
        answer = requests.get(
            secure.urls[face] + path,
            headers={"Authorization": f"Bearer {token}", **headers},
            verify=str(secure.ca),
            timeout=10,
        )
        assert answer.status_code in {401, 403}


def test_a_certificate_of_ones_own_is_served(tmp_path: Path) -> None:
    chain, key = tls.server_certificate(tmp_path, ["batch.example.org"])
    with running_server(tls_cert=chain, tls_key=key) as server:
        answer = requests.get(server.dashboard, verify=str(tls.authority(tmp_path)), timeout=10)
        assert answer.status_code == 200


def test_a_certificate_without_its_key_is_refused() -> None:
    done = linarite("serve", "--tls-cert", "chain.pem")
    assert (done.returncode, "tls_key" in done.stderr) == (1, True)


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    done = linarite(
        "serve", "--tls-cert", "none.pem", "--tls-key", "none.key", "--data", str(tmp_path), "--host", "::1"
    )
    assert done.returncode == 1
    assert "none.pem" in done.stderr
    assert "Traceback" not in done.stderr


def test_certificate_that_cannot_be_served_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Files that are not there, that are no PEM, and a key of another certificate."""
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        made.append(tls.server_certificate(tmp_path / name, []))
    (one, key), (_, other) = made
    text = tmp_path / "text"
    text.write_text("no certificate\n")
    no_pem = "they are no certificate and its key in PEM"
    for chain, private, why in (
        (one, other, "the key is another certificate's"), (text, key, no_pem), (one, text, no_pem),
        (tmp_path / "none", key, "No such file or directory"),
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            Certificate(chain, private)
        assert str(refused.value) == f"The certificate {chain} with the key {private} cannot be used: {why}."
    assert Certificate(one, key).chain == one
