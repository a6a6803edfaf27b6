"""A thread that waits for what other servers tell through PostgreSQL."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from threading import Thread

import structlog
from sqlalchemy import Engine

from linarite.store.leases import CHANNEL

log = structlog.get_logger("linarite.store")
PAUSE = 1.0
"""Seconds until a database that is away is asked again."""


class Listener:
    """Calls `told`, in its thread, whenever there may be orders: also after each time that it could not hear."""

    def __init__(self, engine: Engine, told: Callable[[], object]) -> None:
        self._engine, self._told = engine, told
        self._closing, self._close = os.pipe2(os.O_CLOEXEC)
        self._thread = Thread(target=self._run, name="store-listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End. Blocks until nothing is told any more."""
        os.close(self._close)
        self._thread.join()
        os.close(self._closing)

    def _run(self) -> None:
        while not self._ended(0):
            try:
                self._listen()
            except Exception as error:  # noqa: BLE001 - whatever it was, the database is asked again
                log.warning("the database does not tell of other servers", error=str(error), again_in_seconds=PAUSE)
                self._ended(PAUSE)

    def _listen(self) -> None:
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            driver = connection.connection.driver_connection
            assert driver is not None
            while True:
                self._told()
                if self._ended(None, driver.fileno()):
                    return
                for _ in driver.notifies(timeout=0):
                    """One look at the orders is enough for all of them."""

    def _ended(self, seconds: float | None, *heard: int) -> bool:
        """Wait for the end, or for something to hear; tells whether it is the end."""
        looking = select.poll()  # `select.select` knows the first 1,024 descriptors only
        for descriptor in (self._closing, *heard):
            looking.register(descriptor, select.POLLIN)
        ready = looking.poll(None if seconds is None else seconds * 1000)
        return any(descriptor == self._closing for descriptor, _ in ready)
