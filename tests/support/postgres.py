"""A real PostgreSQL of this machine's package, in a temporary folder, reached by a socket there; databases to order."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

PASSWORD = "of a server that exists in tests alone"
START_SECONDS = 60.0


class Postgres:
    """A server that serves; it can be killed and started again."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._folder, self._durable = folder, durable
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """What Linarite is told."""
        return f"postgresql+psycopg://linarite:{quote(PASSWORD)}@/{database}?host={self._folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self._folder), user="linarite", password=PASSWORD, dbname=database, autocommit=True
        )

    def new_database(self, template: str = "template0") -> str:
        """The name of a database that nobody else has: empty, or a copy of another."""
        name = f"t{uuid.uuid4().hex[:20]}"
        with self.connect() as connection:
            make = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            connection.execute(make)
        return name

    def drop(self, database: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def start(self) -> None:
        """Start, and wait until it answers."""
        sync = "on" if self._durable else "off"
        options = {"listen_addresses": "", "unix_socket_directories": str(self._folder), "fsync": sync}
        command = [_binary("postgres"), "-D", str(self._folder / "data")]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **_unprivileged())
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{(self._folder / 'log').read_text()}")
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT lets no transaction finish, SIGKILL of all its processes is a power cut."""
        if self._process is None:
            return
        if how is signal.SIGKILL:
            os.killpg(self._process.pid, how)
        else:
            self._process.send_signal(how)
        self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _programs() -> str | None:
    """Where the newest version's programs are: Debian keeps them off the PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name))
    found = shutil.which(
        "postgres", path=os.pathsep.join([*(str(place) for place in reversed(places)), os.environ["PATH"]])
    )
    return os.path.dirname(found) if found else None


def _binary(name: str) -> str:
    return f"{_programs()}/{name}"


def missing() -> str | None:
    """What keeps PostgreSQL from being run here."""
    return None if _programs() else "PostgreSQL is not installed (Debian's postgresql)"


def _unprivileged() -> dict[str, object]:
    """How to start its programs: they refuse to run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres" if _exists("postgres") else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _exists(name: str) -> bool:
    return any(user.pw_name == name for user in pwd.getpwall())


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A server for as long as this lasts; `durable` where a test cuts its power."""
    with tempfile.TemporaryDirectory(prefix="linarite-postgres-") as name:
        folder = Path(name)
        _initialise(folder)
        server = Postgres(folder, durable=durable)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _initialise(folder: Path) -> None:
    how = _unprivileged()
    if how:
        os.chown(folder, how["user"], how["group"])  # type: ignore[arg-type]
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    command = [_binary("initdb"), "-D", str(folder / "data"), "-U", "linarite", "--pwfile", str(password)]
    command += [
        "--auth",
        "scram-sha-256",
        "--encoding",
        "UTF8",
        "--locale",
        "C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False, **_unprivileged())  # type: ignore[call-overload]
    if made.returncode:
        raise RuntimeError(f"PostgreSQL's folder cannot be made:\n{made.stdout}{made.stderr}")
