"""Basic credentials and kept passwords."""

from __future__ import annotations

import base64

import pytest

from linarite.http.basic import credentials
from linarite.http.passwords import hashed, matches, nobody


def _header(raw: bytes, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(raw).decode()}"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (_header(b"dev:linarite"), ("dev", "linarite")),
        (_header(b"dev:a:b", "bAsIc"), ("dev", "a:b")),
        (_header("é:ü".encode()), ("é", "ü")),
        (_header("é:ü".encode("latin-1")), ("é", "ü")),
        (_header(b":"), ("", "")),
        (_header(b"no colon"), None),
        (_header(b"dev:linarite", "Bearer"), None),
        ("Basic !!!", None),
        ("Basic", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_gives_name_and_password(header: str | None, found: tuple[str, str] | None) -> None:
    assert credentials(header) == found


def test_a_kept_password_matches_itself_alone() -> None:
    kept = hashed("correct horse")
    assert matches("correct horse", kept)
    assert not matches("correct horse ", kept)
    assert "correct" not in kept
    assert kept != hashed("correct horse")


def test_nobody_has_a_password() -> None:
    assert not matches("", nobody())
    assert nobody() == nobody()
