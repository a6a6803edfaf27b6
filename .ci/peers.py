"""Run other people's own test suites against a fresh server and hold each to its floor.

A peer's failures are facts for docs/conformance.md, not errors: a run fails only when fewer tests pass than
tests/peers/floors.json says. Raise a floor whenever more pass; never lower one.
"""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tally import counts

KEY = "bGluYXJpdGUtZGV2ZWxvcG1lbnQta2V5LW5vdC1hLXNlY3JldA=="  # the well-known development key
PREMIUM = "devpremium"
START_SECONDS, STOP_SECONDS, SUITE_SECONDS = 60, 30, 1800
PORTS = ("batch", "files", "hpc", "superoffice", "dashboard")


def main() -> int:
    """Run every suite; write `PASSED BROKEN_FLOORS` to the file named by --tally."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--linarite", type=Path, required=True, help="the command to serve with")
    parser.add_argument("--peers", type=Path, required=True, help="the folder of the suites")
    parser.add_argument("--floors", type=Path, required=True, help="JSON: suite -> how many must pass")
    parser.add_argument("--work", type=Path, required=True, help="where suites are kept between runs")
    parser.add_argument("--tally", type=Path, required=True, help="file for the two counts")
    a = parser.parse_args()
    floors: dict[str, int] = json.loads(a.floors.read_text())
    passed = broken = 0
    with tempfile.TemporaryDirectory(prefix="linarite-peers-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103  tasks run as an unprivileged user and must reach their folders
        with serving(a.linarite, Path(folder)) as ready:
            provision(a.linarite, Path(folder))
            for name, command in suites(a.peers, a.work, ready).items():
                good, bad = run(name, command, Path(folder) / f"{name}.xml")
                floor = floors.get(name, 0)
                print(
                    f"{name}: {good} passed, {bad} failed, floor {floor}{'' if good >= floor else ': TOO FEW'}",
                    flush=True,
                )
                passed += good
                broken += good < floor
    a.tally.write_text(f"{passed} {broken}\n")
    return 1 if broken else 0


def suites(peers: Path, work: Path, ready: dict[str, Any]) -> dict[str, list[str]]:
    """Return each suite's command line, without the report to write."""

    def command(name: str, endpoint: str, *rest: str, kept: Path | None = None) -> list[str]:
        runner, kept = peers / name / "run_peer.py", kept or work / name
        kept.mkdir(parents=True, exist_ok=True)
        return [sys.executable, str(runner), "--endpoint", endpoint, "--key", KEY, "--work", str(kept), *rest]

    return {
        "azure-batch": command("azure-batch", ready["batch"], "--account-per-test", "--timeout", "90", "--"),
        "azure-batch-14": command(
            "azure-batch",
            ready["batch"],
            "--account-per-test",
            "--timeout",
            "90",
            "--sdk-version",
            "14.2.0",
            "--",
            kept=work / "azure-batch-14",
        ),
        "azure-files": command("azure-files", f"{ready['files']}/devaccount", "--style", "host", "--"),
        "azure-files-path": command(
            "azure-files", f"{ready['files']}/devaccount", "--style", "path", "--", kept=work / "azure-files"
        ),
    }


def provision(linarite: Path, folder: Path) -> None:
    """Make what a suite finds made by Azure's management service: the application of one test's own account.

    The runner names the account of a test by the run's name (BATCH_RUN) and the test's.
    """
    suite, test = "azure-batch-14", "test_batch.py::TestBatch::test_batch_applications"
    account = "peer" + hashlib.sha1(f"{suite}{test}".encode(), usedforsecurity=False).hexdigest()[:16]
    package = folder / "application.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("hello.txt", "Hello World")
    options = ["--account", account, "--data", str(folder / "data")]
    subprocess.run([linarite, "applications", "add", "application_id", "v1.0", package, *options], check=True)


def run(name: str, command: list[str], report: Path) -> tuple[int, int]:
    """Run one suite to its end or its time limit, and count."""
    # Further accounts, for copies between them and for shares that only some have: every name with the key is one here.
    accounts = {"AZFILES_PEER_SECONDARY_ACCOUNT": "devsecond", "AZFILES_PEER_PREMIUM_ACCOUNT": PREMIUM}
    keys = {"AZFILES_PEER_SECONDARY_KEY": KEY, "AZFILES_PEER_PREMIUM_KEY": KEY}
    names = {**os.environ, **accounts, **keys, "BATCH_RUN": name}
    process = subprocess.Popen(
        [*command, f"--junitxml={report}"], stdin=subprocess.DEVNULL, start_new_session=True, env=names
    )
    try:
        process.wait(SUITE_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"stopped after {SUITE_SECONDS} seconds: {command[1]}", flush=True)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return counts(report)


@contextlib.contextmanager
def serving(linarite: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Run a server with its data in the folder; yield its ready file; leave none of its processes behind."""
    data, ready_file, log = folder / "data", folder / "ready.json", folder / "server.log"
    ports = [word for port in PORTS for word in (f"--{port}-port", "0")]
    command = [str(linarite), "serve", "--data", str(data), "--ready-file", str(ready_file), *ports]
    command += ["--premium-accounts", PREMIUM]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        yield wait_until_ready(server, ready_file)
    except BaseException:
        print(log.read_text(errors="replace")[-8000:], file=sys.stderr)
        raise
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
        end_what_is_left(server, folder)


def wait_until_ready(server: subprocess.Popen[bytes], ready_file: Path) -> dict[str, Any]:
    """Return the addresses once every face answers."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if ready_file.exists():
            addresses: dict[str, Any] = json.loads(ready_file.read_text())
            return addresses
        if server.poll() is not None:
            raise SystemExit(f"linarite serve ended at once with exit code {server.returncode}")
        time.sleep(0.05)
    raise SystemExit(f"linarite serve was not ready after {START_SECONDS} seconds")


def end_what_is_left(server: subprocess.Popen[bytes], folder: Path) -> None:
    """End the server if it still runs, and its hosts and tasks: they outlive it, and have the folder in hand."""
    if server.poll() is None:
        server.kill()
        server.wait()
    while sum(kill_if_ours(process, folder) for process in Path("/proc").glob("[0-9]*")):
        time.sleep(0.05)  # look again: one of them may just have started another


def kill_if_ours(process: Path, folder: Path) -> bool:
    """Kill the process of a /proc entry if it stands in the folder or names it; tell whether it did."""
    with contextlib.suppress(OSError):
        arguments = (process / "cmdline").read_bytes().split(b"\0")
        stands_here = (process / "cwd").readlink().is_relative_to(folder)
        if stands_here or any(argument.startswith(os.fsencode(folder)) for argument in arguments):
            os.kill(int(process.name), signal.SIGKILL)
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
