"""Production: tokens of issuers that the settings name, with keys fetched by https; nothing of development mode."""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from tests.faces.azure_batch.raw import Answer, RawBatch
from tests.http.test_published_keys import jwks
from tests.support.server import DEVELOPMENT_KEY, RunningServer, data_home, linarite, running_server

from linarite.engine.model import Role
from linarite.http import tls
from linarite.identity import issuing

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
ENTRA, PARTNER = f"https://sts.windows.net/{TENANT}/", "https://login.partner.example.org/"
FIRST, SECOND = generate_private_key(65537, 2048), generate_private_key(65537, 2048)
BATCH = "https://batch.core.windows.net/"


class Issuer:
    """A web server that publishes keys by https."""

    def __init__(self, folder: Path) -> None:
        self.keys = jwks(one=FIRST)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                data = issuer.keys.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls.server_certificate(folder, []))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}/keys"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def _published(folder: Path) -> Iterator[Issuer]:
    issuer = Issuer(folder)
    try:
        yield issuer
    finally:
        issuer.close()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """Its certificate is among those that the server trusts."""
    folder = tmp_path_factory.mktemp("issuer")
    with _published(folder) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(tls.authority(folder)))
        yield running


@pytest.fixture(scope="module")
def production(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """With an account `team` beside one that development mode has left there."""
    partner = tmp_path_factory.mktemp("partner") / "keys.json"
    partner.write_text(jwks(theirs=SECOND))
    config = partner.with_name("linarite.toml")
    config.write_text(
        f'[[issuers]]\nissuer = "{ENTRA}"\njwks = "{issuer.url}"\n'
        'roles = { "Batch.Reader" = "read", "Batch.Contributor" = "write" }\n'
        f'[[issuers]]\nissuer = "{PARTNER}"\njwks = "{partner}"\naudiences = ["api://linarite"]\n'
        'default_role = "write"\naccount_claim = "extn.account"\naccounts = ["team"]\n'
    )
    with running_server() as server:
        assert server.terminate() == 0
        assert server.command("accounts", "create", "team").returncode == 0
        server.start(development=False, config=config)
        yield server


@pytest.fixture
def batch(production: RunningServer) -> RawBatch:
    return RawBatch(production.batch, "team")


def token(key: RSAPrivateKey = FIRST, kid: str = "one", **claims: Any) -> str:
    now = int(time.time())
    usual = {
        "iss": ENTRA,
        "aud": BATCH,
        "nbf": now - 5,
        "exp": now + 600,
        "appid": "app",
        "roles": ["Batch.Contributor"],
    }
    return jwt.encode({**usual, **claims}, key, "RS256", headers={"kid": kid})


HOST = {"host": "team.local.batch.azure.com"}


def status(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code if answer.status >= 400 else ""


def add_job(batch: RawBatch, bearer: str, name: str, **named: str) -> Answer:
    return batch.by_token(bearer, "POST", "/jobs", {"id": name, "poolInfo": {"poolId": "p"}}, **{**HOST, **named})


def test_issuers_token_works_in_the_account_of_the_host(batch: RawBatch) -> None:
    assert status(add_job(batch, token(), "j")) == (201, "")
    assert status(batch.by_token(token(roles=["Batch.Reader"]), "GET", "/jobs/j", **HOST)) == (200, "")


def test_reader_may_not_write(batch: RawBatch) -> None:
    reader = token(roles=["Batch.Reader"])
    assert status(add_job(batch, reader, "k")) == (403, "InsufficientAccountPermissions")
    assert status(batch.by_token(reader, "DELETE", "/jobs/j", **HOST)) == (403, "InsufficientAccountPermissions")
    assert status(batch.by_token(token(), "GET", "/jobs/k", **HOST)) == (404, "JobNotFound")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"roles": []}, (403, "InsufficientAccountPermissions")),
        ({"roles": ["Storage.Reader"]}, (403, "InsufficientAccountPermissions")),
        ({"exp": 1}, (401, "AuthenticationFailed")),
        ({"nbf": 2**33}, (401, "AuthenticationFailed")),
        ({"aud": "https://management.azure.com/"}, (401, "AuthenticationFailed")),
        ({"iss": "https://sts.windows.net/another/"}, (401, "AuthenticationFailed")),
        ({"iss": PARTNER}, (401, "AuthenticationFailed")),
    ],
    ids=str,
)  # fmt: skip
def test_token_that_does_not_hold_is_refused(
    batch: RawBatch, claims: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = add_job(batch, token(**claims), "k")
    assert status(answer) == expected
    if answer.status == 401:
        assert f"https://login.microsoftonline.com/{TENANT}/oauth2/authorize" in answer.headers["www-authenticate"]


def test_issuers_keys_change(issuer: Issuer, production: RunningServer, batch: RawBatch) -> None:
    """A new key is fetched when a token names it. A server started anew knows only what is published then."""
    production.restart()
    issuer.keys = jwks(one=FIRST)
    assert status(batch.by_token(token(), "GET", "/jobs", **HOST)) == (200, "")
    issuer.keys = jwks(two=SECOND)
    production.restart()
    assert status(batch.by_token(token(SECOND, "two"), "GET", "/jobs", **HOST)) == (200, "")
    assert status(batch.by_token(token(), "GET", "/jobs", **HOST)) == (401, "AuthenticationFailed")
    issuer.keys = jwks(one=FIRST)
    production.restart()


def test_issuer_of_a_file_has_its_own_audience_claim_and_accounts(batch: RawBatch) -> None:
    def theirs(**claims: Any) -> str:
        return token(SECOND, "theirs", **{"iss": PARTNER, "aud": "api://linarite", "roles": [], **claims})

    assert status(batch.by_token(theirs(), "GET", "/jobs")) == (200, "")
    assert status(add_job(batch, theirs(**{"extn.account": "team"}), "partners")) == (201, "")
    other = {"host": "devaccount.local.batch.azure.com"}
    assert status(batch.by_token(theirs(), "GET", "/jobs", **other)) == (403, "InsufficientAccountPermissions")
    assert status(batch.by_token(theirs(aud=BATCH), "GET", "/jobs")) == (401, "AuthenticationFailed")


def test_token_opens_the_files_of_the_account(production: RunningServer) -> None:
    def get(where: str, **claims: Any) -> requests.Response:
        bearer = token(**{"aud": "https://storage.azure.com", **claims})
        headers = {
            "Authorization": f"Bearer {bearer}",
            "x-ms-version": "2025-01-05",
            "x-ms-file-request-intent": "backup",
        }
        return requests.get(f"{production.files}/{where}/share?restype=share", headers=headers, timeout=30)

    assert get("team").headers["x-ms-error-code"] == "ShareNotFound"
    assert get("nobody").status_code == 401
    assert get("team", roles=[]).headers["x-ms-error-code"] == "AuthorizationPermissionMismatch"
    assert get("team", account="devaccount").headers["x-ms-error-code"] == "AuthorizationPermissionMismatch"
    assert get("team", aud=BATCH).status_code == 401


def test_nothing_of_development_mode_is_believed(production: RunningServer, batch: RawBatch) -> None:
    """Neither its own issuer, nor account keys as secrets of tokens, nor its managed identity."""
    own = issuing.signing_key(production.data / "server" / "keys")
    issued = issuing.token(own, BATCH, "team", Role.ADMIN, 1, int(time.time()))
    keys = json.loads(production.command("accounts", "show-keys", "team", "--json").stdout)
    secrets = [DEVELOPMENT_KEY, *(value for value in keys.values() if len(value) > 60)]
    assert len(secrets) == 3
    signed = [jwt.encode({"aud": BATCH, "exp": 2**33}, base64.b64decode(secret), "HS256") for secret in secrets]
    for bearer in (issued, *signed):
        assert status(batch.by_token(bearer, "GET", "/jobs", **HOST)) == (401, "AuthenticationFailed")


def test_there_is_no_managed_identity(production: RunningServer, batch: RawBatch) -> None:
    assert production.identity == {}
    kept = (production.data / "server" / "keys" / "identity-header").read_text()
    answer = batch.call("GET", "/msi/token?resource=x&api-version=2019-08-01", sign=False, x_identity_header=kept)
    assert status(answer) == (401, "InvalidAuthenticationInfo")


def test_command_makes_no_token_in_production() -> None:
    with data_home() as home:
        config = home / "linarite.toml"
        config.write_text("development = false\n")
        done = linarite("token", "--data", str(home / "data"), "--config", str(config))
    assert done.returncode == 1
    assert "development mode" in done.stderr
