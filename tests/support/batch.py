"""The real azure-batch client against a test's server, and the pool that most tests want."""

from __future__ import annotations

import time
from inspect import iscoroutinefunction
from typing import Any

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResponseNotReadError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from tests.support import specification

from linarite.identity.accounts import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY

MACHINE = models.VirtualMachineConfiguration(
    image_reference=models.BatchVmImageReference(publisher="canonical", offer="ubuntu", sku="22_04-lts"),
    node_agent_sku_id="batch.node.ubuntu 22.04",
)


class HeldAgainstTheSpecification(SansIOHTTPPolicy[Any, Any]):
    """A policy that looks at every answer which a client reads, sync or async; what is streamed is a file."""

    def on_response(self, request: Any, response: Any) -> None:
        asked, answer = request.http_request, response.http_response
        if answer.status_code >= 400 and not iscoroutinefunction(answer.read):
            answer.read()
        try:
            body = answer.content
        except ResponseNotReadError:
            body = b""
        target = asked.url.split("/", 3)[3]
        headers = {name.lower(): value for name, value in answer.headers.items()}
        specification.check(specification.Exchange(asked.method, f"/{target}", answer.status_code, headers, body))


def held() -> dict[str, Any]:
    """What makes a client that a test makes for itself one whose answers are held against the specification."""
    return {"per_retry_policies": [HeldAgainstTheSpecification()]}


def batch_client(server: Any, account: str = DEVELOPMENT_ACCOUNT, *, retries: int = 3) -> BatchClient:
    """A client of an account; with `retries` 0 an error is told at once."""
    credential = AzureNamedKeyCredential(account, DEVELOPMENT_KEY)
    return BatchClient(server.urls["batch"], credential, retry_total=retries, **held())


def make_pool(client: BatchClient, name: str, *, nodes: int = 1, slots: int = 1, **options: Any) -> None:
    """A pool whose nodes are all there when this returns."""
    client.create_pool(
        models.BatchPoolCreateOptions(
            id=name, vm_size="standard_d2_v3", target_dedicated_nodes=nodes, task_slots_per_node=slots,
            **{"virtual_machine_configuration": MACHINE, **options},
        )
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while client.get_pool(name).allocation_state != "steady":
        assert time.monotonic() < deadline, "the pool does not come to rest"
        time.sleep(0.02)


def wait_task(client: BatchClient, job: str, task: str, state: str = "completed", *, seconds: float = 30) -> Any:
    """The task once it is in a state."""
    deadline = time.monotonic() + seconds
    while (found := client.get_task(job, task)).state != state:
        assert time.monotonic() < deadline, f"task {task} is {found.state}"
        time.sleep(0.02)
    return found
