"""The certificates of an account, which older versions alone know: rules as functions of a unit of work.

A certificate is deleted at once, unless a pool has it: then it is `deletefailed` and says which.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from linarite.engine.certificates import kind
from linarite.engine.ledger import Ledger
from linarite.engine.model import JobSpec, Pool
from linarite.engine.ports import Transaction
from linarite.engine.recurrence import schedules
from linarite.engine.recurrence.records import JobSchedule
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.wire.certificates import Certificate
from linarite.faces.azure_batch.wire.tasks import FACE

ACTIVE, DELETE_FAILED = "active", "deletefailed"
T = TypeVar("T")
References = Sequence[dict[str, Any]]


def find(tx: Transaction, account: str, thumbprint: str, now: int) -> Certificate:
    """The certificate of that thumbprint. CertificateNotFound."""
    value = tx.documents.get(kind(account), thumbprint.lower(), now)
    if value is None:
        raise Refusal("CertificateNotFound")
    return msgspec.convert(value, Certificate)


def everyone(tx: Transaction, account: str, now: int) -> list[Certificate]:
    """All certificates of an account by their thumbprints."""
    found = [msgspec.convert(value, Certificate) for value in tx.documents.all(kind(account), now).values()]
    return sorted(found, key=lambda one: one.thumbprint)


def _put(u: Ledger, account: str, certificate: Certificate) -> Certificate:
    u.tx.documents.put(kind(account), certificate.thumbprint, msgspec.to_builtins(certificate))
    return certificate


def add(u: Ledger, account: str, certificate: Certificate) -> Certificate:
    """Keep a new certificate. CertificateExists."""
    if u.tx.documents.get(kind(account), certificate.thumbprint, u.now) is not None:
        raise Refusal("CertificateExists")
    certificate.state_at = u.now
    return _put(u, account, certificate)


def delete(u: Ledger, account: str, thumbprint: str) -> Certificate:
    """Let it go; one that pools have stays, and says so. CertificateNotFound."""
    certificate = find(u.tx, account, thumbprint, u.now)
    certificate.pools = tuple(_users(u.tx, account, certificate.thumbprint))
    if certificate.pools:
        return _put(u, account, _moved(certificate, DELETE_FAILED, u.now))
    u.tx.documents.delete(kind(account), certificate.thumbprint)
    return certificate


def cancel_deletion(u: Ledger, account: str, thumbprint: str) -> Certificate:
    """Have a certificate that could not be deleted stay. CertificateNotFound, CertificateStateActive."""
    certificate = find(u.tx, account, thumbprint, u.now)
    if certificate.state == ACTIVE:
        raise Refusal("CertificateStateActive")
    certificate.pools = ()
    return _put(u, account, _moved(certificate, ACTIVE, u.now))


def _moved(certificate: Certificate, state: str, now: int) -> Certificate:
    if certificate.state != state:
        certificate.previous_state, certificate.previous_state_at = certificate.state, certificate.state_at
        certificate.state, certificate.state_at = state, now
    return certificate


def referring(u: Ledger, account: str, references: References, then: Callable[..., T], *args: Any, **options: Any) -> T:  # noqa: ANN401
    """Do something in the same unit with a pool that refers to certificates. InvalidCertificateReferences."""
    _check(u, account, references)
    return then(u, account, *args, **options)


def _check(u: Ledger, account: str, references: References) -> None:
    for one in references:
        if u.tx.documents.get(kind(account), one["thumbprint"], u.now) is None:
            raise Refusal("InvalidCertificateReferences", Thumbprint=one["thumbprint"])


def update_schedule(
    u: Ledger, account: str, name: str, change: Callable[[JobSchedule], JobSchedule], check: Callable[..., None] | None
) -> JobSchedule:  # fmt: skip
    """Change a schedule; a template that is brought is checked as that of a new one. InvalidCertificateReferences.

    A job's change needs no such check: it cannot bring other certificates than its auto pool has.
    """

    def checked(schedule: JobSchedule) -> JobSchedule:
        new = change(schedule)
        if new.spec.template is not schedule.spec.template:
            _check(u, account, of_auto_pool(new.spec.template.spec))
        return new

    return schedules.update(u, account, name, checked, check=check)


def of_auto_pool(spec: JobSpec) -> References:
    """What the pool refers to that will be made for a job, or for those of a schedule."""
    uses = () if spec.auto_pool is None else spec.auto_pool.spec.certificates
    return [{"thumbprint": use.thumbprint} for use in uses]


def of_pool(pool: Pool) -> References:
    """What a pool refers to."""
    found: References = pool.facts.get(FACE, {}).get("certificateReferences", ())
    return found


def _users(tx: Transaction, account: str, thumbprint: str) -> list[str]:
    pools = (pool for pool in tx.pools.all() if pool.account == account)
    return [pool.spec.id for pool in pools if any(one["thumbprint"] == thumbprint for one in of_pool(pool))]
