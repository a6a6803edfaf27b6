"""What the seeds' tests share: signed requests to the worker's one server, and a log that gives nothing away."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.seeds.get_file import make_share
from tests.support.azure_files import FileService, Raw
from tests.support.server import DEVELOPMENT_KEY, RunningServer


@pytest.fixture(autouse=True)
def quiet_log(server: RunningServer) -> Iterator[None]:
    """Whatever a test sends, the log has no traceback and no secret of it."""
    before = len(server.log)
    yield
    written = server.log[before:]
    assert "Traceback" not in written
    assert DEVELOPMENT_KEY not in written


@pytest.fixture(scope="module")
def tenant() -> str:
    """An account that all tests of a module read from."""
    return f"s{uuid.uuid4().hex[:20]}"


@pytest.fixture
def batch(server: RunningServer, account: str) -> RawBatch:
    """The Batch face, in a fresh account."""
    return RawBatch(server.batch, account)


@pytest.fixture
def files(server: RunningServer, account: str) -> Raw:
    """The Files face, in a fresh account."""
    return raw_files(server, account)


def raw_files(server: RunningServer, account: str) -> Raw:
    """Signed requests to the Files face in an account; its shares' folders are known too."""
    return Raw(FileService(server.files, server.data / "shares"), account)


class Person:
    """A user of HPC Pack and SuperOffice who sees one account."""

    def __init__(self, server: RunningServer, account: str, role: str = "admin") -> None:
        """Sign the account in once, so that it is there, and add the user."""
        RawBatch(server.batch, account).call("GET", "/jobs")
        self.server, self.account, self.name, self.password = server, account, f"{role}{account}", uuid.uuid4().hex
        done = server.command(
            "users", "add", self.name, "--account", account, "--role", role, "--password-stdin", input=self.password
        )
        assert done.returncode == 0, done.stderr

    @property
    def basic(self) -> tuple[str, str]:
        """The credentials of Basic."""
        return self.name, self.password


@pytest.fixture(scope="module")
def shared(server: RunningServer, tenant: str) -> Raw:
    """A share with the page's file, a leased one, a large hole, an empty one, and what another program may leave."""
    files = raw_files(server, tenant)
    make_share(files, server, tenant)
    return files
