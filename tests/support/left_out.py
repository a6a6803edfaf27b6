"""What cannot be done here is left out loudly; with CI set nothing may be."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def leave_out(reason: str, *, always: bool = False) -> NoReturn:
    """Skip this test for a reason; a failure in CI, but for what no checkout but ours has (`always`)."""
    if os.environ.get("CI") and not always:
        pytest.fail(f"CI leaves nothing out, but {reason}")
    pytest.skip(f"LEFT OUT: {reason}")
