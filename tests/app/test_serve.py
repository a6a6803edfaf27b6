"""The server as a process: start, ready file, health, refusals, stopping, starting again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import pytest
import requests
from tests.faces.azure_batch.raw import RawBatch
from tests.support.server import FACES, RunningServer, data_home, environment, linarite, running_server, serve_command

UNFINISHED = (
    b"POST /api/v1/Agents/Batch/GetBatchTaskInfo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Authorization: Basic ZGV2OmxpbmFyaXRl\r\nContent-Length: 23\r\nExpect: 100-continue\r\n\r\n"
)
"""The head of a request; its body of 23 bytes is left to come."""

ANY_PORT = [word for face in FACES for word in (f"--{face}-port", "0")]


def _refused(*words: str) -> str:
    """What `linarite serve` says when it does not start."""
    done = linarite("serve", *words)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_every_port_tells_its_health(server: RunningServer, face: str, path: str) -> None:
    answer = requests.get(server.urls[face] + path, timeout=10)
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_the_ready_file_names_the_process_and_every_face(server: RunningServer) -> None:
    told = json.loads((server.home / "ready.json").read_text())
    assert list(told) == ["pid", *FACES, "IDENTITY_ENDPOINT", "IDENTITY_HEADER"]
    assert told["pid"] == server.pid
    assert told["IDENTITY_ENDPOINT"] == f"{told['batch']}/msi/token"
    assert all(told[face].startswith("http://127.0.0.1:") for face in FACES)


def test_the_start_says_what_is_served_and_with_which_secrets(server: RunningServer) -> None:
    for url in server.urls.values():
        assert url in server.log
    assert str(server.data) in server.log
    assert "development mode" in server.log
    assert all(value in server.log for value in server.identity.values())


def test_only_a_caller_who_is_recognised_makes_an_account(server: RunningServer, account: str) -> None:
    """In development mode any name is an account of its own; a bad signature, or none, leaves nothing behind."""

    def accounts() -> set[str]:
        told = server.command("accounts", "list", "--json").stdout
        return {one["name"] for one in json.loads(told)}

    batch, wrong = RawBatch(server.batch, account), b64encode(b"another key").decode()
    assert batch.call("GET", "/pools", key=wrong).status == 403
    assert batch.call("GET", "/pools", age=3600).status == 403
    host = {"Host": f"{account}.local.batch.azure.com"}
    assert requests.get(f"{server.batch}/pools?api-version=2025-06-01", headers=host, timeout=10).status_code == 401
    for query in ("comp=list", "comp=list&sv=2021-12-02&ss=f&srt=s&sp=l&se=2099-01-01&sig=YQ%3D%3D"):
        asked = requests.get(f"{server.files}/{account}?{query}", headers={"x-ms-version": "2021-12-02"}, timeout=10)
        assert asked.status_code in {401, 403}
    assert account not in accounts()
    assert batch.call("GET", "/pools").status == 200
    assert account in accounts()


def test_a_server_has_its_data_folder_alone(server: RunningServer) -> None:
    said = _refused("--data", str(server.data), *ANY_PORT)
    assert f"process {server.pid}" in said
    assert "--data" in said


def test_the_servers_part_of_the_data_folder_is_its_own(server: RunningServer) -> None:
    modes = {path: oct(path.stat().st_mode & 0o777) for path in (server.data, server.data / "server")}
    assert list(modes.values()) == ["0o711", "0o700"]
    private = [path for path in (server.data / "server").rglob("*") if path.is_file()]
    assert private
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_other_machines_are_not_served_with_secrets_that_everybody_knows(host: str, tmp_path: Path) -> None:
    said = _refused("--host", host, "--data", str(tmp_path / "data"), *ANY_PORT)
    assert "linarite accounts create" in said
    assert "--production" in said
    assert not (tmp_path / "data").exists()


def test_production_serves_other_machines_and_knows_no_development_secret() -> None:
    with running_server(host="0.0.0.0", development=False) as server:
        assert requests.get(f"{server.dashboard}/readyz", timeout=10).status_code == 200
        answer = requests.get(f"{server.superoffice}/api/v1/BatchTask/1", auth=("dev", "linarite"), timeout=10)
        assert answer.status_code == 401


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with data_home() as home, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = _refused("--data", str(home / "data"), *ANY_PORT, "--files-port", port)
    assert f"Port {port} of 127.0.0.1" in said
    assert "Choose another with --files-port" in said


def test_serve_same_port_twice() -> None:
    """Two faces cannot have one port: the second one would never be asked."""
    with data_home() as home:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        said = _refused("--data", str(home / "data"), *ANY_PORT, "--batch-port", port, "--files-port", port)
    assert f"Port {port} of 127.0.0.1" in said


@pytest.mark.root
def test_a_data_folder_that_tasks_cannot_reach_is_refused() -> None:
    with data_home() as home:
        home.chmod(0o700)
        said = _refused("--data", str(home / "data"), *ANY_PORT)
        assert f"chmod o+x {home}" in said


def test_ready_file_is_of_this_start(tmp_path: Path) -> None:
    """One that cannot be written is refused before anything is served; an earlier server's is gone until it is ours."""
    for file in (tmp_path / "none" / "ready", tmp_path):
        assert f"{file} cannot be written" in _refused("--data", str(tmp_path), *ANY_PORT, "--ready-file", str(file))
    with running_server() as server:
        told = server.home / "ready.json"
        written = told.read_text()
        server.terminate()
        assert told.read_text() == written
        assert "cannot be made" in _refused(
            "--data", str(server.data), *ANY_PORT, "--ready-file", str(told), "--files-folder", "/proc/x/y"
        )
        assert told.read_text() == written, "a start that came to nothing takes nothing away"
        done = subprocess.run(
            serve_command(server.data, ready_file=told, copy_sources="//"), env=environment(), capture_output=True,
            check=False,
        )  # fmt: skip
        assert (done.returncode, told.exists()) == (1, False)


