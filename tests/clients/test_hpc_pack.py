"""Microsoft's own Python sample client, unchanged, over TLS. It stands beside the specifications (LINARITE_SPECS)."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.faces.hpc_pack.site import Site

SPECS = os.environ.get("LINARITE_SPECS")
pytestmark = [pytest.mark.specs, pytest.mark.skipif(not SPECS, reason="LINARITE_SPECS is not set")]


def self_signed(folder: Path) -> tuple[str, str]:
    """A certificate that nobody vouches for: the client does not ask."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(pem)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return str(folder / "cert.pem"), str(folder / "key.pem")


@pytest.fixture(scope="module")
def library() -> Any:
    path = Path(SPECS or "") / "hpc-pack" / "clients" / "winhpclib_3x.py"
    spec = importlib.util.spec_from_file_location("winhpclib", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hpc_pack_client")
    site = Site(folder, certificate=self_signed(folder))
    yield site
    site.close()


@pytest.fixture
def server(site: Site, library: Any) -> Any:
    return library.Server("127.0.0.1", "CLUSTER\\dev", "linarite", site.port)


def refreshed(thing: Any) -> dict[str, str]:
    thing.refresh_properties()
    return thing.properties


def test_client_runs_a_job(site: Site, server: Any, library: Any):
    """Create, add a task, submit with credentials, refresh until it is over."""
    job = library.Job(server)
    job.properties = {"Name": "from the sample", "MinCores": 1, "MaxCores": 1, "UnitType": "Core"}
    job.create()
    task = job.create_task()
    task.properties = {"CommandLine": "echo Hello from Windows HPC", "Name": "first"}
    task.create()
    assert task.task_id == 1
    job.submit("CLUSTER\\dev", "linarite")
    site.until(lambda: refreshed(job)["State"] in {"Finished", "Failed"})
    assert refreshed(job)["State"] == "Finished"
    assert refreshed(task)["Output"] == "Hello from Windows HPC\n"
    assert task.properties["ExitCode"] == "0"


def test_client_reads_chosen_properties(server: Any, library: Any):
    """Only what was asked for is refreshed; an empty value reads as None."""
    job = library.Job(server)
    job.create()
    job.refresh_properties("State", "EndTime")
    assert job.properties == {"State": "Configuring", "EndTime": None}


def test_client_changes_a_job(server: Any, library: Any):
    """Saved properties come back."""
    job = library.Job(server)
    job.create()
    job.properties = {"Name": "renamed", "Priority": "Highest"}
    job.save_properties("Name", "Priority")
    again = library.Job(server, job.id)
    again.refresh_properties("Name", "ExpandedPriority")
    assert again.properties == {"Name": "renamed", "ExpandedPriority": "4000"}


def test_client_cancels_a_job(site: Site, server: Any, library: Any):
    """With a message, at once; the second time it is told why not."""
    job = library.Job(server)
    job.create()
    task = job.create_task()
    task.properties = {"CommandLine": "sleep 60"}
    task.create()
    job.submit()
    site.until(lambda: refreshed(task)["State"] == "Running")
    job.cancel("no longer wanted", forceful=True)
    site.until(lambda: refreshed(job)["State"] == "Canceled")
    assert "no longer wanted" in job.properties["ErrorMessage"]
    with pytest.raises(library.Error) as caught:
        job.cancel()
    assert caught.value.status == 400
    assert caught.value.details == "Jobs in the Canceled state cannot be canceled."


def test_client_is_told_what_is_wrong(site: Site, library: Any, server: Any):
    """An unknown job and a wrong password raise the client's own error, with our words."""
    with pytest.raises(library.Error, match="404") as caught:
        library.Job(server, 999_999_999).refresh_properties()
    assert caught.value.details == "No job with id 999999999."
    stranger = library.Server("127.0.0.1", "dev", "wrong", site.port)
    with pytest.raises(library.Error, match="401"):
        library.Job(stranger, 1).refresh_properties()
