"""Files of tasks and of nodes: get, properties, list, delete. Source: seed 000, Batch NOTES section 10.

A file is streamed from its descriptor, never held; the length of one that a running task still writes is fixed when it
is opened. A directory is answered by its headers alone.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat as modes
from collections.abc import Awaitable, Callable, Iterator

from linarite.engine.errors import NotFound
from linarite.faces.azure_batch import filters
from linarite.faces.azure_batch.call import Call, Operation, raise_outcome
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.operations.lists import next_link, page_size, position
from linarite.faces.azure_batch.places import Place, node_place, refusing, task_place
from linarite.faces.azure_batch.render.files import file_headers, file_json, file_url, modified_at
from linarite.http.messages import FileBody, Response

Find = Callable[[Call], Awaitable[Place]]
Found = tuple[str, os.stat_result]

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


def _getter(find: Find) -> Operation:
    async def get_file(call: Call) -> Response:
        """The bytes of a file or of a range of it, or its headers alone for HEAD."""
        place, conditions = await find(call), call.conditions(dates_only=True)
        name, descriptor = _open(place, call.parameters["filePath"])
        try:
            stat = os.fstat(descriptor)
            if conditions is not None:
                raise_outcome(conditions.outcome(None, modified_at(stat)))
            headers = file_headers(name, stat, file_url(place.url, name))
            if modes.S_ISREG(stat.st_mode):
                start, length = _wanted(call, stat.st_size)
                body, descriptor = FileBody(descriptor, start, length), -1
                return Response(200, body, headers)
            if not modes.S_ISDIR(stat.st_mode):
                raise NotFound("file", name)
            return Response(200, b"", headers)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    return get_file


def _open(place: Place, name: str) -> tuple[str, int]:
    """Open a file or a directory; a backslash separates names as a slash does, unless a name has one."""
    try:
        with refusing(name):
            return name, place.tree.open(place.path(name))
    except NotFound:
        other = name.replace("\\", "/")
        if other == name:
            raise
        with refusing(name):
            return other, place.tree.open(place.path(other))


def _wanted(call: Call, size: int) -> tuple[int, int]:
    """Start and length of what `ocp-range` asks for; an end past the file's is the file's."""
    text = call.request.headers.get("ocp-range")
    if text is None or call.request.method == "HEAD":
        return 0, size
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise Refusal("InvalidHeaderValue", HeaderName="ocp-range", HeaderValue=text)
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if first >= size or last < first:
        raise Refusal("InvalidRange", HeaderName="ocp-range", HeaderValue=text)
    return first, last - first + 1


def _lister(find: Find) -> Operation:
    async def list_files(call: Call) -> Response:
        """The names at the top of the folder, or all below it."""
        matches = filters.compile_test(call.request.query.get("$filter"), filters.FILES)
        place, recursive = await find(call), call.flag("recursive")
        size, after = page_size(call), position(call)
        try:
            found = await asyncio.to_thread(lambda: sorted(_names(place, recursive=recursive)))
        except NotFound:
            await find(call)  # the folder went in this moment: it is told why
            raise
        left = [item for item in found if item[0] > after and matches({"name": item[0]})]
        page = left[:size]
        link = next_link(call, page[-1][0]) if len(left) > size else None
        return call.many("files", [file_json(name, stat, place.url) for name, stat in page], link)

    return list_files


def _names(place: Place, *, recursive: bool) -> Iterator[Found]:
    """Files and directories by name; a link shows what it leads to, one that leads out or nowhere is left out."""
    tree, prefix = place.tree, place.prefix
    with refusing(prefix):
        for entry in tree.walk(prefix) if recursive else tree.scan(prefix):
            stat = entry.stat
            if entry.is_link:
                try:
                    stat = tree.stat(place.path(entry.name))
                except OSError:
                    continue
            if modes.S_ISREG(stat.st_mode) or modes.S_ISDIR(stat.st_mode):
                yield entry.name, stat


def _deleter(find: Find) -> Operation:
    async def delete_file(call: Call) -> Response:
        """Delete a file, or a directory: one that is not empty with recursive=true alone."""
        place, recursive = await find(call), call.flag("recursive")
        name, descriptor = _open(place, call.parameters["filePath"])
        os.close(descriptor)
        await asyncio.to_thread(_delete, place, name, recursive=recursive)
        return Response(200)

    return delete_file


def _delete(place: Place, name: str, *, recursive: bool) -> None:
    path = place.path(name)
    with refusing(name):
        if not modes.S_ISDIR(place.tree.stat(path, follow=False).st_mode):
            place.tree.unlink(path)
        elif recursive:
            place.tree.remove_tree(path)
        else:
            place.tree.remove_directory(path)


get_task_file = _getter(task_place)
get_node_file = _getter(node_place)
list_task_files = _lister(task_place)
list_node_files = _lister(node_place)
delete_task_file = _deleter(task_place)
delete_node_file = _deleter(node_place)
