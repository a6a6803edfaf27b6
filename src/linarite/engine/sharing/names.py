"""What shares, directories, files and metadata may be called. Source: NOTES 5, "Naming and referencing shares ...".

Names keep their case and are compared without it. Lengths are in UTF-16 units, as the protocol counts them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from linarite.engine.errors import InvalidValue

_SHARE = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-))*(?<!-)", re.ASCII)
_FORBIDDEN = re.compile(r'["\\/:|<>*?\x00-\x1f\x7f\ud800-\udfff]')
_RESERVED = {"", ".", ".."}
_METADATA = re.compile(r"[^\W\d]\w*")

MAX_COMPONENT, MAX_PATH, MAX_DEPTH, MAX_METADATA = 255, 2048, 250, 8192


def check_share(name: str) -> None:
    """A share's name: 3 to 63 of a-z, 0-9 and single hyphens, a letter or digit first and last."""
    if not 3 <= len(name) <= 63:
        raise InvalidValue("share", name, "length")
    if not _SHARE.fullmatch(name):
        raise InvalidValue("share", name, "characters")


def check_path(path: str) -> None:
    """A path below a share's root, separated by "/"; "" is the root."""
    parts = path.split("/") if path else []
    if units(path) > MAX_PATH or len(parts) > MAX_DEPTH or any(units(part) > MAX_COMPONENT for part in parts):
        raise InvalidValue("path", path, "length")
    if not all(is_legal(part) for part in parts):
        raise InvalidValue("path", path, "characters")


def is_legal(name: str) -> bool:
    """Whether one component can be a file's or a directory's name."""
    return name not in _RESERVED and not _FORBIDDEN.search(name)


def trim(path: str) -> str:
    """The path with the trailing dots of each component gone."""
    return "/".join(part if part in {".", ".."} else part.rstrip(".") for part in path.split("/"))


@lru_cache(4096)
def fold(name: str) -> str:
    """The form in which names are compared: upper case, one character for one."""
    if name.isascii():
        return name.upper()
    return "".join(upper if len(upper := each.upper()) == 1 else each for each in name)


def check_metadata(metadata: dict[str, str]) -> None:
    """Names are identifiers, unique without regard to case; 8 KiB together."""
    for name in metadata:
        if not name:
            raise InvalidValue("metadata", name, "empty")
        if not _METADATA.fullmatch(name):
            raise InvalidValue("metadata", name, "characters")
    if len({name.lower() for name in metadata}) != len(metadata):
        raise InvalidValue("metadata", ",".join(metadata), "characters")
    if sum(len(name) + len(value) for name, value in metadata.items()) > MAX_METADATA:
        raise InvalidValue("metadata", len(metadata), "size")


def units(text: str) -> int:
    """Length in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
