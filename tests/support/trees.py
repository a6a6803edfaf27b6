"""A real tree of files with the names that people give them: spaces, dots, percent signs, other alphabets."""

from __future__ import annotations

import hashlib
from pathlib import Path

NAMES = (
    "plain.txt", "with space", " space before", "two  spaces.txt", "dots.in.the.name", ".hidden", "..two dots before",
    "trailing.", "trailing dots...", "100%", "100%25", "%41", "%2F", "a+b", "a#b", "a&b=c", "a;b", "a,b", "it's",
    "(round) [square] {curly}", "tilde~", "at@home", "$HOME", "no!", "caret^ and `tick`", "Grüße.txt",
    "e\u0301 decomposed", "日本語", "Ελληνικά", "עברית", "emoji 😀👩‍🚀", "long " + "x" * 250, "ü" * 127,
)  # fmt: skip
"""Each of them is a name on a disk too: 255 bytes of UTF-8 at most."""


def plant(root: Path) -> None:
    """Make the tree: every name is a file, a directory with a file in it, and a file in a directory; some are empty."""
    for number, name in enumerate(NAMES):
        put(root / "files" / name, number)
        put(root / "directories" / name / "file", number)
        put(root / "both" / name[:40] / name, number)
    (root / "empty directory" / "in it").mkdir(parents=True)
    (root / "files" / "empty").write_bytes(b"")


def put(path: Path, number: int) -> None:
    """A file whose content tells its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((f"{number} {path.name}\n" * (number + 1)).encode())


def seen(root: Path) -> dict[str, str | None]:
    """What is there: path to the digest of its bytes, None for a directory."""
    return {
        str(path.relative_to(root)): None if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
    }
