"""What every face's own table says: its operations, whether they are there, in which versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from linarite.faces.azure_batch import routes as azure_batch
from linarite.faces.azure_batch.versions import KNOWN as BATCH_VERSIONS
from linarite.faces.azure_files import dispatch as azure_files
from linarite.faces.azure_files.versions import KNOWN as FILES_VERSIONS
from linarite.faces.hpc_pack import routes as hpc_pack
from linarite.faces.hpc_pack.versions import KNOWN as HPC_VERSIONS
from linarite.faces.superoffice import SuperOffice

NOTHING = cast("Any", None)
"""Stands for an engine and for accounts: a table needs neither."""


class Operation(NamedTuple):
    """A row of a page: `words` are how a test's name or a client's method may call it."""

    name: str
    request: str
    there: bool
    versions: str
    words: frozenset[str]


class Surface(NamedTuple):
    """A protocol, or one of its two surfaces: where its tests are, and its real client's (globs below tests/).

    `whole` are files that call every operation of the face's own table.
    """

    title: str
    client: str
    tests: tuple[str, ...]
    client_tests: tuple[str, ...]
    operations: Callable[[], Iterator[Operation]]
    whole: tuple[str, ...] = ()


def snake(name: str) -> str:
    """`Tasks_CreateTask`, `Get File` and `GetFile` as words joined by underscores."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace(" ", "_").lower()


def _operation(
    name: str, method: str, path: str, *, there: bool, versions: str = "all", also: tuple[str, ...] = ()
) -> Operation:  # fmt: skip
    short = snake(name.partition("_")[2])
    # A bare verb, as in Certificate_Get, is the name of many other things as well.
    words = {snake(name), *([short] if "_" in short else []), *also}
    return Operation(name, f"{method} {path}".strip(), there, versions, frozenset(words))


def _batch() -> Iterator[Operation]:
    for row in azure_batch.TABLE:
        until = "" if row.until == "9999" else f"before {row.until}"
        since = f"from {row.since}" if row.since else ""
        versions = " ".join(filter(None, (since, until))) or "all"
        also = (row.operation.__name__,)
        yield _operation(row.name, row.method, row.pattern, there=True, versions=versions, also=also)


def _files() -> Iterator[Operation]:
    rows = [(key, method, row) for key, methods in azure_files.TABLE.items() for method, row in methods.items()]
    rows += [(("path", "", ""), "PUT", azure_files.COPY), (("path", "", "range"), "PUT", azure_files.PUT_FROM_URL)]
    for (resource, restype, comp), method, row in rows:
        query = "&".join(f"{name}={value}" for name, value in (("restype", restype), ("comp", comp)) if value)
        path = {"service": "/", "share": "/{share}"}.get(resource, "/{share}/{path}")
        also = (row.handler.__name__,) if row.handler else ()
        yield _operation(
            row.name, method, path + (f"?{query}" if query else ""), there=row.handler is not None,
            versions=f"from {row.since}" if row.since else "all", also=also,
        )  # fmt: skip


def _hpc(prefix: str, rows: tuple[hpc_pack.Row, ...]) -> Iterator[Operation]:
    for row in rows:
        there = not row.operation.__qualname__.startswith("refused.")
        versions = "an api-version is required" if row.versioned else "all"
        also = (row.operation.__name__,) if there else ()
        yield _operation(row.name, row.method, f"{prefix}/{row.path}", there=there, versions=versions, also=also)


def _superoffice(*prefixes: str) -> Iterator[Operation]:
    seen = set[str]()
    for route in SuperOffice(NOTHING, NOTHING).routes:
        described = route.name.endswith("_Description") or route.name == "v1BatchAgent"
        if route.name in seen or described or not route.name.startswith(prefixes):
            continue
        seen.add(route.name)
        path = (
            route.pattern if "ByState" not in route.name or "Agents" in route.pattern else "/api/v1/BatchTask/{state}"
        )
        yield _operation(route.name, route.method, path, there=True, versions="v1")


def versions(known: frozenset[str] | tuple[str, ...]) -> str:
    """The span of a protocol's versions."""
    return f"{min(known)} to {max(known)}, {len(known)} of them"


SURFACES = (
    Surface(
        "Azure Batch", "azure-batch 15 and 14.2.0 (Python), @azure/batch 10 (npm), az batch",
        ("faces/azure_batch/*", "clients/test_azure_batch*", "seeds/test_get_task_file.py"),
        (
            "clients/test_azure_batch*", "clients/test_four_faces.py", "faults/*", "app/*", "support/batch.py",
            "seeds/test_get_task_file.py",
        ), _batch, ("faces/azure_batch/test_every_operation.py",),
    ),
    Surface(
        "Azure Files", "azure-storage-file-share (Python), @azure/storage-file-share (npm), rclone",
        ("faces/azure_files/*", "clients/test_azure_files*", "seeds/test_get_file*.py"),
        ("clients/test_azure_files*", "seeds/test_get_file*.py"), _files,
    ),
    Surface(
        "HPC Pack, XML", "winhpclib (Microsoft's sample for Python)",
        ("faces/hpc_pack/*", "clients/test_hpc*", "clients/test_four_faces.py", "seeds/test_get_job.py"),
        ("clients/test_hpc*",), lambda: _hpc("/WindowsHPC", (*hpc_pack.CLASSIC, hpc_pack.CLUSTERS, *hpc_pack.SESSIONS)),
    ),
    Surface(
        "HPC Pack, JSON", "bravado 12 (Python), from the descriptions of 2016 and 2019",
        ("faces/hpc_pack/*json*", "clients/test_hpc*json*"),
        ("clients/test_hpc*json*",), lambda: _hpc("/hpc", hpc_pack.JSON),
    ),
    Surface(
        "SuperOffice, REST", "none: the npm package has none",
        (
            "faces/superoffice/test_resource.py", "faces/superoffice/test_face.py", "faces/superoffice/test_archive.py",
            "faces/superoffice/test_time_zones.py",
            "clients/test_superoffice_server.py", "seeds/test_get_batch_task.py",
        ),
        (), lambda: _superoffice("v1Batch_", "v1Archive_", "v1TimeZone_"),
    ),
    Surface(
        "SuperOffice, agent", "@superoffice/webapi (npm)",
        ("faces/superoffice/test_agent.py", "faces/superoffice/test_archive.py"),
        ("clients/test_superoffice.py",), lambda: _superoffice("v1BatchAgent_", "v1ArchiveAgent_"),
    ),
)  # fmt: skip

VERSIONS = {
    "Azure Batch": versions(BATCH_VERSIONS),
    "Azure Files": versions(FILES_VERSIONS),
    "HPC Pack, XML": versions(HPC_VERSIONS),
    "HPC Pack, JSON": versions(HPC_VERSIONS),
    "SuperOffice, REST": "v1",
    "SuperOffice, agent": "v1",
}
