"""One face for the tests of a module; a test that needs an empty one asks for `fresh`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faces.hpc_pack.site import Site
from tests.support.server import data_home


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with data_home() as home:
        site = Site(home)
        yield site
        site.close()


@pytest.fixture
def fresh() -> Iterator[Site]:
    with data_home() as home:
        site = Site(home, pool=None)
        yield site
        site.close()
