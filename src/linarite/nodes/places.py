"""Which folders a node, an account and a host have below the data folder, and whose they are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import msgspec

from linarite.engine.launching import NodeRef, RunUser
from linarite.nodes.wire import Remove

TRASH = ".trash"
"""The folder of an account's removed folders; no pool has that name, see `_part`."""

ARCHIVES = "applications"
"""The folder of the accounts' package archives below the data folder."""

_ELEVATED = "-elevated"
_WITHIN = "-within-"
_AS_ROOT = re.compile(rf"\d+({_ELEVATED}|{_WITHIN}\d+)?")
_LOCAL = "local"
_LANES = 2
"""Hosts that share an account's nodes: while one waits for a process to take shape, another starts its own."""


class HostPlace(msgspec.Struct, frozen=True):
    """A host's folder; the user that it becomes (None: stays the server's), their group; who owns what it makes."""

    folder: str
    uid: int | None = None
    gid: int | None = None
    owner: int | None = None


def _folders(folder: str) -> list[str]:
    """The folders in a folder, which may be gone or closed to us."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def task_directories(root: str) -> list[str]:
    """The directories of tasks below a node's folder, relative to it."""
    jobs = [job for schedule in _folders(f"{root}/workitems") for job in _folders(schedule)]
    return [task.removeprefix(f"{root}/") for job in jobs for task in _folders(job)]


@lru_cache(maxsize=4096)
def _part(name: str) -> str:
    """Make one component of a path of any name; ordinary ids stay as they are."""
    part = quote(name, safe="")
    return f"%2E{part[1:]}" if part.startswith(".") else part


