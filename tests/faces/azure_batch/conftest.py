"""A fresh account a test, spoken to without a library."""

from __future__ import annotations

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import RunningServer


@pytest.fixture
def batch(server: RunningServer, account: str) -> RawBatch:
    return RawBatch(server.batch, account)
