"""The logs of a node, and having them sent to a blob container by a process of their own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import structlog

from linarite.nodes.environment import passed_on
from linarite.nodes.moving.parcels import Parcel, encode
from linarite.nodes.open_files import as_given
from linarite.nodes.places import HostPlace

LARGEST = 16 * 1024 * 1024
"""Bytes of a log that are sent: its last ones."""

_log = structlog.get_logger(__name__)


def host_logs(places: Iterable[HostPlace], since: int) -> dict[str, bytes]:
    """What hosts wrote, by the name of their folder, where they wrote after `since` (microseconds since the epoch).

    When a log was begun is not known: one that may hold a line of the time that is asked for is sent.
    """
    found = {}
    for place in places:
        try:
            with open(f"{place.folder}/log", "rb") as file:
                facts = os.fstat(file.fileno())
                if not facts.st_size or facts.st_mtime_ns // 1000 < since:
                    continue
                file.seek(max(0, facts.st_size - LARGEST))
                found[f"host-{os.path.basename(place.folder)}.log"] = file.read()
        except FileNotFoundError:
            continue
    return found


async def send(parcel: Parcel, uid: int | None, ca_file: Path | None, patience: float) -> None:
    """Send a parcel as the user `uid`; how it went stands in the server's log alone, as the protocol has it."""
    words = [sys.executable, "-P", "-s", "-m", "linarite.nodes.moving.log_sender", "--patience", str(patience)]
    for option, value in (("--uid", uid), ("--ca-file", ca_file)):
        words += [] if value is None else [option, str(value)]
    process = await asyncio.create_subprocess_exec(
        *as_given(words), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE, cwd="/", env=passed_on(),
    )  # fmt: skip
    try:
        _, said = await process.communicate(encode(parcel))
    except asyncio.CancelledError:
        process.kill()
        raise
    files = sorted(parcel.files)
    if process.returncode == 0:
        _log.info("node_logs_sent", files=files)
    else:
        _log.warning("node_logs_not_sent", files=files, reason=said.decode(errors="replace")[-2000:])
