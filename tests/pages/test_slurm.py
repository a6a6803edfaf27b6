"""The pages about Slurm: what they tell an administrator to type, to write and to look for is there and works."""

from __future__ import annotations

import ast
import difflib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import pytest
from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from tests.pages.blocks import block, blocks
from tests.pages.made import DOCS, ROOT
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.left_out import leave_out
from tests.support.server import DEVELOPMENT_KEY, RunningServer
from tests.support.slurm import SlurmCluster, eventually
from tests.support.slurm_server import slurm_server

from linarite.nodes.slurm.commands import state_of
from linarite.settings import Settings, load

PAGES = ("slurm.md", "slurm-azure-batch.md", "slurm-sizing.md")
SCRIPT = Path(__file__).with_name("walkthrough.sh")
SOURCES = ROOT / "src" / "linarite" / "nodes" / "slurm"


def to_run() -> dict[str, str]:
    """The blocks that the walk-through does, by the names that it knows them by."""
    page = "slurm.md"
    alone, of_root = blocks(page, "toml")
    return {
        "user": block(page, "sh", "useradd"), "folder": block(page, "sh", "install -d"),
        "check": block(page, "sh", "srun"), "settings": alone, "settings-of-root": of_root,
        "protect": block(page, "sh", "chmod 0640"), "accounts": block(page, "sh", "accounts create"),
        "unit": block(page, "ini", "[Unit]"), "drop-in": block(page, "ini", "User=root"),
        "slurm.conf": block(page, "slurm", "MaxJobCount"), "look": block(page, "sh", "squeue"),
        "resume": block(page, "sh", "state=resume"),
    }  # fmt: skip


