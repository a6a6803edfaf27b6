"""The server raises its own limit of open files; tasks have the one that it was started with."""

from __future__ import annotations

from pathlib import Path

from azure.batch import models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.provider import SLURM, Provider

GIVEN = 300
"""No shell's, system's or cluster's own."""
SHELL = ("/bin/sh", "-c", f'ulimit -S -n {GIVEN}; exec "$@"', "sh")


def test_tasks_have_the_limit_that_the_server_was_given(provider: Provider) -> None:
    """The soft one, and the hard one with it: programs that use select(2) break above 1,024."""
    options = {"slurm_options": "--propagate=NOFILE"} if provider.name == SLURM else {}  # by default Slurm does
    with provider.server(prefix=SHELL, **options) as server:
        client = batch_client(server)
        make_pool(client, "pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        command = "/bin/sh -c 'ulimit -S -n; ulimit -H -n'"
        client.create_task("job", models.BatchTaskCreateOptions(id="task", command_line=command))
        wait_task(client, "job", "task", seconds=60)
        soft, hard = b"".join(client.download_task_file("job", "task", "stdout.txt")).split()
        limits = Path(f"/proc/{server.pid}/limits").read_text().splitlines()
        own = next(line.split()[3:5] for line in limits if line.startswith("Max open files"))
        assert (int(soft), hard.decode()) == (GIVEN, own[1])
        assert own[0] == own[1]
