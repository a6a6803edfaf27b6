"""Where the settings have tasks run, and as which users: on this machine, or on the Slurm cluster it belongs to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import structlog

from linarite.data import DataFolder, default_uid_base
from linarite.engine.mounting import Mountable
from linarite.engine.ports import Nodes
from linarite.identity.access import Identity
from linarite.nodes.access import UnreachableFolderError, check_reachable
from linarite.nodes.local import LocalNodes
from linarite.nodes.slurm import Options, SlurmNodes, Where
from linarite.nodes.slurm.options import is_constraint
from linarite.nodes.slurm.users import UnknownUserError, Users
from linarite.refusal import Refused
from linarite.settings import Settings, SlurmPool
from linarite.shares import Owner

log = structlog.get_logger("linarite")


class Provider:
    """What the settings say of nodes. Raises Refused when tasks cannot run so."""

    def __init__(self, settings: Settings, folder: DataFolder, identity: Identity) -> None:
        """Find the users of tasks, and see that they reach their folders."""
        self._settings, self._folder, self._identity = settings, folder, identity
        self._first_uid: int | None = None
        self._users: Users | None = None
        if settings.nodes_provider == "slurm":
            self._users = _cluster_users(settings)
            for runner in self._users.all():
                if not runner.own:
                    _check_reachable(self._shared, runner.uid)
        elif os.geteuid() == 0:
            base = default_uid_base() if settings.task_uid_base is None else settings.task_uid_base
            _check_reachable(folder.path, base + 1)
            self._first_uid = base

    @property
    def _shared(self) -> Path:
        return self._settings.slurm_shared or self._folder.path

    @property
    def fenced(self) -> bool:
        """Whether nodes heed none but the server that took them over last, though another one should still be there.

        A cluster's do: what is to run is written where the server that takes over closes it to the one before.
        """
        return self._users is not None

    def share_owner_of(self) -> Callable[[str], Owner] | None:
        """Who may change the files of an account's shares too: the user of its tasks. None: the server's own."""
        users, uid_of = self._users, self._uid_of()
        if users is None:
            return None if uid_of is None else lambda account: Owner(uid_of(account), uid_of(account))
        if all(one.own for one in users.all()):
            return None
        return lambda account: Owner(users.of(account).uid, users.of(account).gid, alone=False)

    def _uid_of(self) -> Callable[[str], int] | None:
        """The user of an account's tasks on this machine; None: the server's own."""
        first, identity = self._first_uid, self._identity
        return None if first is None else lambda account: first + identity.number(account)

    def nodes(self, mountable: Mountable, ca_file: Path | None) -> Nodes:
        """The nodes themselves."""
        if self._users is not None:
            return SlurmNodes(
                self._shared, self._folder.path, _options(self._settings), self._users, mountable=mountable,
                ca_file=ca_file,
            )  # fmt: skip
        first = self._first_uid
        return LocalNodes(
            self._folder.path, allow_elevated=self._settings.allow_elevated, ca_file=ca_file, uid_of=self._uid_of(),
            uid_of_user=lambda number: (first or 0) + number, mountable=mountable,
        )  # fmt: skip

    def announce(self) -> None:
        """Say whose the tasks are."""
        if self._users is not None:
            names = sorted({runner.name for runner in self._users.all()})
            log.info("tasks run on the Slurm cluster", users=names, shared_folder=str(self._shared))
            if any(runner.own for runner in self._users.all()):
                log.warning("some run as the server's own user and can read what it can", uid=os.getuid())
        elif self._first_uid is None:
            log.warning("not started by root: tasks run as the server's user and can read what it can", uid=os.getuid())
        else:
            log.info("tasks run as unprivileged users, one an account, numbered from here on", uid=self._first_uid + 1)


def _check_reachable(folder: Path, uid: int) -> None:
    try:
        check_reachable(folder, uid)
    except FileNotFoundError as error:
        raise Refused(f"{folder} is not there: make the shared folder before the server starts.") from error
    except UnreachableFolderError as error:
        raise Refused(str(error)) from error


def _cluster_users(settings: Settings) -> Users:
    try:
        return Users(settings.slurm_user, settings.slurm_users)
    except UnknownUserError as error:
        raise Refused(str(error)) from error


def _options(settings: Settings) -> Options:
    usual = Where(
        partition=settings.slurm_partition, constraint=settings.slurm_constraint, account=settings.slurm_account,
        qos=settings.slurm_qos, options=settings.slurm_options,
    )  # fmt: skip
    places = [
        usual,
        *(_where(pool, usual) for pool in (*settings.slurm_pools.values(), *settings.slurm_sizes.values())),
    ]
    for place in places:
        if place.constraint is not None and not is_constraint(place.constraint):
            raise Refused(f"Settings: the constraint {place.constraint!r} is more than features with & and | between.")
    return Options(
        poll=settings.slurm_poll, patience=settings.slurm_timeout, usual=usual, drains=settings.slurm_drain,
        pools={name: _where(pool, usual) for name, pool in settings.slurm_pools.items()},
        sizes={name: _where(pool, usual) for name, pool in settings.slurm_sizes.items()},
    )  # fmt: skip


def _where(pool: SlurmPool, usual: Where) -> Where:
    return Where(
        partition=pool.partition or usual.partition, constraint=pool.constraint or usual.constraint,
        account=pool.account or usual.account, qos=pool.qos or usual.qos,
        options=usual.options if pool.options is None else pool.options,
    )  # fmt: skip
