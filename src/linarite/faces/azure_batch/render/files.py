"""Files as the protocol shows them: headers of one, items of a list. Source: Batch NOTES section 10."""

from __future__ import annotations

import mimetypes
import os
import stat as modes
from typing import Any
from urllib.parse import quote

from linarite.faces.azure_batch.render.scalars import moment
from linarite.http.dates import http_date

PLAIN = "application/octet-stream"


def content_type(name: str) -> str:
    """A guess from the name."""
    kind, encoding = mimetypes.guess_type(name)
    return PLAIN if kind is None or encoding is not None else kind


def mode_text(mode: int) -> str:
    """The mode with the kind of file: `0o100644`."""
    return f"0o{mode:o}"


def modified_at(stat: os.stat_result) -> int:
    """Microseconds since the epoch."""
    return stat.st_mtime_ns // 1000


def file_headers(name: str, stat: os.stat_result, url: str) -> dict[str, str]:
    """The headers of a file or directory."""
    changed = min(stat.st_mtime_ns, stat.st_ctime_ns) // 1000
    directory = modes.S_ISDIR(stat.st_mode)
    return {
        "Content-Type": PLAIN if directory else content_type(name),
        "Last-Modified": http_date(modified_at(stat)),
        "ocp-creation-time": http_date(changed),
        "ocp-batch-file-isdirectory": "True" if directory else "False",
        "ocp-batch-file-url": url,
        "ocp-batch-file-mode": mode_text(stat.st_mode),
    }


def file_url(base: str, name: str) -> str:
    """The address of a file below `base`, its name as one segment."""
    return f"{base}/{quote(name, safe='', errors='surrogateescape')}"


def file_json(name: str, stat: os.stat_result, base: str) -> dict[str, Any]:
    """An item of a list; a directory has no properties."""
    url = file_url(base, name)
    shown_name = os.fsencode(name).decode("utf-8", "replace")
    if modes.S_ISDIR(stat.st_mode):
        return {"name": shown_name, "url": url, "isDirectory": True}
    properties: dict[str, Any] = {
        "lastModified": moment(modified_at(stat)),
        "contentLength": str(stat.st_size),
        "contentType": content_type(name),
        "fileMode": mode_text(stat.st_mode),
    }
    return {"name": shown_name, "url": url, "isDirectory": False, "properties": properties}
