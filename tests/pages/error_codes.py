"""docs/error-codes.md: every code of Azure Batch, with the test that provokes it or the reason why none can."""

from __future__ import annotations

from tests.faces.azure_batch.error_codes import page_rows
from tests.pages.made import table

from linarite.faces.azure_batch.errors import CODES

INTRODUCTION = """
# Error codes of Azure Batch

Every code that the protocol has. *Provoked* ones are brought about by a request in the named file of tests, below
`tests/faces/azure_batch` and `tests/clients`; for the others it is said why no request brings them about here.
"""


def page() -> str:
    rows = [(f"`{code}`", str(CODES[code][0]) if code in CODES else "", what, how) for code, what, how in page_rows()]
    return INTRODUCTION + "\n" + table(("code", "status", "", "where, or why"), *rows)
