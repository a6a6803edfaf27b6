"""The folders of nodes on the shared folder: made, mounted into, removed, by those whose they are."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from msgspec.structs import replace

from linarite.engine.launching import Emptied, NodeOrder, NodeReady, NodeRef, NodeReport, NodeUnusable
from linarite.engine.mounting import Mount, Mountable, MountError
from linarite.engine.packages import Package
from linarite.nodes.mounts import Owner, attach, attach_all
from linarite.nodes.moving.errands import Done
from linarite.nodes.places import TRASH, Places
from linarite.nodes.slurm.porter import Porter
from linarite.nodes.slurm.users import Runner, Users

NO_CONTAINERS = "Tasks of this server run on a cluster: its nodes run no containers by themselves."
_APART = (
    "The file shares are not on the folder that the cluster's machines share: the setting files_folder places them."
)

_log = structlog.get_logger(__name__)


class Folders:
    """The folders of all accounts' nodes on the shared folder, made and removed by carriers of their users."""

    def __init__(self, shared: str, places: Places, users: Users, porter: Porter, mountable: Mountable | None) -> None:
        """`porter` makes and removes, `mountable` knows where file shares are."""
        self._shared, self._places, self._users, self._porter = shared, places, users, porter
        self._mountable = mountable
        self._mounts: dict[str, tuple[Mount, ...]] = {}

    async def make(self, order: NodeOrder) -> NodeReport | None:
        """Make a node's folder (idempotent). Of one that stands only what is wrong is told."""
        node, root = order.node, self._places.root(order.node)
        try:
            account = self._places.account(node)
        except OSError as error:
            return NodeUnusable(node=node, message=f"No folder: {error}.")
        if order.images:
            return NodeUnusable(node=node, message=NO_CONTAINERS)
        self._mounts[root] = order.mounts or self._mounts.get(root, ())
        if order.emptied is Emptied.VOLATILE:
            self._remove(node, f"{root}/volatile", keep=root)
        if order.emptied is Emptied.ALL:
            self._remove(node, root, keep=account)
        if not order.stands and (broken := await self._made(node, order.packages)) is not None:
            return broken
        broken = await self._mounted(node)
        if order.stands:
            return None if broken is None else replace(broken, standing=True)
        return broken or NodeReady(node=node)

    async def _made(self, node: NodeRef, packages: Sequence[Package]) -> NodeUnusable | None:
        loop = asyncio.get_running_loop()
        made: asyncio.Future[Done] = loop.create_future()

        def told(done: Done) -> None:
            if not made.done():
                made.set_result(done)

        self._porter.make_node(
            self.runner(node), self._places.root(node), packages, self.archives(node, packages), told
        )  # fmt: skip
        problem = (await made).problem
        if problem is None:
            return None
        code = "package-failed" if problem.code == "package-failed" else "node-unusable"
        return NodeUnusable(node=node, message=problem.message, code=code, details=problem.details)

    async def _mounted(self, node: NodeRef) -> NodeUnusable | None:
        """Link all that the node is to have; what cannot be is told."""
        return await attach_all(node, self._mounts.get(self._places.root(node), ()), self._mount)

    async def _mount(self, node: NodeRef, mount: Mount) -> None:
        if self._mountable is None:
            raise MountError("This server's nodes mount nothing.")
        folder = await self._mountable.folder(mount, node.account)
        if not folder.startswith(f"{self._shared}/"):
            raise MountError(
                "The file shares are not on the folder that the cluster's machines share (the setting files_folder)."
            )
        runner = self.runner(node)
        if not runner.own:
            _let_pass(self._shared, folder)
        attach(
            self._places.top, self._places.below_top(node), mount.path, folder, read_only=mount.read_only,
            owner=None if runner.own else Owner(runner.uid, runner.gid, alone=False), linked=True,
        )  # fmt: skip

    def remove(self, node: NodeRef, then: Callable[[], None] | None = None) -> None:
        """Move a node's folder away and remove it in the background; `then` is called once it is out of the way."""
        root = self._places.root(node)
        self._mounts.pop(root, None)
        self._remove(node, root, self._places.account(node), then)

    def remove_directory(self, node: NodeRef, directory: str) -> None:
        """The same with a task's directory."""
        root = self._places.root(node)
        self._remove(node, f"{root}/{directory}", f"{root}/{directory.partition('/')[0]}")

    def remove_others(self, nodes: Sequence[NodeRef]) -> None:
        """The same with the folders of all nodes but these."""
        for uid, gone in self._places.strays({self._places.root(node) for node in nodes}):
            if (runner := self._runner_of(uid)) is not None:
                self._porter.remove(runner, gone.path, gone.trash, gone.keep, lambda _: None)

    def _remove(self, node: NodeRef, path: str, keep: str, then: Callable[[], None] | None = None) -> None:
        def told(done: Done) -> None:
            if done.problem is not None:
                _log.warning("slurm_folder_not_removed", path=path, reason=done.problem.message)
            if then is not None:
                then()

        self._porter.remove(self.runner(node), path, self._places.trash(node), keep, told)

    def sweep(self) -> None:
        """Go on with what an earlier server moved away."""
        for account in self._places.accounts():
            trash = f"{account}/{TRASH}"
            runner = self._runner_of(os.stat(account).st_uid)
            if runner is not None and os.path.isdir(trash) and os.listdir(trash):
                self._porter.sweep(runner, trash)

    def runner(self, node: NodeRef) -> Runner:
        """Whose the node's tasks are."""
        return self._users.of(node.account)

    def _runner_of(self, uid: int | None) -> Runner | None:
        wanted = os.geteuid() if uid is None else uid
        return next((runner for runner in self._users.all() if runner.uid == wanted), None)

    def archives(self, node: NodeRef, packages: Sequence[Package]) -> str:
        """The folder of the account's archives, open to the user of its tasks; empty when none is needed."""
        if not packages:
            return ""
        try:
            return self._places.archives(node.account, [package.digest for package in packages])
        except OSError as error:
            _log.warning("archives_not_opened", account=node.account, error=str(error))
            return ""


def _let_pass(shared: str, folder: str) -> None:
    """Let tasks' users through to a share's folder, which is closed to all but one of them. Raises MountError."""
    try:
        for above in Path(folder).relative_to(shared).parents[:-1]:
            path = f"{shared}/{above}"
            if not (mode := os.stat(path).st_mode) & stat.S_IXOTH:
                os.chmod(path, stat.S_IMODE(mode) | stat.S_IXOTH)
    except OSError as error:
        raise MountError(f"The share's folder cannot be opened to its user: {error.strerror}.") from error
