"""Secrets that are made once and kept in a file that only the server reads."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds, made at the first call. Raises OSError."""
    if not path.exists():
        _write(path, make())
    return path.read_bytes()


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; the first of two writers wins."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
