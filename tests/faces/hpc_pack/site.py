"""An HPC Pack face on a socket, over the real store, engine and local nodes; its users are kept here."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import requests
import uvicorn

from linarite.engine import jobs, pools, tasks
from linarite.engine.access import Principal, User
from linarite.engine.core import Engine
from linarite.engine.housekeeping import Retention
from linarite.engine.model import Job, JobSpec, PoolSpec, Role, Task, TaskSpec
from linarite.faces.hpc_pack import HpcPack
from linarite.http.funnel import Face, Funnel
from linarite.nodes.local import LocalNodes
from linarite.nodes.service_environment import ServiceEnvironment
from linarite.store import open_store

T = TypeVar("T")
ACCOUNT = "devaccount"
BASIC = ("dev", "linarite")
VERSION = {"api-version": "2012-11-01.4.0"}
COMMON = "{http://schemas.microsoft.com/HPCS2008R2/common}"
SERIALIZATION = "{http://schemas.microsoft.com/2003/10/Serialization/}"


def body(*pairs: tuple[str, str], **properties: str) -> str:
    """An ArrayOfProperty as clients write it."""
    rows = "".join(
        f"<Property><Name>{name}</Name><Value>{escape(value)}</Value></Property>"
        for name, value in (*pairs, *properties.items())
    )
    return f'<ArrayOfProperty xmlns="{COMMON[1:-1]}">{rows}</ArrayOfProperty>'


def pairs(answer: requests.Response) -> list[tuple[str, str]]:
    """Names and values of an ArrayOfProperty, in their order."""
    assert answer.status_code == 200, answer.text
    root = ET.fromstring(answer.content)
    assert root.tag == f"{COMMON}ArrayOfProperty"
    return [(item[0].text or "", item[1].text or "") for item in root]


def rows(answer: requests.Response) -> list[dict[str, str]]:
    """The objects of an ArrayOfObject."""
    assert answer.status_code == 200, answer.text
    root = ET.fromstring(answer.content)
    assert root.tag == f"{COMMON}ArrayOfObject"
    return [{item[0].text or "": item[1].text or "" for item in row[0]} for row in root]


class WallClock:
    """Implements `engine.ports.Clock`."""

    def now(self) -> int:
        return time.time_ns() // 1000


class Users:
    """`engine.access.Access` for passwords alone."""

    default_account = ACCOUNT
    development = True
    tenant = "common"

    def __init__(self) -> None:
        self.passwords = {"dev": "linarite"}
        self.people = {"dev": User(name="dev", account=ACCOUNT, role=Role.ADMIN, number=1)}

    async def user(self, name: str) -> User | None:
        return self.people.get(name.lower())

    async def password(self, name: str, password: str) -> User | None:
        return await self.user(name) if self.passwords.get(name.lower()) == password else None

    async def admit(self, account: str) -> None:
        pass

    async def account_keys(self, account: str) -> tuple[bytes, ...]:
        raise AssertionError("HPC Pack knows users, not keys")

    async def bearer(self, token: str, audiences: tuple[str, ...], now: int, addressed: str | None) -> Principal:
        raise AssertionError("HPC Pack takes no tokens")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class Site:
    """The face and everything below it, in a thread with its own loop. `pool` None starts without one."""

    def __init__(
        self, folder: Path, *, pool: str | None = "main", nodes: Callable[[Path], LocalNodes] = LocalNodes,
        **options: Any,
    ) -> None:  # fmt: skip
        self.nodes = nodes(folder)
        self._servers: list[tuple[uvicorn.Server, asyncio.Future[None]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.users = Users()
        self.run(self._open(folder, options))
        if pool:
            self.make_pool(pool)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self, folder: Path, options: dict[str, Any]) -> None:
        self.store = open_store(folder / "linarite.db")
        environment = ServiceEnvironment("http://127.0.0.1:1", "LINARITE", lambda _: "")
        self.engine = Engine(
            self.store, self.nodes, WallClock(), lambda kind: f"{kind}-{secrets.token_hex(4)}", environment,
            Retention(),
        )  # fmt: skip
        await self.engine.start()
        self.url = await self.serve(HpcPack(self.engine, self.users, **options))

    async def serve(self, face: Face) -> str:
        """Serve one more face; gives its address."""
        bound = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(Funnel(face), lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
        server = _Server(config)
        self._servers.append((server, asyncio.ensure_future(server.serve([bound]))))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"

    def close(self) -> None:
        for pool in self.run(self.engine.ask(lambda tx: tx.pools.all())):
            self.run(self.engine.do(pools.delete, pool.account, pool.spec.id))
        self.until(lambda: not self.run(self.engine.ask(lambda tx: tx.nodes.all())))
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for server, serving in self._servers:
            server.should_exit = True
            await serving
        await self.engine.stop()
        await self.store.close()

    # What a test does.

    def call(self, method: str, path: str, auth: Any = BASIC, **options: Any) -> requests.Response:
        headers = {**VERSION, **options.pop("headers", {})}
        headers = {name: value for name, value in headers.items() if value is not None}
        return requests.request(method, self.url + path, auth=auth, timeout=30, headers=headers, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.call("GET", f"/WindowsHPC/{path}", **options)

    def post(self, path: str, data: str = "", **options: Any) -> requests.Response:
        return self.call("POST", f"/WindowsHPC/{path}", data=data, **options)

    def put(self, path: str, data: str, **options: Any) -> requests.Response:
        return self.call("PUT", f"/WindowsHPC/{path}", data=data, **options)

    def number(self, answer: requests.Response) -> int:
        assert answer.status_code == 200, answer.text
        root = ET.fromstring(answer.content)
        assert root.tag == f"{SERIALIZATION}int"
        return int(root.text or "")

    def create(self, auth: Any = BASIC, **properties: str) -> int:
        return self.number(self.post("Jobs", body(**properties), auth=auth))

    def task(self, job: int, command: str = "true", **properties: str) -> int:
        return self.number(self.post(f"Job/{job}/Tasks", body(CommandLine=command, **properties)))

    def submit(self, job: int) -> None:
        answer = self.post(f"Job/{job}/Submit")
        assert (answer.status_code, answer.content) == (200, b"")

    def job(self, job: int, *names: str) -> dict[str, str]:
        return dict(pairs(self.get(f"Job/{job}", params={"Properties": ",".join(names)} if names else {})))

    def of_task(self, job: int, task: int, *names: str) -> dict[str, str]:
        return dict(pairs(self.get(f"Job/{job}/Task/{task}", params={"Properties": ",".join(names)} if names else {})))

    def until(self, done: Any, seconds: float = 20) -> Any:
        """Poll a thing until it is true, with a deadline; gives it."""
        deadline = time.monotonic() + seconds
        while not (found := done()):
            assert time.monotonic() < deadline, "it did not come"
            time.sleep(0.02)
        return found

    def until_job(self, job: int, *wanted: str) -> str:
        return self.until(lambda: (state := self.job(job, "State")["State"]) in wanted and state)

    def until_task(self, job: int, task: int, *wanted: str) -> str:
        return self.until(lambda: (state := self.of_task(job, task, "State")["State"]) in wanted and state)

    def run_job(self, *commands: str, **properties: str) -> int:
        """A job with these tasks, run to its end."""
        job = self.create(**properties)
        for command in commands:
            self.task(job, command)
        self.submit(job)
        self.until_job(job, "Finished", "Failed", "Canceled")
        return job

    def make_pool(self, name: str, **spec: Any) -> None:
        wanted = PoolSpec(id=name, **{"target_dedicated": 1, "slots_per_node": 4, **spec})
        self.run(self.engine.do(pools.add, ACCOUNT, wanted, {}))

    def foreign(self, job: str, *specs: TaskSpec, **job_spec: Any) -> int:
        """A job as another protocol adds it; gives its number."""

        def add(u: Any) -> int:
            made = jobs.add(u, ACCOUNT, JobSpec(id=job, **{"pool": "main", **job_spec}), {})
            tasks.add(u, ACCOUNT, job, [(spec, {}) for spec in specs])
            return made.alias

        return self.run(self.engine.do(add))

    def record(self, job: int) -> Job:
        found = self.run(self.engine.ask(lambda tx: tx.jobs.by_alias(ACCOUNT, job)))
        assert found is not None
        return found

    def task_record(self, job: int, task: int, index: int = 0) -> Task:
        key = self.record(job).key
        found = self.run(self.engine.ask(lambda tx: tx.tasks.by_alias(key, task, index)))
        assert found is not None
        return found

    def user(self, name: str, role: Role, account: str = ACCOUNT) -> tuple[str, str]:
        """A user of their own; gives the credentials."""
        password = f"secret-of-{name}"
        self.users.passwords[name] = password
        self.users.people[name] = User(name=name, account=account, role=role, number=len(self.users.people) + 1)
        return name, password
