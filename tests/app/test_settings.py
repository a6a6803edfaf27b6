"""Settings: one class from which flags, variables and the keys of the file come."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.server import linarite

from linarite.cli.options import settings
from linarite.refusal import Refused
from linarite.settings import Settings, check_exposure, is_loopback


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


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"none\.toml"):
        settings({}, tmp_path / "none.toml")


def test_history_for_ever_is_0_or_none() -> None:
    assert settings({"events_days": "0"}).events_days is None
    assert settings({"events_days": "none"}).events_days is None


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
