"""File shares on a cluster whose machines share less than the server keeps: tasks write what the files client reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from azure.batch import BatchClient
from azure.storage.fileshare import ShareClient
from tests.clients.test_azure_batch_mounts import make_job, mount, run, settled, share
from tests.support.batch import batch_client, make_pool
from tests.support.server import DEVELOPMENT_ACCOUNT, RunningServer
from tests.support.slurm import SlurmCluster
from tests.support.slurm_server import slurm_server

Site = tuple[RunningServer, BatchClient, ShareClient]


@pytest.fixture
def new_site(slurm: SlurmCluster) -> Iterator[Callable[..., Site]]:
    """Makes servers whose data is their own, with a share in it or in the folder that the settings name."""
    with ExitStack() as stack:

        def make(**options: Path) -> Site:
            server = stack.enter_context(slurm_server(slurm, **options))
            client = stack.enter_context(batch_client(server, retries=0))
            return server, client, stack.enter_context(share(server, DEVELOPMENT_ACCOUNT))

        yield make


@pytest.fixture
def shared(slurm: SlurmCluster) -> Path:
    """The folder that the machines share: the server's, which tasks' users pass through."""
    folder = slurm.home(None if os.geteuid() else "root")
    folder.chmod(0o711)
    return folder


def test_shares_alone_lie_on_the_shared_folder(new_site: Callable[..., Site], shared: Path) -> None:
    """Through a restart; of the server's data the machines see nothing."""
    server, client, files = new_site(slurm_shared=shared, files_folder=shared / "shares")
    files.get_file_client("from-client.txt").upload_file(b"client\n")
    make_pool(client, "p", mount_configuration=[mount(server, DEVELOPMENT_ACCOUNT)])
    make_job(client)
    assert run(client, "read", "cat in/data/from-client.txt") == "client\n"
    run(client, "write", "mkdir in/data/made; echo task > in/data/made/from-task.txt")
    assert files.get_file_client("made/from-task.txt").download_file().readall() == b"task\n"
    server.restart()
    files.get_file_client("made/later.txt").upload_file(b"later\n")
    assert run(client, "again", "cat in/data/made/later.txt && readlink in/data") == (
        f"later\n{shared}/shares/{DEVELOPMENT_ACCOUNT}/data\n"
    )
    assert not (server.data / "shares").exists()
    if os.geteuid() == 0:
        assert run(client, "list", f"ls {shared}/shares || echo closed") == "closed\n"
        assert run(client, "none", f"ls {server.data}/server || echo closed") == "closed\n"


def test_shares_elsewhere_are_not_mounted(new_site: Callable[..., Site], shared: Path) -> None:
    """The machines may not have that folder: the node says so."""
    server, client, _ = new_site(slurm_shared=shared)
    make_pool(client, "p", mount_configuration=[mount(server, DEVELOPMENT_ACCOUNT)])
    error = settled(client, "unusable").errors[0]
    assert error.code == "MountConfigurationError"
    said = {str(detail.name): str(detail.value) for detail in error.error_details}
    assert "not on the folder that the cluster's machines share" in said["Message"]
    assert "files_folder" in said["Message"]