def test_walkthrough_leaves_out_no_command() -> None:
    """Every block of shell that is not marked as one for a terminal is run, and every file is used."""
    assert {*blocks("slurm.md", "sh", "toml", "ini", "slurm")} == {*to_run().values()}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_page_takes_a_fresh_machine_to_a_server_that_runs_tasks(slurm_installed: None, tmp_path: Path) -> None:
    """Word by word, in a view of this machine that goes with the test."""
    if (why := _cannot_have_views()) is not None:
        leave_out(why)
    for name, text in to_run().items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [SCRIPT, tmp_path, sys.executable, ROOT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        stdin=subprocess.DEVNULL, timeout=380, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert done.stdout.endswith("== done\n")


def _cannot_have_views() -> str | None:
    if shutil.which("ip") is None:
        return "ip is not installed (Debian's iproute2)"
    overlay = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/m && mount -t overlay -o"
    tried = f"{overlay} lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/m"
    done = subprocess.run(["unshare", "--mount", "--net", "sh", "-c", tried], capture_output=True, check=False)
    return None if done.returncode == 0 else "this machine allows no overlay of its files (unshare, mount)"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The page's unit file, with a program that is there."""
    file = tmp_path / "linarite.service"
    file.write_text(to_run()["unit"].replace("/opt/linarite/bin/linarite", "/bin/true"))
    return file


def test_unit_file_is_one_that_systemd_takes(unit: Path) -> None:
    """Without a word of complaint; a line that it does not know would be one."""
    if shutil.which("systemd-analyze") is None:
        leave_out("systemd is not installed")
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", unit], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"exposure level for linarite.service: ([\d.]+ \w+)", told)
    assert found is not None
    assert f"gives it {found[1].replace(' ', ' (')})" in (DOCS / "slurm.md").read_text()


def test_settings_are_settings(tmp_path: Path) -> None:
    """Each file of settings is taken; what is named in the text as a setting is one."""
    for page in PAGES:
        for text in blocks(page, "toml"):
            file = tmp_path / "linarite.toml"
            file.write_text(text)
            assert load({}, file).nodes_provider == "slurm"
        named = re.findall(r"`((?:slurm|nodes|batch|tls|store)_[a-z_]+)`", (DOCS / page).read_text())
        assert not [name for name in named if name not in Settings.model_fields and name not in events()], page


def test_readme_starts_it_with_two_settings() -> None:
    """Which are settings; what it links to is there."""
    readme = (ROOT / "README.md").read_text()
    (line,) = re.findall(r"^linarite serve (.*slurm.*)$", readme, re.MULTILINE)
    words = line.split()
    given = {
        flag.removeprefix("--").replace("-", "_"): value for flag, value in zip(words[::2], words[1::2], strict=True)
    }
    assert load(given).nodes_provider == "slurm"
    for page in PAGES:
        assert f"](docs/{page})" in readme


def events() -> set[str]:
    """The names of all lines that the provider may log."""
    found = set[str]()
    for file in SOURCES.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                of, first = node.func.value, node.args[0]
                if isinstance(of, ast.Name) and of.id == "_log" and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_line_of_the_log_is_told_of() -> None:
    """A name that is logged stands in the page's table; a name that stands there is logged."""
    assert len(events()) > 5
    table = block_after("**Log lines**")
    told = {name for row in table for name in re.findall(r"`([a-z_]+)`", row.split(" | ")[0])}
    assert events() == told


def block_after(heading: str) -> list[str]:
    """The rows of the table behind these words of the page."""
    _, _, rest = (DOCS / "slurm.md").read_text().partition(heading)
    found = re.search(r"(?:^\|.*\n)+", rest, re.MULTILINE)
    assert found is not None
    return found[0].splitlines()[2:]


def test_states_of_machines_are_the_ones_told() -> None:
    """Each of Slurm's words stands where the provider sorts it."""
    for row in block_after("**A task stays `active`.**"):
        _, node, words, _ = row.split("|", 3)
        for word in words.split(","):
            assert state_of(word.strip()).value == node.strip(" `"), word


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """To files that are there, and headings that are in them."""
    for target in re.findall(r"\]\(([^)\s]+)\)", (DOCS / page).read_text()):
        if target.startswith("https://"):
            continue
        path, _, heading = target.partition("#")
        file = (DOCS / path).resolve() if path else DOCS / page
        assert file.exists(), target
        if heading:
            assert heading in {_anchor(line) for line in file.read_text().splitlines() if line.startswith("#")}, target


def _anchor(heading: str) -> str:
    words = heading.lstrip("#").strip().lower()
    return re.sub(r"[^\w -]", "", words).replace(" ", "-")


def test_lines_of_slurm_conf_are_slurms(slurm_cluster: Callable[..., SlurmCluster]) -> None:
    """A controller takes them, and says them again; all but cgroup, which not every machine has."""
    lines = [line for line in to_run()["slurm.conf"].splitlines() if not line.startswith("ProctrackType")]
    cluster = slurm_cluster(1, 1, **dict(line.split("=", 1) for line in lines))
    told = cluster.run("scontrol", "show", "config")
    for line in lines:
        name, _, value = line.partition("=")
        assert re.search(rf"^{name}\s+= {re.escape(value)}", told, re.MULTILINE), line


def test_code_changes_in_one_line(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address; and the changed code is one that works."""
    before, after = blocks("slurm-azure-batch.md", "python")
    changed = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert changed == ['-     "https://team.westeurope.batch.azure.com",', '+     "http://login:10010",']
    monkeypatch.setenv("BATCH_KEY", DEVELOPMENT_KEY)
    names = {"BatchClient": BatchClient, "AzureNamedKeyCredential": AzureNamedKeyCredential, "os": os}
    exec(after.replace("http://login:10010", server.batch), names)
    with names["client"] as client:
        assert list(client.list_pools()) == []


def test_mpirun_reaches_the_machines_of_a_task(slurm: SlurmCluster) -> None:
    """As the page has it, without a word of hosts; and with the list that code for Azure passes on."""
    if shutil.which("mpirun") is None:
        leave_out("mpirun is not installed (Debian's openmpi-bin)")
    solver = "sh -c 'echo $OMPI_COMM_WORLD_SIZE $SLURMD_NODENAME'"
    plain = block("slurm-azure-batch.md", "sh", "mpirun").strip().replace("./solver", solver)
    settings = models.MultiInstanceSettings(coordination_command_line="/bin/true", number_of_instances=2)
    with slurm_server(slurm) as server, batch_client(server) as client:
        make_pool(client, "mpi", nodes=2, enable_inter_node_communication=True)
        client.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="mpi")))
        for name, line in {
            "plain": plain,
            "listed": plain.replace("mpirun", "mpirun -host $AZ_BATCH_HOST_LIST"),
        }.items():
            client.create_task("j", models.BatchTaskCreateOptions(
                id=name, command_line=f"/bin/sh -c {quote(line)}", multi_instance_settings=settings
            ))  # fmt: skip
        for name in ("plain", "listed"):
            code = wait_task(client, "j", name, seconds=60).execution_info.exit_code
            said = b"".join(client.download_task_file("j", name, "stdout.txt")).decode().splitlines()
            why = b"".join(client.download_task_file("j", name, "stderr.txt")).decode()
            assert (code, len(said), {line.split()[0] for line in said}) == (0, 2, {"2"}), why
            assert len({line.split()[1] for line in said}) == 2


def test_task_whose_job_is_cancelled_in_slurm_is_queued_again(slurm_cluster: Callable[..., SlurmCluster]) -> None:
    """As the page says: no retry is used up, and the log tells."""
    where = models.BatchPoolInfo(pool_id="p")
    with slurm_server(cluster := slurm_cluster(1, 1)) as server, batch_client(server) as client:
        make_pool(client, "p")
        client.create_job(models.BatchJobCreateOptions(id="j", pool_info=where))
        line = (
            "/bin/sh -c 'test -e $AZ_BATCH_NODE_SHARED_DIR/again || { : >$AZ_BATCH_NODE_SHARED_DIR/again; sleep 60; }'"
        )
        client.create_task("j", models.BatchTaskCreateOptions(id="a", command_line=line))
        wait_task(client, "j", "a", "running", seconds=60)
        again = Path(server.data, "nodes", "devaccount", "p", "n1", "shared", "again")
        eventually(again.exists, 60, "the command line does not begin")
        cluster.run("scancel", "--state=RUNNING", "--name=linarite")
        told = wait_task(client, "j", "a", seconds=60).execution_info
        assert (told.exit_code, told.retry_count, told.requeue_count) == (0, 0, 1)
        assert "slurm_run_lost" in server.log