def test_sigterm_ends_the_server_well_and_a_new_one_takes_up_its_data() -> None:
    with running_server() as server:
        before = dict(server.urls)
        assert server.terminate() == 0
        assert "running tasks go on" in server.log
        server.start()
        assert server.urls == before


def test_a_request_in_flight_is_answered_before_the_server_ends() -> None:
    """The body of a request arrives after the server was asked to stop; its answer comes all the same."""
    with running_server() as server:
        port = int(server.superoffice.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(UNFINISHED)
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            server.process.terminate()
            _wait_for_log(server, "stopping")
            client.sendall(b'{"BatchTaskId": 123456}')
            assert client.recv(1000).startswith(b"HTTP/1.1 ")
        assert server.process.wait(20) == 0


def _wait_for_log(server: RunningServer, text: str) -> None:
    deadline = time.monotonic() + 20
    while text not in server.log:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.01)


def test_a_killed_server_starts_again_on_the_same_data() -> None:
    with running_server() as server:
        server.command("accounts", "create", "kept")
        server.kill9()
        server.start()
        assert "kept" in server.command("accounts", "list").stdout


def test_json_logs_are_one_object_a_line_and_bear_no_secret() -> None:
    with running_server(log_format="json") as server:
        answer = requests.get(
            f"{server.superoffice}/api/v1/BatchTask/1?sig=topsecret", auth=("dev", "linarite"), timeout=10
        )
        assert answer.status_code == 404
        requests.get(f"{server.files}/devaccount/share/file?sig=topsecret&se=2030", timeout=10)
        server.terminate()
        lines = [json.loads(line) for line in server.log.splitlines()]
    requested = [line for line in lines if line["event"] == "request"]
    assert {line["face"] for line in requested} == {"superoffice", "azure_files"}
    assert all({"timestamp", "level", "path", "status", "ms", "id"} <= line.keys() for line in requested)
    assert not any(secret in server_text(lines) for secret in ("topsecret", "ZGV2OmxpbmFyaXRl", "bGluYXJpdGU"))


def server_text(lines: list[dict[str, object]]) -> str:
    """All that the lines say."""
    return json.dumps(lines)


def test_a_path_cannot_forge_a_log_line(server: RunningServer) -> None:
    requests.get(f"{server.dashboard}/a%0Ainfo%20forged", timeout=10)
    deadline = time.monotonic() + 30
    while "\\ninfo forged" not in server.log:  # its line is written when the answer has gone
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "\ninfo forged" not in server.log


def test_the_dashboard_tells_versions_addresses_and_counts(server: RunningServer) -> None:
    answer = requests.get(server.dashboard, timeout=10)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert all(url in answer.text for url in server.urls.values())
    assert "devaccount" not in answer.text
    assert requests.get(f"{server.dashboard}/elsewhere", timeout=10).status_code == 404
    assert requests.post(server.dashboard, timeout=10).headers["allow"] == "GET, HEAD"


def test_the_public_address_of_a_face_stands_on_the_dashboard() -> None:
    with running_server(batch_public_url="https://batch.example.org/") as server:
        assert "https://batch.example.org<" in requests.get(server.dashboard, timeout=10).text


AS_SOMEBODY = "import os; os.geteuid = lambda: 65534; from linarite.cli import main; main()"


def test_not_started_by_root_it_says_whose_rights_tasks_have() -> None:
    with data_home() as home:
        ready, log = home / "ready.json", home / "log"
        _, _, *words = serve_command(home / "data", ready_file=ready, **{f"{face}_port": 0 for face in FACES})
        with log.open("wb") as out:
            process = subprocess.Popen([sys.executable, "-c", AS_SOMEBODY, *words[1:]], stderr=out, env=environment())
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.terminate()
        assert process.wait(30) == 0
        assert "not started by root: tasks run as the server's user" in log.read_text()


def test_a_second_sigterm_ends_the_server_at_once() -> None:
    """A request whose body never comes holds the end up; asked twice, the server does not wait for it."""
    with running_server() as server:
        port = int(server.superoffice.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(UNFINISHED)
            assert client.recv(100).startswith(b"HTTP/1.1 100")
            server.process.terminate()
            _wait_for_log(server, "stopping")
            server.process.terminate()
            assert server.process.wait(5) == -signal.SIGTERM
