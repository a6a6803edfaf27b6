"""Accounts, users, tokens: what the commands print, and what a running server makes of it."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
import requests
from tests.support.server import DEVELOPMENT_KEY, RunningServer, linarite, running_server
from typer.testing import CliRunner

from linarite import __version__
from linarite.cli import COMMANDS, app
from linarite.http.batch_auth import signature, texts_to_sign
from linarite.http.messages import Headers, Query
from linarite.refusal import Refused

SEEN = 15.0
"""Seconds within which a running server must have seen a change."""


@pytest.fixture(scope="module")
def own() -> Iterator[RunningServer]:
    """A server whose accounts and users these tests may change."""
    with running_server() as running:
        yield running


def _run(server: RunningServer, *words: str, input: str | None = None) -> str:
    """What a command prints, run in this process for speed."""
    done = CliRunner().invoke(app, [*words, "--data", str(server.data)], input=input, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def _refusal(server: RunningServer, *words: str) -> str:
    """What a command that is run in this process refuses with."""
    with pytest.raises(Refused) as refused:
        app([*words, "--data", str(server.data)], standalone_mode=False)
    return str(refused.value)


def _keys(text: str) -> tuple[str, str]:
    one, two = (line.split()[1] for line in text.splitlines())
    return one, two


def _status(server: RunningServer, account: str, key: str) -> int:
    """The status of a request to Azure Batch that is signed with a key."""
    date = formatdate(time.time(), usegmt=True)
    query = "api-version=2024-07-01.20.0"
    headers = Headers([(b"ocp-date", date.encode())])
    text = next(iter(texts_to_sign("GET", "/jobs", Query(query), headers, account, empty_body=True)))
    signed = base64.b64encode(signature(base64.b64decode(key), text)).decode()
    answer = requests.get(
        f"{server.batch}/jobs?{query}", timeout=10,
        headers={"ocp-date": date, "Authorization": f"SharedKey {account}:{signed}"},
    )  # fmt: skip
    return answer.status_code


def _signed_in(server: RunningServer, name: str, password: str) -> bool:
    answer = requests.get(f"{server.superoffice}/api/v1/BatchTask/1", auth=(name, password), timeout=10)
    return answer.status_code == 404


def _until(becomes: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SEEN
    while not becomes():
        assert time.monotonic() < deadline, "the server does not see the change"
        time.sleep(0.05)


def test_help_names_every_command() -> None:
    said = linarite("--help").stdout
    assert all(name in said for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name: str) -> None:
    assert CliRunner().invoke(app, [name, "--help"], catch_exceptions=False).exit_code == 0


def test_the_version_is_the_packages() -> None:
    assert linarite("--version").stdout == f"linarite {__version__}\n"


def test_an_unknown_command_is_refused() -> None:
    assert linarite("surf").returncode == 2


def test_an_account_that_was_made_is_known_to_the_running_server(own: RunningServer) -> None:
    one, two = _keys(_run(own, "accounts", "create", "fresh"))
    assert _status(own, "fresh", one) == _status(own, "fresh", two) == 200
    assert _status(own, "fresh", DEVELOPMENT_KEY) == 403
    assert _keys(_run(own, "accounts", "show-keys", "fresh")) == (one, two)


def test_a_key_that_was_rotated_is_refused_and_the_other_stays_good(own: RunningServer) -> None:
    one, two = _keys(_run(own, "accounts", "create", "rotating"))
    assert _status(own, "rotating", one) == 200
    new, same = _keys(_run(own, "accounts", "rotate", "rotating"))
    assert (same, new != one) == (two, True)
    _until(lambda: _status(own, "rotating", one) == 403)
    assert _status(own, "rotating", new) == _status(own, "rotating", two) == 200
    assert _keys(_run(own, "accounts", "rotate", "rotating", "--key", "2"))[0] == new
    _until(lambda: _status(own, "rotating", two) == 403)


def test_a_development_account_gets_two_real_keys(own: RunningServer, account: str) -> None:
    assert _status(own, account, DEVELOPMENT_KEY) == 200
    one, two = _keys(_run(own, "accounts", "rotate", account))
    assert one != two
    _until(lambda: _status(own, account, DEVELOPMENT_KEY) == 403)
    assert _status(own, account, one) == 200


def test_the_list_has_accounts_and_no_keys(own: RunningServer, account: str) -> None:
    _status(own, account, DEVELOPMENT_KEY)
    listed = json.loads(_run(own, "accounts", "list", "--json"))
    assert {"name": account, "keys": "development"}.items() <= next(
        one for one in listed if one["name"] == account
    ).items()
    assert "==" not in json.dumps(listed)
    assert account in _run(own, "accounts", "list")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("create", "No"), "3 to 24"),
        (("create", "devaccount"), "already exists"),
        (("rotate", "nobody"), "does not exist"),
        (("show-keys", "nobody"), "does not exist"),
    ],
)
def test_accounts_that_cannot_be_are_refused(
    own: RunningServer, words: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    assert reason in _refusal(own, "accounts", *words)
    assert capsys.readouterr().out == ""


def test_a_user_signs_in_changes_the_password_and_goes(own: RunningServer) -> None:
    said = _run(own, "users", "add", "Ada", "--password-stdin", input="difference engine\n")
    assert "of devaccount, role write" in said
    assert _signed_in(own, "ada", "difference engine")
    assert not _signed_in(own, "ada", "analytical engine")
    _run(own, "users", "password", "ada", "--password-stdin", input="analytical engine\n")
    _until(lambda: _signed_in(own, "ada", "analytical engine"))
    assert not _signed_in(own, "ada", "difference engine")
    assert "read" in _run(own, "users", "role", "ada", "read")
    listed = {one["name"]: one for one in json.loads(_run(own, "users", "list", "--json"))}
    assert listed["Ada"]["role"] == "read"
    assert listed["dev"] == {"name": "dev", "number": 1, "role": "admin", "account": "devaccount"}
    _run(own, "users", "remove", "ADA")
    _until(lambda: not _signed_in(own, "ada", "analytical engine"))


def test_a_users_number_is_not_given_again(own: RunningServer) -> None:
    for name in ("first", "second"):
        _run(own, "users", "add", name, "--password-stdin", input="a long password\n")
        listed = {one["name"]: one["number"] for one in json.loads(_run(own, "users", "list", "--json"))}
        _run(own, "users", "remove", name)
        assert listed[name] == max(listed.values())
    with_first = listed["second"]
    _run(own, "users", "add", "third", "--password-stdin", input="a long password\n")
    assert {one["name"]: one["number"] for one in json.loads(_run(own, "users", "list", "--json"))}[
        "third"
    ] > with_first


@pytest.mark.parametrize(
    ("words", "password", "reason"),
    [
        (("add", "dev"), "a long password", "already exists"),
        (("add", "a b"), "a long password", "a name has"),
        (("add", "short"), "short", "at least 8"),
        (("add", "known"), "linarite", "everybody knows"),
        (("add", "lost", "--account", "nowhere"), "a long password", "does not exist"),
        (("password", "nobody"), "a long password", "does not exist"),
    ],
)
def test_users_that_cannot_be_are_refused(
    own: RunningServer, words: tuple[str, ...], password: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    assert reason in _refusal(own, "users", *words, "--password-stdin")


def test_users_add_without_terminal(own: RunningServer) -> None:
    """Where nobody can be asked for a password, the option that reads one is named."""
    assert "--password-stdin" in own.command("users", "add", "ada", input="").stderr


@pytest.mark.parametrize("kind", ["ticket", "bearer", "cookie"])
def test_each_superoffice_credential_signs_in(own: RunningServer, kind: str) -> None:
    said = _run(own, "token", "--superoffice", kind).strip()
    if kind == "cookie":
        headers = dict(line.split(": ", 1) for line in said.splitlines())
    else:
        headers = {"Authorization": f"{'SOTICKET' if kind == 'ticket' else 'Bearer'} {said}"}
        assert said.startswith("7T:" if kind == "ticket" else "8A:")
    answer = requests.get(f"{own.superoffice}/api/v1/BatchTask/1", headers=headers, timeout=10)
    assert answer.status_code == 404, answer.text


def test_all_superoffice_credentials_are_handed_out_as_headers(own: RunningServer) -> None:
    said = _run(own, "token", "--superoffice").splitlines()
    assert [line.partition(" ")[0] for line in said] == ["Authorization:", "Authorization:", "Cookie:", "X-XSRF-TOKEN:"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("ticket",), "--superoffice"),
        (("--superoffice", "--user", "nobody"), "does not exist"),
        (("--account", "No"), "3 to 24"),
    ],
)
def test_tokens_that_cannot_be_are_refused(own: RunningServer, words: tuple[str, ...], reason: str) -> None:
    assert reason in _refusal(own, "token", *words)


def test_a_refusal_is_one_line_and_exit_code_1(own: RunningServer) -> None:
    """The real process, beside the running server."""
    assert own.command("accounts", "create", "byprocess").stdout.startswith("key1  ")
    done = own.command("accounts", "rotate", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "linarite: The account 'nobody' does not exist.\n"


def test_production_has_no_issuer_of_its_own(own: RunningServer, tmp_path: Path) -> None:
    file = tmp_path / "production.toml"
    file.write_text("development = false\n")
    assert "issuers" in _refusal(own, "token", "--config", str(file))


def test_a_user_needs_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In production there is none at first, and the first one that is made is everybody's who names none."""
    monkeypatch.setenv("LINARITE_DEVELOPMENT", "false")
    words = ["users", "add", "ada", "--password-stdin", "--data", str(tmp_path)]
    refused = CliRunner().invoke(app, words, input="a long password\n").exception
    assert isinstance(refused, Refused)
    assert "accounts create" in str(refused)
    assert CliRunner().invoke(app, ["accounts", "create", "team", "--data", str(tmp_path)]).exit_code == 0
    assert "of team" in CliRunner().invoke(app, words, input="a long password\n").stdout
