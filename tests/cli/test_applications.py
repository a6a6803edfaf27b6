"""`linarite applications` and `linarite accounts auto-storage`: what they print, keep and refuse."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path

import pytest
from tests.support.server import data_home, linarite

CONNECTION = "AccountName=acc;AccountKey=c2VjcmV0"


@pytest.fixture
def data():
    with data_home() as home:
        yield home / "data"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return _zip(tmp_path / "package.zip", content="1")


def _zip(path: Path, name: str = "x", content: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def _run(data: Path, *words: str) -> str:
    done = linarite("applications", *words, "--data", str(data))
    assert done.returncode == 0, done.stderr
    return done.stdout


def _refusal(data: Path, *words: str, group: str = "applications", **options: str) -> str:
    done = linarite(group, *words, "--data", str(data), **options)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def _listed(data: Path, *words: str) -> list[tuple[str, str, bool]]:
    return [(one["id"], one["version"], one["default"]) for one in json.loads(_run(data, "list", "--json", *words))]


def _archives(data: Path) -> list[Path]:
    return sorted((data / "applications").rglob("*.zip"))


def test_add_list_default_and_remove(data: Path, package: Path, tmp_path: Path) -> None:
    assert _run(data, "add", "App", "1.0", str(package)) == "App has the version 1.0.\n"
    other = _zip(tmp_path / "other.zip", content="2")
    assert _run(data, "add", "app", "2.0", str(other), "--default") == "App has the version 2.0, by default 2.0.\n"
    assert _listed(data) == [("App", "1.0", False), ("App", "2.0", True)]
    assert "2.0" in _run(data, "list")
    assert _run(data, "default", "APP", "1.0") == "App, by default 1.0.\n"
    assert _listed(data) == [("App", "1.0", True), ("App", "2.0", False)]
    assert _run(data, "default", "app") == "App has no default version.\n"
    assert len(_archives(data)) == 2
    assert _run(data, "remove", "app", "1.0") == "app 1.0 is removed.\n"
    assert _listed(data) == [("App", "2.0", False)]
    assert len(_archives(data)) == 1
    assert _run(data, "remove", "app") == "app is removed.\n"
    assert (_listed(data), _archives(data)) == ([], [])


def test_accounts_keep_their_own(data: Path, package: Path) -> None:
    _run(data, "add", "app", "1", str(package))
    _run(data, "add", "app", "2", str(package), "--account", "other")
    assert (_listed(data), _listed(data, "--account", "other")) == ([("app", "1", False)], [("app", "2", False)])
    for archive in _archives(data):
        assert stat.S_IMODE(archive.stat().st_mode) == 0o640
        assert stat.S_IMODE(archive.parent.stat().st_mode) == 0o750


def test_one_content_of_two_versions_is_kept_once(data: Path, package: Path) -> None:
    """And for as long as one of them needs it."""
    _run(data, "add", "app", "1", str(package))
    _run(data, "add", "app", "2", str(package))
    assert len(_archives(data)) == 1
    _run(data, "remove", "app", "1")
    assert len(_archives(data)) == 1


def test_updates_that_are_not_allowed_are_refused(data: Path, package: Path, tmp_path: Path) -> None:
    """The old content stays; they can be allowed again."""
    _run(data, "add", "app", "1", str(package), "--no-allow-updates")
    other = _zip(tmp_path / "other.zip", content="2")
    assert "already exists" in _refusal(data, "add", "app", "1", str(other))
    assert len(_archives(data)) == 1
    _run(data, "add", "app", "2", str(other))
    _run(data, "add", "app", "1", str(other), "--allow-updates")
    assert _listed(data) == [("app", "1", False), ("app", "2", False)]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("remove", "nothing"), "does not exist"),
        (("default", "nothing", "1"), "does not exist"),
        (("list", "--account", "No such"), ""),
    ],
)
def test_unknown_applications(data: Path, words: tuple[str, ...], reason: str) -> None:
    if not reason:
        assert _listed(data, *words[1:]) == []
        return
    assert reason in _refusal(data, *words)


@pytest.mark.parametrize(
    ("id", "version"), [("a b", "1"), ("a" * 65, "1"), ("../x", "1"), ("app", ".."), ("app", "1/2")]
)
def test_names_that_are_none(data: Path, package: Path, id: str, version: str) -> None:
    assert "letters, digits" in _refusal(data, "add", id, version, str(package))
    assert _listed(data) == []


def test_limits_of_applications_and_versions(data: Path, package: Path) -> None:
    """Twenty applications an account, forty versions an application: the service's own limits."""
    import asyncio

    from linarite.engine import applications
    from linarite.engine.applications import Application, Version
    from linarite.store import open_store

    _run(data, "add", "app", "0", str(package))
    kept = Version("0" * 64, 1, 1)

    async def fill() -> None:
        store = open_store(data / "server/linarite.db")
        many = Application(id="many", versions={str(n): kept for n in range(40)})
        for one in [many, *(Application(id=f"app{n}") for n in range(18))]:
            await store.write(lambda tx, one=one: applications.put(tx, "devaccount", one))
        await store.close()

    asyncio.run(fill())
    assert "at most 20" in _refusal(data, "add", "another", "1", str(package))
    assert "at most 40" in _refusal(data, "add", "many", "40", str(package))
    _run(data, "add", "many", "39", str(package))


def test_files_that_are_no_packages(data: Path, tmp_path: Path) -> None:
    """Told before anything is kept."""
    (tmp_path / "text").write_text("no zip")
    assert "no package" in _refusal(data, "add", "app", "1", str(tmp_path / "text"))
    assert "leaves its folder" in _refusal(data, "add", "app", "1", str(_zip(tmp_path / "up.zip", "../x")))
    assert not (data / "applications").exists() or not _archives(data)


def test_auto_storage(data: Path) -> None:
    """Its key is printed nowhere."""
    options = {"input": CONNECTION}
    words = ("accounts", "auto-storage", "devaccount")
    done = linarite(*words, "--connection-string-stdin", "--data", str(data), **options)
    assert done.stdout == "devaccount has its storage at https://acc.blob.core.windows.net.\n"
    done = linarite(*words, "--remove", "--data", str(data))
    assert done.stdout == "devaccount has no storage of its own any more.\n"


@pytest.mark.parametrize(
    ("words", "text", "reason"),
    [
        (("devaccount", "--connection-string-stdin"), "nonsense", "no connection string"),
        (("devaccount", "--connection-string-stdin"), "", "no connection string"),
        (("devaccount",), CONNECTION, "no terminal"),
        (("nobody", "--remove"), "", "does not exist"),
        (("No", "--connection-string-stdin"), CONNECTION, "does not exist"),
    ],
)
def test_auto_storage_refused(data: Path, words: tuple[str, ...], text: str, reason: str) -> None:
    refusal = _refusal(data, "auto-storage", *words, group="accounts", input=text)
    assert reason in refusal
    assert "c2VjcmV0" not in refusal
