"""A SuperOffice face on a socket, over the real store and identity; its nodes do only what a test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import requests

from linarite.engine import jobs, pools, tasks
from linarite.engine.core import Engine
from linarite.engine.housekeeping import Retention
from linarite.engine.launching import Launch, NodeOrder, NodeReady, NodeRef, RunExited, Watched
from linarite.engine.model import JobSpec, PoolSpec, Role, Task, TaskSpec
from linarite.engine.ports import Listener
from linarite.engine.progress import Progress, file_name
from linarite.faces.superoffice import Definition, SuperOffice
from linarite.http.funnel import Funnel, now_microseconds
from linarite.http.serving import Servers, address, bind
from linarite.identity import users
from linarite.identity.access import Identity
from linarite.identity.issuing import keep_session
from linarite.nodes.progress import watched
from linarite.store import open_store

T = TypeVar("T")
ACCOUNT = "devaccount"
BASIC = ("dev", "linarite")
DEFINITIONS = {
    "nightly-export": Definition(command="echo exported"),
    "held fast": Definition(command="sleep 60", cancellation="CannotCancel"),
    "slow": Definition(command="sleep 60", timeout=30, restarts=2, cancellation="CancelWithWarning"),
    "nowhere": Definition(command="true", pool="not-there"),
}


class WallClock:
    """Implements `engine.ports.Clock`."""

    def now(self) -> int:
        return now_microseconds()


class QuietNodes:
    """Nodes that are ready at once and run nothing; a run ends when a test says so, or when it is asked to."""

    standing = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launched: dict[str, Launch] = {}
        self._listener: Listener | None = None
        self._reports: set[asyncio.Future[None]] = set()

    async def start(self, listener: Listener) -> None:
        self._listener = listener

    async def provision(self, orders: Sequence[NodeOrder]) -> None:
        assert self._listener is not None
        self._later(self._listener.on_node_reports([NodeReady(node=order.node) for order in orders]))

    async def launch(self, launches: Sequence[Launch]) -> None:
        self.launched.update({launch.run: launch for launch in launches})

    async def end(self, runs: Sequence[tuple[NodeRef, str]], grace: float, *, outputs: bool = False) -> None:
        for _, run in runs:
            self._later(self.exit(run, 143))

    def _later(self, report: Any) -> None:
        """Reports come from elsewhere, never from within what the engine asks."""
        task = asyncio.ensure_future(report)
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    async def exit(self, run: str, code: int) -> None:
        now = WallClock().now()
        assert self._listener is not None
        await self._listener.on_reports([RunExited(run=run, code=code, started_at=now, at=now)])

    async def progress(self, runs: Sequence[Watched]) -> list[Progress | None]:
        return [watched(self.root(run.node), run) for run in runs]

    async def forget_others(self, nodes: Sequence[NodeRef]) -> None:
        return

    async def directories(self, node: NodeRef) -> list[str]:
        return []

    async def send_logs(self, node: NodeRef, url: str, folder: str, logs: Mapping[str, bytes], since: int) -> int:
        raise AssertionError("SuperOffice sends no logs")

    def root(self, node: NodeRef) -> str:
        return str(self.folder / node.node)

    async def deallocate(self, nodes: Sequence[NodeRef]) -> None: ...
    async def release(self, nodes: Sequence[NodeRef]) -> None: ...
    async def remove_directory(self, node: NodeRef, directory: str) -> None: ...
    async def stop(self) -> None: ...


class Site:
    """The face and everything below it, in a thread with its own loop."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._options = options
        self._ids = count(1)
        self.nodes = QuietNodes(folder / "nodes")
        self.run(self._open(folder))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self, folder: Path) -> None:
        self.store = open_store(folder / "linarite.db")
        identity = Identity(self.store, WallClock(), [], development=True)
        await identity.start()
        self.engine = Engine(
            self.store, self.nodes, WallClock(), lambda kind: f"{kind}-{next(self._ids)}", lambda *_: {}, Retention()
        )
        await self.engine.start()
        roomy = PoolSpec(id="superoffice", target_dedicated=1, slots_per_node=256)
        await self.engine.do(pools.add, ACCOUNT, roomy, {})
        self.face = SuperOffice(self.engine, identity, definitions=DEFINITIONS, **self._options)
        socket = bind("127.0.0.1", 0)
        self.url = address(socket, "http")
        self._servers = Servers([(Funnel(self.face), socket)], None)
        await self._servers.start()

    async def _close(self) -> None:
        await self._servers.stop()
        await self.engine.stop()
        await self.store.close()

    def close(self) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # -- what a test does ----------------------------------------------------------------------------------------------

    def call(self, method: str, path: str, auth: Any = BASIC, **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, auth=auth, timeout=30, **options)

    def start(self, name: str = "nightly-export", **info: Any) -> int:
        answer = self.call("POST", "/api/v1/BatchTask", json={"Name": name, **info})
        assert answer.status_code == 200, answer.text
        return int(answer.json())

    def info(self, id: int, **headers: str) -> dict[str, Any]:
        answer = self.call("GET", f"/api/v1/BatchTask/{id}", headers=headers)
        assert answer.status_code == 200, answer.text
        value: dict[str, Any] = answer.json()
        return value

    def task(self, id: int) -> Task:
        task = self.run(self.engine.ask(lambda tx: tx.tasks.by_account_alias(ACCOUNT, id)))
        assert task is not None
        return task

    def running(self, id: int) -> Launch:
        """Wait until a task has been launched."""
        for _ in range(500):
            task = self.task(id)
            launch = self.nodes.launched.get(f"{task.key}.{task.attempt}")
            if launch is not None and task.node is not None:
                return launch
            self.run(asyncio.sleep(0.01))
        raise AssertionError(f"task {id} was not launched")

    def until(self, id: int, state: str) -> dict[str, Any]:
        """Wait until a task is in a state."""
        for _ in range(500):
            info = self.info(id)
            if info["State"] == state:
                return info
            self.run(asyncio.sleep(0.01))
        raise AssertionError(f"task {id} is {info['State']}, not {state}")

    def finish(self, id: int, code: int = 0, stdout: str = "") -> None:
        """End a task's run as its process would."""
        launch = self.running(id)
        directory = Path(self.nodes.root(launch.node)) / launch.directory
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "stdout.txt").write_text(stdout)
        self.run(self.nodes.exit(launch.run, code))

    def tell(self, id: int, line: str) -> None:
        """Write a line of progress as the task's process would."""
        launch = self.running(id)
        directory = Path(self.nodes.root(launch.node)) / launch.directory
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / file_name(launch.run)).open("a") as file:
            file.write(line + "\n")

    def user(self, name: str, role: Role, account: str = ACCOUNT) -> tuple[str, str]:
        """A user of their own; gives the credentials."""
        password = f"secret-of-{name}"
        self.run(self.store.write(lambda tx: users.add(tx, name, password, account, role, WallClock().now())))
        return name, password

    def session(self, secret: str, kind: Any, xsrf: str | None = None, *, user: str = "dev", now: int = 0) -> None:
        """Keep a session as `linarite token --superoffice` does."""
        moment = now or WallClock().now()
        self.run(self.store.write(lambda tx: keep_session(tx, secret, user, kind, xsrf, moment)))

    def foreign(self, job: str, *specs: TaskSpec, owner: str = "", **job_spec: Any) -> list[int]:
        """Tasks as another protocol adds them; gives their numbers."""

        def add(u: Any) -> list[int]:
            if u.tx.pools.get(ACCOUNT, "foreign") is None:
                pools.add(u, ACCOUNT, PoolSpec(id="foreign", target_dedicated=1), {})
            jobs.add(u, ACCOUNT, JobSpec(id=job, pool="foreign", owner=owner, **job_spec), {})
            added = tasks.add(u, ACCOUNT, job, [(spec, {}) for spec in specs])
            return [task.account_alias for task in added if isinstance(task, Task)]

        return self.run(self.engine.do(add))

    def do(self, operation: Callable[..., T], *args: Any, **options: Any) -> T:
        return self.run(self.engine.do(operation, ACCOUNT, *args, **options))

    def tasks(self) -> list[Task]:
        return self.run(self.engine.ask(lambda tx: tx.tasks.of_account(ACCOUNT, 0, 10_000)))