class Places:
    """All folders below `data`. As root, `uid_of` gives each account the user of its tasks; otherwise it is None.

    `uid_of_user` gives the user that is one of a pool's, by their number.
    """

    def __init__(
        self, data: Path, uid_of: Callable[[str], int] | None, uid_of_user: Callable[[int], int], *,
        gid_of: Callable[[str], int] | None = None, archives: Path | None = None,
    ) -> None:  # fmt: skip
        """Nothing is made yet. `gid_of` is where an account's group has another number than its user.

        `archives` is the data folder, where that is another one.
        """
        self._nodes = os.path.abspath(data / "nodes")
        self._hosts = os.path.abspath(data / "hosts")
        self._archives = os.path.abspath((archives or data) / ARCHIVES)
        self._uid_of, self._uid_of_user = uid_of, uid_of_user
        self._gid_of = gid_of or uid_of
        self._made: set[str] = set()
        self._known: dict[str, HostPlace] = {}

    def make(self) -> None:
        """Make the two top folders. Raises OSError."""
        # Tasks' users pass through the first; the second holds sockets and journals, which only the server opens.
        for folder, mode in ((self._nodes, 0o700 if self._uid_of is None else 0o711), (self._hosts, 0o700)):
            os.makedirs(folder, exist_ok=True)
            os.chmod(folder, mode)

    @property
    def top(self) -> str:
        """The folder of all nodes, which only the server changes."""
        return self._nodes

    def below_top(self, node: NodeRef) -> str:
        """The node's folder, relative to `top`."""
        return os.path.relpath(self.root(node), self._nodes)

    def root(self, node: NodeRef) -> str:
        """Give the node's folder (absolute)."""
        return f"{self._account(node.account)}/{_part(node.pool)}/{_part(node.node)}"

    def trash(self, node: NodeRef) -> str:
        """Give the folder of the account's removed folders."""
        return f"{self._account(node.account)}/{TRASH}"

    def archives(self, account: str, digests: Iterable[str]) -> str:
        """Give the folder of an account's package archives, which the account's user may then read. Raises OSError."""
        folder = f"{self._archives}/{_part(account)}"
        if self._gid_of is not None and os.path.isdir(folder):
            gid = self._gid_of(account)
            for path in (folder, *(f"{folder}/{digest}.zip" for digest in digests if digest)):
                if os.path.exists(path) and os.stat(path).st_gid != gid:
                    os.chown(path, -1, gid)
        return folder

    def account(self, node: NodeRef) -> str:
        """Give the account's folder, making it for its user where it lacks. Raises OSError."""
        folder = self._account(node.account)
        if folder not in self._made:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            if self._uid_of is not None and self._gid_of is not None:
                os.chown(folder, self._uid_of(node.account), self._gid_of(node.account), follow_symlinks=False)
                # Its users' group passes through, and so must podman, which takes a path that not everybody passes for
                # closed. What stands below is open to that group alone; a group of the cluster's is nobody's own.
                os.chmod(folder, 0o771 if self._gid_of is self._uid_of else 0o711)
            self._made.add(folder)
        return folder

    def host(self, node: NodeRef, *, elevated: bool, user: RunUser | None = None) -> HostPlace:
        """Give the host that starts the node's runs: always the same one, or a run could start twice."""
        uid = None if self._uid_of is None else self._uid_of(node.account)
        if uid is None:
            return self._in_lane(_LOCAL, node)
        if elevated:
            return self._host_of(f"{uid}{_ELEVATED}")
        if user is not None:
            return self._host_of(f"{self._uid_of_user(user.number)}{_WITHIN}{uid}")
        return self._in_lane(str(uid), node)

    def _in_lane(self, first: str, node: NodeRef) -> HostPlace:
        lane = node.key % _LANES
        return self._host_of(f"{first}.{lane}" if lane else first)

    def of_node(self, node: NodeRef) -> list[HostPlace]:
        """All hosts that may have started something on the node."""
        return [self.host(node, elevated=False), *self.others(node)]

    def uid(self, node: NodeRef) -> int | None:
        """The user of the account's tasks; None is the server's own."""
        return None if self._uid_of is None else self._uid_of(node.account)

    def others(self, node: NodeRef) -> list[HostPlace]:
        """The hosts of the account that are there beside its usual ones: of elevated runs and of users."""
        return [] if self._uid_of is None else self._others_of(self._uid_of(node.account))

    def _others_of(self, uid: int) -> list[HostPlace]:
        others = [place for place in self._known.values() if uid in {place.owner, place.gid}]
        return [place for place in others if os.path.isdir(place.folder)]

    def hosts(self) -> Iterator[HostPlace]:
        """Every host that has a folder and is of this mode: as root, or not."""
        for name in sorted(os.listdir(self._hosts)):
            first = name.partition(".")[0]
            if first == _LOCAL if self._uid_of is None else _AS_ROOT.fullmatch(first):
                yield self._host_of(name)

    def unswept(self) -> Iterator[tuple[HostPlace, str]]:
        """Every folder of removed folders that is not empty yet, with the hosts whose work it is."""
        for name in sorted(os.listdir(self._nodes)):
            trash = f"{self._nodes}/{name}/{TRASH}"
            if not os.path.isdir(trash) or not os.listdir(trash):
                continue
            uid = None if self._uid_of is None else os.stat(f"{self._nodes}/{name}").st_uid
            yield self._host_of(_LOCAL if uid is None else str(uid)), trash
            for other in () if uid is None else self._others_of(uid):
                yield other, trash

    def accounts(self) -> list[str]:
        """The accounts' folders that there are."""
        return _folders(self._nodes)

    def strangers(self, roots: Collection[str]) -> Iterator[tuple[HostPlace, Remove]]:
        """What removes each node's folder but these, with the host whose work it is."""
        for uid, gone in self.strays(roots):
            yield self._host_of(_LOCAL if uid is None else str(uid)), gone

    def strays(self, roots: Collection[str]) -> Iterator[tuple[int | None, Remove]]:
        """The same with the user whose it is, None without root."""
        for account in self.accounts():
            uid = None if self._uid_of is None else os.stat(account).st_uid
            for pool in _folders(account):
                for root in _folders(pool):
                    if root not in roots and pool != f"{account}/{TRASH}":
                        yield uid, Remove(root, f"{account}/{TRASH}", account)

    def _account(self, name: str) -> str:
        return f"{self._nodes}/{_part(name)}"

    def _host_of(self, name: str) -> HostPlace:
        place = self._known.get(name)
        if place is None:
            place = self._known[name] = self._made_of(f"{self._hosts}/{name}", name.partition(".")[0])
        return place

    @staticmethod
    def _made_of(folder: str, first: str) -> HostPlace:
        if first == _LOCAL:
            return HostPlace(folder)
        if first.endswith(_ELEVATED):
            return HostPlace(folder, owner=int(first.removesuffix(_ELEVATED)))
        user, _, account = first.partition(_WITHIN)
        return HostPlace(folder, uid=int(user), gid=int(account) if account else None)
