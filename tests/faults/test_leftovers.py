"""A server that was killed between a commit and the removal that follows it: its next start removes what was left."""

from __future__ import annotations

import os
import shutil
import time

from azure.batch import models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.server import running_server


def test_next_start_removes_what_a_crash_left_and_nothing_else():
    with running_server() as server, batch_client(server) as client:
        make_pool(client, "pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        client.create_task("job", models.BatchTaskCreateOptions(id="kept", command_line="/bin/echo still here"))
        wait_task(client, "job", "kept")
        (node,) = client.list_nodes("pool")
        account = server.data / "nodes/devaccount"
        kept = account / f"pool/{node.id}/workitems/job/job-1/kept"
        server.kill9()
        left = [kept.parent / "deleted", account / "pool/another", account / "gone/node"]
        for folder in left:  # as they stand when the server dies before it can say that they shall go
            shutil.copytree(kept, folder)
            for path in (folder, *folder.rglob("*"), folder.parent):
                os.chown(path, kept.stat().st_uid, kept.stat().st_gid)
        server.start()
        deadline = time.monotonic() + 30
        while any(folder.exists() for folder in left):
            assert time.monotonic() < deadline, [folder for folder in left if folder.exists()]
            time.sleep(0.02)
        assert b"".join(client.download_task_file("job", "kept", "stdout.txt")) == b"still here\n"
        assert [found.id for found in client.list_nodes("pool")] == [node.id]
