"""One face for the tests of a module; a test that needs an empty one asks for `fresh`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faces.hpc_pack.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("hpc_pack"))
    yield site
    site.close()


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("hpc_pack"), pool=None)
    yield site
    site.close()
