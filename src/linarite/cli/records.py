"""How a command works on the store, beside a server that runs or without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from linarite.cli.options import settings
from linarite.data import DataFolder
from linarite.engine.errors import EngineError, NotFound
from linarite.engine.model import Account
from linarite.engine.ports import Transaction
from linarite.identity import accounts, users
from linarite.refusal import Refused
from linarite.settings import Settings
from linarite.store import open_store

T = TypeVar("T")


def now() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def chosen(data: Path | None, config: Path | None) -> tuple[Settings, DataFolder]:
    """The settings, and their data folder, made where it lacks. Raises Refused."""
    wanted = settings({"data": data}, config)
    folder = DataFolder(wanted.data)
    folder.make()
    return wanted, folder


def change(data: Path | None, config: Path | None, work: Callable[[Transaction], T]) -> T:
    """Do one unit of work on the store. Raises Refused, also for what the unit refuses."""
    wanted, folder = chosen(data, config)
    where = wanted.store_url.get_secret_value() if wanted.store_url else folder.database

    async def run() -> T:
        store = open_store(where)
        try:
            if wanted.development:
                await store.write(lambda tx: users.seed(tx, now()))
            return await store.write(work)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except EngineError as error:
        raise Refused(error.message) from None


def account(tx: Transaction, name: str, data: Path | None, config: Path | None) -> Account:
    """The account of that name, made when it is new and in development mode. Raises NotFound."""
    found = tx.accounts.get(name)
    if found is None and accounts.well_formed(name) and chosen(data, config)[0].development:
        found = accounts.of_development(tx, name, now())
    if found is None:
        raise NotFound("account", name)
    return found
