"""Write the pages of docs/ that are made from the code: `python -m tests.pages`."""

from __future__ import annotations

from tests.pages.made import DOCS, pages

for name, text in pages().items():
    (DOCS / name).write_text(text)
    print(f"docs/{name}")
