"""Certificates of versions before 2025-06-01: added, listed, shown without secrets, deleted unless a pool has them."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from tests.faces.azure_batch.raw import MACHINE, Answer, RawBatch
from tests.support.server import RunningServer

VERSION = "2023-05-01.17.0"
KEY = generate_private_key(SECP256R1())
PASSWORD = "a password"

pytestmark = pytest.mark.operation(
    "Certificate_Add", "Certificate_List", "Certificate_Get", "Certificate_Delete", "Certificate_CancelDeletion"
)


def made(name: str) -> x509.Certificate:
    subject, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    return builder.not_valid_after(now + dt.timedelta(days=1)).sign(KEY, hashes.SHA256())


ONE, TWO = made("one"), made("two")


def thumbprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA1()).hex()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def cer(certificate: x509.Certificate, **changes: Any) -> dict[str, Any]:
    body = {"thumbprint": thumbprint(certificate), "thumbprintAlgorithm": "sha1", "certificateFormat": "cer"}
    return {**body, "data": text(certificate.public_bytes(Encoding.DER)), **changes}


def pfx(certificate: x509.Certificate, **changes: Any) -> dict[str, Any]:
    data = pkcs12.serialize_key_and_certificates(
        b"x", KEY, certificate, None, BestAvailableEncryption(PASSWORD.encode())
    )
    body = {"thumbprint": thumbprint(certificate), "thumbprintAlgorithm": "sha1", "data": text(data)}
    return {**body, "password": PASSWORD, **changes}


def place(certificate: x509.Certificate) -> str:
    return f"/certificates(thumbprintAlgorithm=sha1,thumbprint={thumbprint(certificate)})"


def pool(batch: RawBatch, name: str, *certificates: x509.Certificate) -> Answer:
    references = [{"thumbprint": thumbprint(one).upper(), "thumbprintAlgorithm": "SHA1"} for one in certificates]
    body = {"id": name, "vmSize": "x", "virtualMachineConfiguration": MACHINE, "certificateReferences": references}
    return batch.call("POST", "/pools", body)


def refused(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


@pytest.fixture
def old(server: RunningServer, account: str) -> RawBatch:
    return RawBatch(server.batch, account, VERSION)


@pytest.mark.parametrize("body", [cer(ONE), cer(ONE, data=text(ONE.public_bytes(Encoding.PEM))), pfx(ONE)])
def test_certificate_is_shown_without_its_secrets(old: RawBatch, body: dict[str, Any]):
    answer = old.call("POST", "/certificates", {**body, "thumbprint": thumbprint(ONE).upper()})
    assert answer.status == 201
    shown = old.call("GET", place(ONE)).json
    assert answer.headers["location"] == shown["url"]
    assert (shown["state"], shown["thumbprint"]) == ("active", thumbprint(ONE))
    assert base64.b64decode(shown["publicData"]) == ONE.public_bytes(Encoding.DER)
    whole = old.call("GET", place(ONE)).body.decode()
    assert PASSWORD not in whole
    assert (body["data"] in whole) is (body["data"] == shown["publicData"])


def test_certificates_are_listed_in_pages_and_by_filter(old: RawBatch):
    assert old.call("GET", "/certificates").json["value"] == []
    for one in (ONE, TWO):
        assert old.call("POST", "/certificates", cer(one)).status == 201
    found = [one["thumbprint"] for one in old.call("GET", "/certificates").json["value"]]
    assert found == sorted(map(thumbprint, (ONE, TWO)))
    first = old.call("GET", "/certificates?maxresults=1&$select=thumbprint").json
    assert first["value"] == [{"thumbprint": found[0]}]
    assert "odata.nextLink" in first

    def listed(condition: str) -> int:
        return len(old.call("GET", f"/certificates?$filter={quote(condition)}").json["value"])

    assert listed("state eq 'active'") == 2
    assert listed("state eq 'deletefailed'") == 0
    assert listed("stateTransitionTime gt DateTime'2020-01-01T00:00:00Z'") == 2
    assert listed("stateTransitionTime lt DateTime'2020-01-01T00:00:00Z'") == 0


def test_certificate_without_a_pool_is_deleted_at_once(old: RawBatch):
    assert old.call("POST", "/certificates", cer(ONE)).status == 201
    assert old.call("DELETE", place(ONE)).status == 202
    assert refused(old.call("GET", place(ONE))) == (404, "CertificateNotFound")


def test_certificate_of_a_pool_is_not_deleted_and_says_so(old: RawBatch):
    assert old.call("POST", "/certificates", pfx(ONE)).status == 201
    assert pool(old, "p", ONE).status == 201
    shown = old.call("GET", "/pools/p").json["certificateReferences"]
    assert shown == [{"thumbprint": thumbprint(ONE), "thumbprintAlgorithm": "sha1"}]
    assert old.call("DELETE", place(ONE)).status == 202
    failed = old.call("GET", place(ONE)).json
    assert (failed["state"], failed["previousState"]) == ("deletefailed", "active")
    assert failed["deleteCertificateError"]["code"] == "PoolsReferencingCertificate"
    assert failed["deleteCertificateError"]["values"] == [{"name": "Pools", "value": "p"}]
    assert old.call("POST", f"{place(ONE)}/canceldelete").status == 204
    again = old.call("GET", place(ONE)).json
    assert (again["state"], again["previousState"]) == ("active", "deletefailed")
    assert "deleteCertificateError" not in again
    empty = {"startTask": None, "certificateReferences": [], "applicationPackageReferences": [], "metadata": []}
    assert old.call("POST", "/pools/p/updateproperties", empty).status == 204
    assert old.call("DELETE", place(ONE)).status == 202
    assert old.call("GET", place(ONE)).status == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MissingRequiredProperty"),
        (cer(ONE, thumbprint=None), "MissingRequiredProperty"),
        (cer(ONE, data=None), "MissingRequiredProperty"),
        (cer(ONE, thumbprintAlgorithm="md5"), "InvalidPropertyValue"),
        (cer(ONE, thumbprint=thumbprint(TWO)), "InvalidPropertyValue"),
        (cer(ONE, data="no base64!"), "InvalidPropertyValue"),
        (cer(ONE, data=text(b"no certificate")), "InvalidPropertyValue"),
        (cer(ONE, data=text(bytes(20_000))), "InvalidPropertyValue"),
        (cer(ONE, password="x"), "InvalidPropertyValue"),
        (cer(ONE, certificateFormat="pem"), "InvalidPropertyValue"),
        (pfx(ONE, password="wrong"), "InvalidPropertyValue"),
        (pfx(ONE, password=None), "InvalidPropertyValue"),
        (cer(ONE, other=1), "InvalidRequestBody"),
    ],
)
def test_certificate_that_is_none_is_refused(old: RawBatch, body: dict[str, Any], code: str):
    answer = old.call("POST", "/certificates", body)
    assert refused(answer) == (400, code)
    assert PASSWORD not in answer.body.decode()
    assert old.call("GET", "/certificates").json["value"] == []


def test_certificate_is_added_once_and_is_its_accounts_own(old: RawBatch, server: RunningServer):
    assert old.call("POST", "/certificates", cer(ONE)).status == 201
    assert refused(old.call("POST", "/certificates", pfx(ONE))) == (409, "CertificateExists")
    other = RawBatch(server.batch, f"{old.account[:20]}x", VERSION)
    assert refused(other.call("GET", place(ONE))) == (404, "CertificateNotFound")


def test_operations_on_a_certificate_that_is_not_there_or_not_in_that_state(old: RawBatch):
    for method, target in (("GET", place(ONE)), ("DELETE", place(ONE)), ("POST", f"{place(ONE)}/canceldelete")):
        assert refused(old.call(method, target)) == (404, "CertificateNotFound")
    assert old.call("POST", "/certificates", cer(ONE)).status == 201
    assert refused(old.call("POST", f"{place(ONE)}/canceldelete")) == (409, "CertificateStateActive")
    assert refused(old.call("GET", "/certificates(thumbprint=x)")) == (404, "ResourceNotFound")


def test_pool_refers_to_certificates_that_are_there(old: RawBatch):
    assert refused(pool(old, "p", ONE)) == (409, "InvalidCertificateReferences")
    assert old.call("GET", "/pools/p").status == 404
    assert pool(old, "p").status == 201
    change = {"certificateReferences": [{"thumbprint": thumbprint(ONE), "thumbprintAlgorithm": "sha1"}]}
    assert refused(old.call("PATCH", "/pools/p", change)) == (409, "InvalidCertificateReferences")
    change["certificateReferences"][0]["visibility"] = ["Task", "moon"]
    assert refused(old.call("PATCH", "/pools/p", change)) == (400, "InvalidPropertyValue")
    assert old.call("GET", "/pools/p").json.get("certificateReferences", []) == []


def test_auto_pool_refers_to_certificates_that_are_there_and_keeps_them(old: RawBatch):
    """Of a job and of a schedule; what is refused leaves nothing."""
    pool = {"vmSize": "x", "virtualMachineConfiguration": MACHINE}
    pool["certificateReferences"] = [{"thumbprint": thumbprint(ONE), "thumbprintAlgorithm": "sha1"}]
    info = {"poolInfo": {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": pool}}}
    schedule = {"id": "s", "schedule": {}, "jobSpecification": info}
    for target, body in (("/jobs", {"id": "j", **info}), ("/jobschedules", schedule)):
        assert refused(old.call("POST", target, body)) == (409, "InvalidCertificateReferences")
        assert old.call("GET", target).json["value"] == old.call("GET", "/pools").json["value"] == []
    assert old.call("POST", "/certificates", cer(ONE)).status == 201
    assert old.call("POST", "/jobs", {"id": "j", **info}).status == 201
    assert old.call("DELETE", place(ONE)).status == 202
    assert old.call("GET", place(ONE)).json["state"] == "deletefailed"


@pytest.mark.parametrize("verb", ["PATCH", "PUT"])
def test_changed_schedule_refers_to_certificates_that_are_there(old: RawBatch, verb: str):
    """Checked as when it is added; what is refused changes nothing. What it had may have gone since."""
    pool: dict[str, Any] = {"vmSize": "x", "virtualMachineConfiguration": MACHINE}
    info = {"poolInfo": {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": pool}}}
    later = {"doNotRunUntil": "2099-01-01T00:00:00Z"}
    assert old.call("POST", "/jobschedules", {"id": "s", "schedule": later, "jobSpecification": info}).status == 201
    before = old.call("GET", "/jobschedules/s").json
    pool["certificateReferences"] = [{"thumbprint": thumbprint(ONE), "thumbprintAlgorithm": "sha1"}]
    change = {"schedule": later, "jobSpecification": info}
    assert refused(old.call(verb, "/jobschedules/s", change)) == (409, "InvalidCertificateReferences")
    assert refused(old.call(verb, "/jobschedules/none", change)) == (404, "JobScheduleNotFound")
    assert old.call("GET", "/jobschedules/s").json == before
    assert old.call("POST", "/certificates", cer(ONE)).status == 201
    assert old.call(verb, "/jobschedules/s", change).status == 200
    assert old.call("DELETE", place(ONE)).status == 202
    assert old.call("PATCH", "/jobschedules/s", {"schedule": later}).status == 200


def test_job_cannot_be_given_other_certificates_by_a_change(old: RawBatch):
    """Of its auto pool keepAlive alone can change: what the pool has is not looked for again."""
    pool: dict[str, Any] = {"vmSize": "x", "virtualMachineConfiguration": MACHINE}
    info = {"poolInfo": {"autoPoolSpecification": {"poolLifetimeOption": "job", "pool": pool}}}
    assert old.call("POST", "/jobs", {"id": "j", **info}).status == 201
    pool["certificateReferences"] = [{"thumbprint": thumbprint(ONE), "thumbprintAlgorithm": "sha1"}]
    for verb in ("PATCH", "PUT"):
        assert refused(old.call(verb, "/jobs/j", info)) == (400, "InvalidPropertyValue")


def test_newest_version_has_no_certificates(batch: RawBatch):
    for method, target in (("GET", "/certificates"), ("POST", "/certificates"), ("GET", place(ONE))):
        assert refused(batch.call(method, target, {} if method == "POST" else None)) == (404, "ResourceNotFound")


LOOK = "/bin/sh -c 'cd $AZ_BATCH_CERTIFICATES_DIR && for f in *; do echo $f; done; cat *.pw *.cer 2>/dev/null | wc -c'"


def referred(certificate: x509.Certificate, *visibility: str) -> dict[str, Any]:
    seen = {"visibility": list(visibility)} if visibility else {}
    return {"thumbprint": thumbprint(certificate), "thumbprintAlgorithm": "sha1", **seen}


def looked(old: RawBatch, task: str) -> list[str]:
    old.wait_task("j", task)
    return old.call("GET", f"/jobs/j/tasks/{task}/files/stdout.txt").body.decode().split()


def test_nodes_give_certificates_to_whom_they_are_visible(old: RawBatch):
    """As files in the directory of each task: a pfx with its password beside it, a cer as it is."""
    assert old.call("POST", "/certificates", pfx(ONE)).status == 201
    assert old.call("POST", "/certificates", cer(TWO)).status == 201
    start = {"commandLine": "/bin/sh -c 'ls $AZ_BATCH_CERTIFICATES_DIR'", "waitForSuccess": True}
    references = [referred(ONE), referred(TWO, "StartTask")]
    old.make_pool("p", targetDedicatedNodes=1, certificateReferences=references, startTask=start)
    old.make_job("j", "p")
    assert old.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": LOOK}).status == 201
    name = f"sha1-{thumbprint(ONE)}.pfx"
    assert looked(old, "t") == [name, f"{name}.pw", str(len(PASSWORD))]
    (node,) = old.call("GET", "/pools/p/nodes").json["value"]
    seen = old.call("GET", f"/pools/p/nodes/{node['id']}/files/startup%2Fstdout.txt").body.decode().split()
    assert seen == sorted([name, f"{name}.pw", f"sha1-{thumbprint(TWO)}.cer"])
    assert node["certificateReferences"][0]["thumbprint"] == thumbprint(ONE)


def test_nodes_take_up_other_certificates_when_they_start_again(old: RawBatch):
    """As the service says: nodes that are there keep what they have until they are rebooted."""
    assert old.call("POST", "/certificates", pfx(ONE)).status == 201
    old.make_pool("p", targetDedicatedNodes=1)
    old.make_job("j", "p")
    assert old.call("PATCH", "/pools/p", {"certificateReferences": [referred(ONE)]}).status == 200
    line = "/bin/sh -c 'ls $AZ_BATCH_CERTIFICATES_DIR 2>/dev/null | wc -l'"
    assert old.call("POST", "/jobs/j/tasks", {"id": "before", "commandLine": line}).status == 201
    assert looked(old, "before") == ["0"]
    (node,) = old.call("GET", "/pools/p/nodes").json["value"]
    assert old.call("POST", f"/pools/p/nodes/{node['id']}/reboot").status == 202
    assert old.call("POST", "/jobs/j/tasks", {"id": "after", "commandLine": line}).status == 201
    assert looked(old, "after") == ["2"]


@pytest.mark.root
def test_certificates_of_a_task_are_its_accounts_own(old: RawBatch, server: RunningServer):
    """Nobody but the account's tasks and the server reads the private key."""
    assert old.call("POST", "/certificates", pfx(ONE)).status == 201
    old.make_pool("p", targetDedicatedNodes=1, certificateReferences=[referred(ONE)])
    old.make_job("j", "p")
    assert old.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "/bin/true"}).status == 201
    old.wait_task("j", "t")
    (found,) = (server.data / "nodes" / old.account).rglob(f"sha1-{thumbprint(ONE)}.pfx")
    assert found.stat().st_mode & 0o007 == 0
    assert found.stat().st_uid == (found.parents[1] / "wd").stat().st_uid != 0
