"""Debian's Samba over a folder, set up as docs/samba.md says, on a free port of loopback, and its own client."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "samba.md"
PASSWORD = "a password of this test's"
PATIENCE = 30.0
FOLDERS = ("private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir")


def missing() -> str | None:
    """Why Samba cannot be tried here."""
    if os.geteuid() != 0:
        return "smbd is started by root"
    if shutil.which("smbd") is None or shutil.which("smbclient") is None or shutil.which("smbpasswd") is None:
        return "samba and smbclient are not installed (apt install samba smbclient)"
    return None


class Samba:
    """A running smbd; `projects` is the share of the page."""

    def __init__(self, port: int, user: str) -> None:
        self.port, self.user = port, user

    def __call__(self, *commands: str, folder: Path | None = None) -> str:
        """Do these commands of smbclient, in a folder of this machine; what it wrote. AssertionError when one fails."""
        done = subprocess.run(
            [
                "smbclient", "//127.0.0.1/projects", PASSWORD, "-p", str(self.port), "-U", self.user,
                "-c", "; ".join(commands),
            ],
            cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def names(self, folder: str = "") -> set[str]:
        """The names in a folder."""
        lines = self(f'cd "{folder}"', "ls").splitlines() if folder else self("ls").splitlines()
        found = (re.match(r"  (.+?)\s+[A-Z]*\s+\d+  \w{3} \w{3} ", line) for line in lines)
        return {match[1] for match in found if match} - {".", ".."}


@contextmanager
def samba(folder: Path, share: Path) -> Iterator[Samba]:
    """Export `share` by the page's own smb.conf; what Samba keeps is in `folder`."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    config = _config(folder, share, user, port)
    subprocess.run(
        ["smbpasswd", "-c", config, "-s", "-a", user], input=f"{PASSWORD}\n{PASSWORD}\n", text=True, check=True,
        capture_output=True,
    )  # fmt: skip
    with (folder / "smbd.log").open("wb") as log:
        process = subprocess.Popen(
            ["smbd", "--foreground", "--no-process-group", "--debug-stdout", f"--configfile={config}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(process, port, folder / "smbd.log")
        yield Samba(port, user)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)


def _config(folder: Path, share: Path, user: str, port: int) -> Path:
    """The page's file with this test's places; every line that it replaces has to be there."""
    (text,) = re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for line, own in (
        ("path = /srv/linarite/shares/devaccount/projects", f"path = {share}"),
        ("valid users = alice", f"valid users = {user}"),
        ("force user = linarite", f"force user = {user}"),
    ):
        assert line in text
        text = text.replace(line, own)
    extra = [f"{name} = {folder / 'samba'}" for name in FOLDERS]
    extra += ["interfaces = 127.0.0.1", "bind interfaces only = yes", f"smb ports = {port}", "log file = /dev/stdout"]
    (folder / "samba").mkdir()
    config = folder / "smb.conf"
    config.write_text(text.replace("[global]\n", "[global]\n" + "".join(f"    {line}\n" for line in extra)))
    return config


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text(errors="replace")[-4000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
            time.sleep(0.05)
        else:
            return
