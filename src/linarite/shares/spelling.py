"""How names of the protocol are spelled on disk, and which name a caller means.

Names stand on disk as they are. One that takes more than 255 bytes of UTF-8 is cut and ends in "~" and a digest; the
whole name is kept beside the shares under that digest. So is one that looks like such a name. Letter case: the exact
name wins, else the first in byte order.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from linarite.engine.errors import NotFound
from linarite.engine.sharing.names import fold, is_legal
from linarite.fs import Beneath
from linarite.shares.long_names import LongNames, cut, digest_of

MAX_BYTES = 255
_KEPT = "{}~{}"
_DIRECTORIES, _SECONDS = 64, 5.0


class Found(NamedTuple):
    """Where a path leads: as spelled on disk, and as the protocol spells it. `stat` None: its last name is free."""

    disk: str
    path: str
    stat: os.stat_result | None


class Spelling:
    """Names of all shares below `root`."""

    def __init__(self, root: str) -> None:
        self._long = LongNames(root)
        self._folded = _FoldedNames(self)

    def disk(self, name: str) -> str:
        """A name as it is spelled on disk."""
        if not _is_escaped(name):
            return name
        raw = name.encode()
        return _KEPT.format(raw[:200].decode(errors="ignore"), digest_of(name))

    def protocol(self, disk: str) -> str | None:
        """The name that stands on disk as `disk`; None for one that the protocol cannot say."""
        digest = cut(disk)
        whole = self._long.whole(digest) if digest else None
        name = whole if whole and self.disk(whole) == disk else disk
        return name if is_legal(name) else None

    def keep(self, name: str) -> None:
        """Remember the whole of an escaped name, durably, before it is used on disk."""
        if _is_escaped(name):
            self._long.keep(name)

    def sweep(self) -> None:
        """Forget long names that nothing bears any more; see `long_names`."""
        self._long.sweep()

    def locate(self, base: Beneath, path: str) -> Found:
        """Where `path` leads in a share. NotFound("parent") when a directory above it is missing."""
        disk = "/".join(map(self.disk, path.split("/"))) if path else ""
        try:
            return Found(disk, path, base.stat(disk))
        except (FileNotFoundError, NotADirectoryError):
            return self._walk(base, path)

    def respell(self, found: Found, path: str) -> Found:
        """The same place, its last name spelled as in `path`."""
        name = path.rpartition("/")[2]
        above, spelled = found.disk.rpartition("/")[0], found.path.rpartition("/")[0]
        return Found(_join(above, self.disk(name)), _join(spelled, name), found.stat)

    def made(self, base: Beneath, directory: str, name: str) -> None:
        """Take note of a name that was just made in a directory (both as on disk)."""
        self._folded.add(base, directory, name)

    def moved(self, base: Beneath, directory: str) -> None:
        """Take note that names of a directory went or changed."""
        self._folded.forget(base, directory)

    def _walk(self, base: Beneath, path: str) -> Found:
        *parents, last = path.split("/")
        disk, spelled = "", ""
        for name in parents:
            match = self._match(base, disk, name)
            if match is None:
                raise NotFound("parent", path)
            disk, spelled = _join(disk, match[0]), _join(spelled, match[1])
        match = self._match(base, disk, last)
        if match is None:
            return Found(_join(disk, self.disk(last)), _join(spelled, last), None)
        disk, spelled = _join(disk, match[0]), _join(spelled, match[1])
        return Found(disk, spelled, base.stat(disk))

    def _match(self, base: Beneath, directory: str, name: str) -> tuple[str, str] | None:
        """The name on disk, and as the protocol spells it, that `name` means in a directory."""
        exact = self.disk(name)
        if base.exists(_join(directory, exact)):
            return exact, name
        try:
            found = self._folded.get(base, directory).get(fold(name))
            if found is not None and not base.exists(_join(directory, found)):
                self._folded.forget(base, directory)
                found = self._folded.get(base, directory).get(fold(name))
        except FileNotFoundError as error:
            raise (NotFound("parent", directory) if directory else NotFound("share")) from error
        except NotADirectoryError as error:
            raise NotFound("parent", directory) from error
        return None if found is None else (found, self.protocol(found) or found)


class _FoldedNames:
    """The folded names of directories lately used, so that making 100,000 files does not read the directory each time.

    Good while the directory's time is the one we know, and for a few seconds at most: another program's change that
    falls into the same tick as ours is seen then.
    """

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._known: OrderedDict[tuple[int, int], tuple[int, float, dict[str, str]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, base: Beneath, directory: str) -> dict[str, str]:
        """Folded names to names on disk."""
        stat = base.stat(directory)
        key = (stat.st_dev, stat.st_ino)
        with self._lock:
            known = self._known.get(key)
            if known and known[0] == stat.st_mtime_ns and time.monotonic() < known[1]:
                self._known.move_to_end(key)
                return known[2]
        names: dict[str, str] = {}
        for disk in sorted(base.names(directory), key=os.fsencode):
            name = self._spelling.protocol(disk)
            if name is not None:
                names.setdefault(fold(name), disk)
        with self._lock:
            self._known[key] = (stat.st_mtime_ns, time.monotonic() + _SECONDS, names)
            while len(self._known) > _DIRECTORIES:
                self._known.popitem(last=False)
        return names

    def forget(self, base: Beneath, directory: str) -> None:
        """Read the directory again when it is next asked for."""
        stat = base.stat(directory)
        with self._lock:
            self._known.pop((stat.st_dev, stat.st_ino), None)

    def add(self, base: Beneath, directory: str, disk: str) -> None:
        """A name that we made ourselves."""
        stat = base.stat(directory)
        with self._lock:
            known = self._known.get((stat.st_dev, stat.st_ino))
            if known:
                known[2].setdefault(fold(self._spelling.protocol(disk) or disk), disk)
                self._known[stat.st_dev, stat.st_ino] = (stat.st_mtime_ns, known[1], known[2])


def _is_escaped(name: str) -> bool:
    """Whether a name cannot stand on disk as it is: it is too long, or would be read as another's cut name."""
    return (len(name) > MAX_BYTES // 4 and len(name.encode()) > MAX_BYTES) or cut(name) is not None


def _join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name
