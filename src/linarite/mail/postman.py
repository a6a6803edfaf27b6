"""Sends what the engine notes for users: each once, tried again until a day has passed. No rule of jobs is in here."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from email.message import EmailMessage
from typing import Any, Literal

import msgspec
import structlog

from linarite.engine import notices
from linarite.engine.core import Engine

AGAIN = 61.0
"""Seconds until what could not be sent is tried again."""
TIMEOUT = 30.0
log = structlog.get_logger("linarite.mail")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """An SMTP server and the address that mails come from."""

    host: str
    port: int
    sender: str
    security: Literal["none", "starttls", "tls"] = "starttls"
    user: str | None = None
    password: str | None = None


class Postman:
    """Implements what `Engine.on_notices` calls."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self._engine, self._server = engine, server
        self._asked = asyncio.Event()
        self._going: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Send what is there, and from now on what comes."""
        self._engine.on_notices = self._asked.set
        self._going = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Send no more; what is left waits for the next start."""
        self._engine.on_notices = lambda: None
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._asked.clear()
            try:
                await self._send_all()
            except Exception:
                log.exception("mail could not be sent", again_in_seconds=AGAIN)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), AGAIN)

    async def _send_all(self) -> None:
        while claimed := await self._engine.do(notices.claim, who="mail"):
            for name, notice in claimed.items():
                try:
                    await asyncio.to_thread(self._send, message(notice, self._server.sender))
                except (OSError, smtplib.SMTPException) as error:
                    log.warning("a mail could not be sent", error=str(error), again_in_seconds=AGAIN)
                    await self._engine.do(notices.later, name, notice, who="mail")
                else:
                    await self._engine.do(notices.sent, name, who="mail")

    def _send(self, mail: EmailMessage) -> None:
        server = self._server
        kind = smtplib.SMTP_SSL if server.security == "tls" else smtplib.SMTP
        with kind(server.host, server.port, timeout=TIMEOUT) as session:
            if server.security == "starttls":
                session.starttls(context=ssl.create_default_context())
            if server.user is not None:
                session.login(server.user, server.password or "")
            session.send_message(mail)


def message(notice: dict[str, Any], sender: str) -> EmailMessage:
    """The mail of a notice."""
    mail = EmailMessage()
    title = " ".join(f"Job {notice['number']} {notice['name']}".split())
    mail["From"], mail["To"] = sender, notice["to"]
    mail["Subject"] = f"{title} has {notice['what']}"
    lines = [f"{title} ({notice['job']}) has {notice['what']}."]
    if notice["what"] == "ended":
        lines += [f"Tasks that succeeded: {notice['succeeded']}. Tasks that failed: {notice['failed']}."]
        lines += [f"Reason: {notice['why']}"] if notice["why"] else []
    mail.set_content("\n".join(lines) + "\n")
    return mail
