"""A share in memory: what the stateful test expects of the real one. No disk, no HTTP, no knowledge of our code.

A change asks `refusals` first: the statuses with which the service may refuse it, none when it has to succeed.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

PAGE = 512
Path = tuple[str, ...]


def fold(path: Path) -> Path:
    """Names are compared without their case."""
    return tuple(name.upper() for name in path)


@dataclass
class Node:
    """A file or directory. `name` as it was spelled; `tag` and `id` as the service told them last."""

    name: str
    is_directory: bool = False
    data: bytearray = field(default_factory=bytearray)
    written: set[int] = field(default_factory=set)
    """Numbers of its pages that were written, be it with zeros."""
    metadata: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    md5: bytes | None = None
    attributes: frozenset[str] = frozenset({"Archive"})
    lease: str | None = None
    tag: str | None = None
    id: str | None = None
    created: str | None = None
    times: tuple[str, ...] | None = None
    """Last write, change and modification, as told last."""
    is_foreign: bool = False
    """Another program made it: the service knows nothing of it but what the disk tells."""
    is_followed: bool = True
    """What the service knows of it goes along where other programs move it: not before that is more than a lease."""

    @property
    def is_read_only(self) -> bool:
        return "ReadOnly" in self.attributes

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The pages that were written, merged."""
        found: list[tuple[int, int]] = []
        for page in sorted(self.written):
            first, last = page * PAGE, min((page + 1) * PAGE, len(self.data)) - 1
            if found and found[-1][1] + 1 == first:
                found[-1] = (found[-1][0], last)
            else:
                found.append((first, last))
        return found

    def put(self, offset: int, data: bytes) -> None:
        """Bytes are written, and so every page that has one of them."""
        self.data[offset : offset + len(data)] = data
        self.written |= set(range(offset // PAGE, -(-(offset + len(data)) // PAGE)))

    def clear(self, page: int, pages: int) -> None:
        """Whole pages are zero and were never written."""
        self.data[page * PAGE : (page + pages) * PAGE] = bytes(pages * PAGE)
        self.written -= set(range(page, page + pages))

    def resize(self, size: int) -> None:
        """What goes is no more written, what comes is not yet."""
        self.data = bytearray(bytes(self.data[:size]).ljust(size, b"\0"))
        self.written = {page for page in self.written if page * PAGE < size}


class Model:
    """The tree of a share, by folded paths."""

    def __init__(self) -> None:
        self.nodes: dict[Path, Node] = {}
        self.snapshots: dict[str, dict[Path, Node]] = {}
        self.remembered: set[Path] = set()
        """Where something was that other programs took away: what they put there again has what it had."""

    def get(self, path: Path) -> Node | None:
        return self.nodes.get(fold(path))

    def spelled(self, path: Path) -> Path:
        """The path as its names were spelled when they were made."""
        return tuple(self.nodes[fold(path[: length + 1])].name for length in range(len(path)))

    def below(self, path: Path) -> list[Path]:
        key = fold(path)
        return [each for each in self.nodes if each[: len(key)] == key and each != key]

    def children(self, path: Path) -> list[Node]:
        return [node for key, node in self.nodes.items() if key[:-1] == fold(path)]

    def missing(self, path: Path, *, directory: bool) -> set[int]:
        """Why something that has to be there cannot be used as a file or directory."""
        node = self.get(path)
        if node is None:
            return {404}
        return {409} if node.is_directory != directory else set()

    def no_place(self, path: Path) -> set[int]:
        """Why nothing can be made at a path, whatever is there."""
        above = self.get(path[:-1]) if len(path) > 1 else None
        return {404} if len(path) > 1 and (above is None or not above.is_directory) else set()

    def locked(self, path: Path, lease: str | None) -> set[int]:
        """Why a lease is in the way of a change."""
        node = self.get(path)
        held = node.lease if node else None
        return {412} if held != lease else set()

    def read_only(self, path: Path) -> set[int]:
        node = self.get(path)
        return {409} if node is not None and node.is_read_only else set()

    def put(self, path: Path, node: Node) -> Node:
        """What is made at a path; the spelling, lease and number of a file that it replaces stay."""
        old = self.get(path)
        if old is not None:
            node.name, node.lease, node.id = old.name, old.lease, old.id
        self.nodes[fold(path)] = node
        return node

    def take_away(self, path: Path) -> dict[Path, Node]:
        """Another program removes or moves what is at a path: by what follows the path, spelled."""
        spelled = self.spelled(path)
        taken = {self.spelled(each)[len(spelled) :]: self.nodes[each] for each in [fold(path), *self.below(path)]}
        for rest in taken:
            self.remembered.add(fold(spelled + rest))
            del self.nodes[fold(spelled + rest)]
        return taken

    def is_free(self, path: Path) -> bool:
        """Whether another program may put something there of which nothing is remembered."""
        if self.no_place(path) or self.get(path) is not None:
            return False
        return not any(each[: len(path)] == fold(path) for each in self.remembered)

    def put_foreign(self, path: Path, node: Node) -> Node:
        """What another program put there: its bytes and its number stay, the rest is as of a new one."""
        kind = frozenset({"Directory"} if node.is_directory else {"Archive"})
        self.nodes[fold(path)] = Node(
            path[-1], node.is_directory, node.data, node.written, attributes=kind, id=node.id, is_foreign=True,
            is_followed=False, tag=None if node.is_directory else node.tag,
        )  # fmt: skip
        return self.nodes[fold(path)]

    def move_foreign(self, path: Path, onto: Path) -> None:
        """Another program moves what is at a path, with all that is in it, and what the service knows of each.

        The MD5s of our stories are those of no bytes: that of a file which was itself moved is void.
        """
        for rest, node in self.take_away(path).items():
            if node.is_followed:
                self.nodes[fold(onto + rest)] = node
                node.name = (onto + rest)[-1]
                node.md5 = node.md5 if rest else None
            else:
                self.put_foreign(onto + rest, node)

    def rename(self, source: Path, target: Path) -> Node:
        known = {fold(target) + each[len(source) :] for each in self.remembered if each[: len(source)] == fold(source)}
        self.remembered |= known
        replaced = self.get(target) if fold(source) != fold(target) else None
        old, new = fold(source), fold(target)
        moved = {new + key[len(old) :]: self.nodes.pop(key) for key in [old, *self.below(source)]}
        self.nodes.update(moved)
        node = self.nodes[new]
        node.is_followed = True
        node.name = replaced.name if replaced else target[-1]
        return node

    def keep(self, snapshot: str) -> None:
        self.snapshots[snapshot] = copy.deepcopy(self.nodes)
