"""The folders of a node and the variables that tell a task where they are.

Source: learn.microsoft.com, 'Azure Batch runtime environment variables' and 'Files and directories in Azure Batch'.
The names and ids of pool, node, job and task come with the launch; the host adds what depends on its own folders. It
expands nothing in command lines or values.
"""

from __future__ import annotations

import os
import zlib
from functools import lru_cache

from linarite.engine import progress
from linarite.engine.launching import Launch

NODE_FOLDERS = ("applications", "fsmounts", "shared", "startup/wd", "volatile", "workitems")
MARKER = "LINARITE_RUN"
"""Every process of a run carries this variable, so that a successor finds what a killed host left behind."""

_PASSED_ON = (
    "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF", "LANG", "LC_ALL", "PATH", "PYTHONHOME",
    "PYTHONPATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "VIRTUAL_ENV",
)  # fmt: skip

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@lru_cache(maxsize=256)
def _node_environment(root: str, account: str) -> dict[str, str]:
    return {
        "PATH": DEFAULT_PATH,
        "LANG": "C.UTF-8",
        "USER": account,
        "LOGNAME": account,
        "SHELL": "/bin/sh",
        "AZ_BATCH_NODE_ROOT_DIR": root,
        "AZ_BATCH_NODE_SHARED_DIR": f"{root}/shared",
        "AZ_BATCH_NODE_STARTUP_DIR": f"{root}/startup",
        "AZ_BATCH_NODE_MOUNTS_DIR": f"{root}/fsmounts",
    }


def run_environment(launch: Launch, root: str, directory: str) -> dict[str, str]:
    """Make the whole environment of a run: nothing of the server's own. The launch wins over all but the marker.

    `root` is the node's folder (absolute), `directory` the task's (absolute).
    """
    environment = _node_environment(root, launch.node.account).copy()
    wd = f"{directory}/wd"
    environment["HOME"] = wd
    if launch.user is not None:
        environment["USER"] = environment["LOGNAME"] = launch.user.name
    environment["AZ_BATCH_TASK_DIR"] = directory
    environment["AZ_BATCH_TASK_WORKING_DIR"] = wd
    environment[progress.VARIABLE] = f"{directory}/{progress.file_name(launch.run)}"
    environment["AZ_BATCH_CERTIFICATES_DIR"] = f"{directory}/certs"
    if "CCP_TASKID" in launch.environment:
        environment["CCP_WORKDIR"] = os.path.normpath(os.path.join(wd, launch.working_directory or ""))
    environment.update(launch.environment)
    for name, path in launch.folders.items():
        environment[name] = f"{root}/{path}"
    environment[MARKER] = mark(launch.run)
    return environment


_site = [""]


def set_site(folder: str) -> None:
    """Make the marks of this process those of the hosts below `folder`.

    Another server on this machine may have the same user and runs of the same names: they are none of ours.
    """
    _site[0] = f"{zlib.crc32(os.fsencode(folder)):08x}"


def mark(run: str) -> str:
    """What the marker of a run's processes says."""
    return f"{run}@{_site[0]}"


def marked(value: str) -> str | None:
    """The run that a marker tells of, None when it is another server's."""
    run, _, site = value.rpartition("@")
    return run if site == _site[0] else None


def stays_below(directory: str) -> bool:
    """Whether `directory` is a relative path that names something strictly below the folder it is joined to."""
    parts = directory.split("/")
    named = any(part not in ("", ".") for part in parts)
    return named and not directory.startswith("/") and ".." not in parts and "\0" not in directory


def passed_on() -> dict[str, str]:
    """What of the server's environment its own processes get."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
