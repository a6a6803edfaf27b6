"""docs/error-codes.md: every code of Azure Batch, with the test that provokes it or the reason why none can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.faces.azure_batch import error_codes as batch
from tests.faces.azure_files import error_codes as files
from tests.pages.made import table

from linarite.faces.azure_batch.errors import CODES
from linarite.faces.azure_files.errors import CODES as FILE_CODES

INTRODUCTION = """
# Error codes of Azure Batch

Every code that the protocol has. *Provoked* ones are brought about by a request in the named file of tests, below
`tests/faces/azure_batch` and `tests/clients`; for the others it is said why no request brings them about here.
"""


FILES = """
# Error codes of Azure Files

The same for the file service; the tests are below `tests/faces/azure_files` and `tests/clients`.
"""
HEADINGS = ("code", "status", "", "where, or why")


def page() -> str:
    rows = [(f"`{code}`", _status(CODES, code), what, how) for code, what, how in batch.page_rows()]
    own = [(f"`{code}`", _status(FILE_CODES, code), what, how) for code, what, how in files.page_rows()]
    return f"{INTRODUCTION}\n{table(HEADINGS, *rows)}\n{FILES}\n{table(HEADINGS, *own)}"


def _status(codes: Mapping[str, tuple[Any, ...]], code: str) -> str:
    return str(codes[code][0]) if code in codes else ""
