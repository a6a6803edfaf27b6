"""What stands between the fences of a hand-written page, to be run as it stands there."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.pages.made import DOCS


class Block(NamedTuple):
    """A fenced block: its language and its lines."""

    language: str
    text: str


def blocks(page: str, *languages: str) -> list[str]:
    """The blocks of a page of docs/ in these languages, in their order."""
    return [block.text for block in _all(page) if block.language in languages]


def block(page: str, language: str, having: str) -> str:
    """The one block of that language which has this text in it. AssertionError when there is none, or several."""
    found = [text for text in blocks(page, language) if having in text]
    assert len(found) == 1, f"docs/{page} has {len(found)} blocks of {language} with {having!r}"
    return found[0]


def _all(page: str) -> list[Block]:
    return [
        Block(*found)
        for found in re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    ]
