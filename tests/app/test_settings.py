"""Settings: one class from which flags, variables and the keys of the file come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.server import linarite

from linarite.cli.options import settings
from linarite.refusal import Refused
from linarite.settings import Settings, check_exposure, is_loopback, unknown_variables


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LINARITE_{name.upper()}", raising=False)
    monkeypatch.delenv("LINARITE_CONFIG", raising=False)


def test_every_setting_is_a_flag_with_its_help() -> None:
    said = linarite("serve", "--help").stdout
    flags = set(re.findall(r"--[a-z0-9-]+", said))
    wanted = {"--" + name.replace("_", "-") for name in Settings.model_fields}
    assert wanted <= flags
    assert "--production" in flags
    assert all(field.description for field in Settings.model_fields.values())


def test_a_flag_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    file = tmp_path / "linarite.toml"
    file.write_text("batch_port = 1\nfiles_port = 1\nhpc_port = 1\n")
    monkeypatch.setenv("LINARITE_BATCH_PORT", "2")
    monkeypatch.setenv("LINARITE_FILES_PORT", "2")
    chosen = settings({"batch_port": 3, "files_port": None}, file)
    assert (chosen.batch_port, chosen.files_port, chosen.hpc_port) == (3, 2, 1)


def test_the_environment_can_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "linarite.toml"
    file.write_text('log_format = "json"\n')
    monkeypatch.setenv("LINARITE_CONFIG", str(file))
    assert settings({}).log_format == "json"


def test_issuers_and_tasks_stand_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "linarite.toml"
    file.write_text(
        '[[issuers]]\nissuer = "https://sts.example.org/"\njwks = "/etc/keys.json"\nroles = { "Batch.Read" = "read" }\n'
        '[superoffice_tasks.Report]\ncommand = "make report"\n'
    )
    chosen = settings({}, file)
    assert chosen.issuers[0].roles == {"Batch.Read": "read"}
    assert chosen.superoffice_tasks == {"Report": {"command": "make report"}}


def test_names_of_certificates_are_given_as_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings({"tls_names": "a.example.org, b.example.org"}).tls_names == ("a.example.org", "b.example.org")
    monkeypatch.setenv("LINARITE_TLS_NAMES", "c.example.org")
    assert settings({}).tls_names == ("c.example.org",)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ({"batch_port": 65536}, "batch_port"),
        ({"log_format": "xml"}, "log_format"),
        ({"batch_public_url": "example.org"}, "batch_public_url"),
        ({"tls_cert": "chain.pem"}, "tls_key"),
        ({"issuers": '[{"issuer": "x", "jwks": "http://example.org/keys"}]'}, "issuers.0.jwks"),
        ({"issuers": "[["}, "issuers"),
        ({"events_days": -1}, "events_days"),
        ({"task_uid_base": 0}, "task_uid_base"),
        ({"store_url": "store.db"}, "store_url"),
        ({"batch_port": "x"}, "batch_port has to be a whole number"),
        ({"head_seconds": "x"}, "head_seconds has to be a number"),
        ({"issuers": "nonsense"}, "issuers: this is no JSON"),
        ({"issuers": "{}"}, "issuers has to be a list"),
        ({"slurm_pools": '{"a": 1}'}, "slurm_pools.a has to be a table"),
        ({"data": ""}, "data: an empty word names no path"),
        ({"smtp_server": "mail:70000"}, "smtp_server: it has to be a host, or host:port"),
        ({"smtp_server": "http://mail"}, "smtp_server: it has to be a host, or host:port"),
        ({"superoffice_prefix": "Cust1"}, "superoffice_prefix: it has to be a path such as /Cust12345"),
        ({"host_names": "good, not/good"}, "host_names: 'not/good' is no host name and no address"),
        ({"tls_names": "a b"}, "tls_names: 'a b' is no host name and no address"),
    ],
)
def test_a_setting_that_is_wrong_is_named(flags: dict[str, object], named: str) -> None:
    with pytest.raises(Refused, match=re.escape(named)):
        settings(flags)


@pytest.mark.parametrize(
    ("text", "said"),
    [("batch_prot = 1\n", "none that is called batch_prot"), ("batch_port = = 1\n", "file .* is no TOML")],
)
def test_a_file_with_an_unknown_key_or_no_toml_is_refused(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "linarite.toml"
    file.write_text(text)
    with pytest.raises(Refused, match=said):
        settings({}, file)


def test_an_empty_variable_makes_no_folder_of_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINARITE_DATA", "")
    with pytest.raises(Refused, match="data: an empty word names no path"):
        settings({})


def test_variables_that_no_setting_has_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped one would change nothing, silently; those that a task is given are no settings."""
    before = unknown_variables()
    for name in ("LINARITE_BATCHPORT", "linarite_nothing", "LINARITE_RUN", "LINARITE_CONFIG", "LINARITE_HPC_PORT"):
        monkeypatch.setenv(name, "1")
    assert sorted(set(unknown_variables()) - set(before)) == ["LINARITE_BATCHPORT", "linarite_nothing"]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"none\.toml"):
        settings({}, tmp_path / "none.toml")


def test_history_for_ever_is_0_or_none() -> None:
    assert settings({"events_days": "0"}).events_days is None
    assert settings({"events_days": "none"}).events_days is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serve", "--events-days", "none", "--batch-port", "x"], "Settings: batch_port has to be a whole number."),
        (["serve", "--data", ""], "Settings: data: an empty word names no path."),
        (
            ["token", "--data", ""],
            "Invalid value for '--data': An empty word names no path. See `linarite token --help`.",
        ),
        (["surf"], "No such command 'surf'. See `linarite --help`."),
        (["serve", "--prot", "1"], "No such option: --prot"),
        (["token", "--role", "king"], "Invalid value for '--role': 'king' is not one of 'read', 'write', 'admin'. See"),
        (["accounts", "create"], "Missing argument 'name'. See `linarite accounts create --help`."),
    ],
)
def test_wrong_words_are_refused_in_one_line(words: list[str], said: str) -> None:
    """By an exit code: 1 for what a command refuses, 2 for what is none."""
    done = linarite(*words)
    assert done.returncode == (1 if "Settings" in said else 2)
    assert done.stdout == ""
    assert done.stderr.startswith(f"linarite: {said}")
    assert done.stderr.count("\n") == 1


def test_without_words_there_is_help() -> None:
    done = linarite("accounts")
    assert (done.returncode, done.stderr) == (2, "")
    assert "rotate" in done.stdout


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_loopback_is_told_from_other_addresses(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_a_host_that_is_not_known_is_refused() -> None:
    with pytest.raises(Refused, match=r"nowhere\.invalid"):
        check_exposure(settings({"host": "nowhere.invalid"}))


def test_a_databases_password_is_not_shown() -> None:
    chosen = settings({"store_url": "postgresql://linarite:topsecret@localhost/linarite"})
    assert "topsecret" not in repr(chosen)
