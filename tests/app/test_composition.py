"""What the composition root decides: whose tokens are believed, where data are, which numbers tasks' users have."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from linarite import app, data
from linarite.cli.options import settings
from linarite.data import DataFolder
from linarite.engine.access import Principal, Unauthenticated
from linarite.engine.model import Role
from linarite.identity.access import Identity
from linarite.identity.accounts import DEVELOPMENT_KEY
from linarite.identity.task_tokens import TaskTokens
from linarite.refusal import Refused
from linarite.store import open_store

AUDIENCE = "https://storage.azure.com"


async def _caller(folder: Path, token: str, **flags: Any) -> Principal:
    kept, chosen = DataFolder(folder), settings({"data": folder, **flags})
    kept.make()
    store = open_store(kept.database)
    trusted = app._trusted(chosen, kept, TaskTokens(kept.keys))
    identity = Identity(store, app.WallClock(), trusted, development=chosen.development)
    try:
        await identity.start()
        return await identity.bearer(token, (AUDIENCE,), app.WallClock().now(), "devaccount")
    finally:
        await store.close()


def _signed_with_the_development_key() -> str:
    """As the Azure Files peer suite makes them."""
    claims = {"aud": AUDIENCE, "iss": "https://sts.windows.net/tenant/", "exp": time.time() + 60, "oid": "somebody"}
    return jwt.encode(claims, base64.b64decode(DEVELOPMENT_KEY), algorithm="HS256")


def test_a_token_signed_with_the_development_key_is_an_administrators_in_development_alone(tmp_path: Path) -> None:
    token = _signed_with_the_development_key()
    assert asyncio.run(_caller(tmp_path, token)).role is Role.ADMIN
    with pytest.raises(Unauthenticated, match="not trusted"):
        asyncio.run(_caller(tmp_path, token, development=False))


def test_data_are_where_the_user_keeps_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LINARITE_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert settings({}).data == tmp_path / "linarite"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings({}).data == tmp_path / ".local/share/linarite"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert settings({}).data == Path("/var/lib/linarite")


@pytest.mark.parametrize(("ranges", "base"), [("0 0 4294967295", 1_900_000_000), ("0 100000 65536", 50_000)])
def test_tasks_users_have_numbers_that_the_machine_has(
    ranges: str, base: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(data.Path, "read_text", lambda _self: f"{ranges}\n")
    assert data.default_uid_base() == base


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="--data"):
        DataFolder(tmp_path / "file" / "data").make()


def test_nodes_have_names_as_azures() -> None:
    name = app.make_id("dedicated")
    assert (len(name), name[:6], name[-2:]) == (72, "tvmps_", "_d")
    assert app.make_id("low-priority").endswith("_p")
    assert app.make_id("dedicated") != name
