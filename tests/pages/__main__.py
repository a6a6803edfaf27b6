"""Write the pages of docs/ that are made from the code: `python -m tests.pages`."""

from __future__ import annotations

import logging

import structlog
from tests.pages.made import DOCS, pages

# To learn what each face answers, the pages ask for every refusal: that need not be told.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

for name, text in pages().items():
    (DOCS / name).write_text(text)
    print(f"docs/{name}")
