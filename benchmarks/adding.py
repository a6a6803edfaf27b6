"""Tasks added through the real azure-batch client, as a ratio to the same client against a server that does nothing.

100 tasks a request on 4 threads; each collection is on disk before its answer. The stub is another process that reads
each request and sends the same 100 results whatever they say, so that the ratio is what the server costs its clients.
Both take turns, a few thousand tasks at a time, for other work of the machine tells on both; the figure is the median
of the ratios.
"""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from azure.batch import BatchClient
from azure.batch.models import BatchJobCreateOptions, BatchPoolInfo, BatchTaskCreateOptions
from azure.core.credentials import AzureNamedKeyCredential

from benchmarks.bench_server import file_system, fresh_folder, server
from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

THREADS = 4
STUB = """
import json, socket, sys
import uvicorn
result = {"status": "success", "taskId": "t0", "eTag": "0x8DCF3C953387E09",
          "lastModified": "2026-01-01T00:00:00.123456Z",
          "location": "http://127.0.0.1/jobs/j/tasks/t0"}
body = json.dumps({"odata.metadata": "http://127.0.0.1/$metadata#taskaddresult", "value": [result] * 100}).encode()
headers = [(b"content-type", b"application/json;odata=minimalmetadata"), (b"content-length", str(len(body)).encode())]
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
taken = socket.socket(fileno=int(sys.argv[1]))
uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False)).run(sockets=[taken])
"""


@contextlib.contextmanager
def stub() -> Iterator[str]:
    """The address of a server that answers Add Task Collection and does nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        process = subprocess.Popen([sys.executable, "-c", STUB, str(number)], pass_fds=[number])
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(20)


def connect(url: str) -> BatchClient:
    """The real client at an address."""
    return BatchClient(endpoint=url, credential=AzureNamedKeyCredential(DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY))


def add(client: BatchClient, job: str, number: int) -> float:
    """Tasks a second that the client adds."""
    tasks = [BatchTaskCreateOptions(id=f"t{n}", command_line="/bin/true") for n in range(number)]
    began = time.perf_counter()
    result = client.create_tasks(job, tasks, max_concurrency=THREADS)
    seconds = time.perf_counter() - began
    refused = [each for each in result.result_values if each.status != "success"]
    if refused or len(result.result_values) != number:
        raise SystemExit(f"Not all were added: {len(result.result_values)}, refused {refused[:1]}")
    return number / seconds


def run(*, short: bool = False) -> dict[str, object]:
    """Server and stub in turn; the median of the ratios of their rates."""
    number, rounds = (500, 1) if short else (5_000, 20)
    rates: dict[str, list[float]] = {"server": [], "stub": []}
    with fresh_folder(disk=True) as home, server(home) as running, stub() as nothing:
        client, other = connect(running.url), connect(nothing)
        for turn in range(rounds + 1):
            job = f"job{turn}"
            client.create_job(BatchJobCreateOptions(id=job, pool_info=BatchPoolInfo(pool_id="none")))
            found = {"server": add(client, job, number), "stub": add(other, job, number)}
            if turn:  # the first round warms both up
                for name, rate in found.items():
                    rates[name].append(rate)
        memory, disk = running.memory(), file_system(home)
    ratios = [ours / theirs for ours, theirs in zip(rates["server"], rates["stub"], strict=True)]
    return {
        "tasks": number * rounds, "threads": THREADS,
        **{f"{name}_per_second": round(statistics.median(some)) for name, some in rates.items()},
        "ratio": round(statistics.median(ratios), 2), "least_ratio": round(min(ratios), 2), "file_system": disk,
        "server_kib": memory,
    }  # fmt: skip
