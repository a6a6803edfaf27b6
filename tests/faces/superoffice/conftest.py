"""One face for the tests of a module; a test that counts tasks asks for one of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faces.superoffice.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("superoffice"))
    yield site
    site.close()


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("superoffice"))
    yield site
    site.close()
