"""Mail about jobs, from a whole server to a real SMTP server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
import requests
from aiosmtpd.smtp import SMTP
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from tests.support.batch import make_pool
from tests.support.server import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY, running_server

AUTH = ("dev", "linarite")


class Box:
    """A handler that keeps what comes."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], Message]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - the library's name
        self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content)))
        return "250 OK"

    def until(self, number: int) -> list[tuple[list[str], Message]]:
        deadline = time.monotonic() + 20
        while len(self.mails) < number:
            assert time.monotonic() < deadline, f"{len(self.mails)} came"
            time.sleep(0.02)
        return self.mails


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    """What came, and the port of its server, which has a thread and a loop of its own."""
    box, loop = Box(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = loop.create_server(lambda: SMTP(box, hostname="localhost", loop=loop), "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(serving, loop).result(10)
    try:
        yield box, server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def run_job(hpc: str, *commands: str, **properties: str) -> int:
    def send(path: str, sent: Any = None) -> Any:
        answer = requests.post(f"{hpc}/hpc/{path}", json=sent, auth=AUTH, timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    job = send("jobs", [{"Name": name, "Value": value} for name, value in properties.items()])
    for command in commands:
        send(f"jobs/{job}/tasks", [{"Name": "CommandLine", "Value": command}])
    send(f"jobs/{job}/submit")
    return int(job)


def test_mail_is_sent_when_a_job_begins_and_ends(box: tuple[Box, int]):
    """To its address, once each, with how its tasks ended; a job that asks for none has none."""
    found, port = box
    options = {"smtp_server": f"127.0.0.1:{port}", "smtp_security": "none", "smtp_sender": "batch@example.org"}
    with running_server(**options) as server:
        credential = AzureNamedKeyCredential(DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY)
        with BatchClient(server.urls["batch"], credential) as client:
            make_pool(client, "mail")
        run_job(server.hpc, "true", EmailAddress="silent@example.org")
        job = run_job(
            server.hpc, "true", "exit 1", Name="Größe", EmailAddress="me@example.org", NotifyOnStart="true",
            NotifyOnCompletion="true",
        )  # fmt: skip
        mails = found.until(2)
        assert [to for to, _ in mails] == [["me@example.org"]] * 2
        subjects = [str(mail["Subject"]) for _, mail in mails]
        texts = [mail.get_payload(decode=True).decode() for _, mail in mails]
        assert (f"Job {job} Größe" in texts[0], "has started" in texts[0], "has ended" in texts[1]) == (
            True,
            True,
            True,
        )
        assert "succeeded: 1. Tasks that failed: 1." in texts[1]
        assert len(subjects) == 2
        assert all(mail["From"] == "batch@example.org" for _, mail in mails)


@pytest.mark.parametrize("address", ["nobody", "a@b@c", "a@b\nBcc: x@y", "a b@c.example", "a@b.example,c@d.example"])
def test_address_that_is_none_is_refused(address: str):
    """Before it could become a header."""
    from linarite.faces.hpc_pack.errors import Refusal
    from linarite.faces.hpc_pack.properties.jobs import JOBS

    item = JOBS.find("EmailAddress")
    assert item.put is not None
    with pytest.raises(Refusal):
        item.put(None, item.parse(address))  # type: ignore[arg-type] - refused before it is touched
