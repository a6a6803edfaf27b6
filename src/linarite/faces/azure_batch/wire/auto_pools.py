"""Where a job runs: a pool that it names, or one that is made for it and lives as long as it is to. Source: NOTES 7."""

from __future__ import annotations

from msgspec.structs import replace

from linarite.engine.model import AutoPool, Job, JobSpec, JobState
from linarite.faces.azure_batch.errors import Refusal, invalid_property, missing_property
from linarite.faces.azure_batch.secrets import without_secrets
from linarite.faces.azure_batch.wire.decoding import Element, Worded
from linarite.faces.azure_batch.wire.pools import PoolSpecification, pool_of
from linarite.faces.azure_batch.wire.values import checked_id, required

LASTING = "jobschedule"
LIFETIMES = (LASTING, "job")
MOST_PREFIX = 20
PLACEHOLDER = "auto"
"""Stands for the id of a pool that the engine is yet to name."""


class AutoPoolElement(Worded):
    """A pool made for the job."""

    spelled = (("pool_lifetime_option", LIFETIMES),)

    auto_pool_id_prefix: str | None = None
    pool_lifetime_option: str | None = None
    keep_alive: bool | None = None
    pool: PoolSpecification | None = None


class PoolInfo(Element):
    """Where the job runs."""

    pool_id: str | None = None
    auto_pool_specification: AutoPoolElement | None = None


def auto_pool(info: PoolInfo | None, *, recurring: bool) -> AutoPool | None:
    """The pool to make for the job, None when it names one; a `recurring` job may share one with those after it."""
    if info is None:
        raise missing_property("poolInfo")
    if (info.pool_id is None) is (info.auto_pool_specification is None):
        reason = "Exactly one of poolId and autoPoolSpecification has to be specified."
        raise invalid_property("poolInfo", info.pool_id or "", reason)
    automatic = info.auto_pool_specification
    if automatic is None:
        checked_id(info.pool_id, "poolInfo.poolId")
        return None
    lifetime = required(automatic.pool_lifetime_option, "poolLifetimeOption")
    if lifetime == LASTING and not recurring:
        raise invalid_property("poolLifetimeOption", lifetime, "It applies to job schedules only, not to jobs.")
    if automatic.pool is None:
        raise missing_property("autoPoolSpecification.pool")
    spec, facts = pool_of(automatic.pool, PLACEHOLDER)
    return AutoPool(
        spec=spec, facts=facts, prefix=_prefix(automatic), lasting=lifetime == LASTING, kept=bool(automatic.keep_alive)
    )  # fmt: skip


def _prefix(automatic: AutoPoolElement) -> str:
    prefix = automatic.auto_pool_id_prefix or ""
    if len(prefix) > MOST_PREFIX:
        raise invalid_property("autoPoolIdPrefix", prefix, f"It has at most {MOST_PREFIX} characters.")
    return checked_id(prefix, "autoPoolIdPrefix") if prefix else ""


def moved(job: Job, spec: JobSpec, info: PoolInfo) -> JobSpec:
    """The spec of a job on the pool of a change: another one while it is disabled; of its auto pool keepAlive alone.

    The service takes a pool that is the same in any state (its own live tests send it), whatever its page says.
    """
    wanted, present = auto_pool(info, recurring=job.schedule_key is not None), spec.auto_pool
    if wanted is not None:
        return replace(spec, auto_pool=_kept_or_not(wanted, present))
    pool = info.pool_id or ""
    if pool.lower() == spec.pool.lower():
        return spec
    if job.state not in {JobState.DISABLED, JobState.DRAFT}:
        reason = "The pool of a job can be changed while the job is disabled."
        raise Refusal("OperationInvalidForCurrentState", Reason=reason)
    return replace(spec, pool=pool, auto_pool=None)


def _kept_or_not(wanted: AutoPool, present: AutoPool | None) -> AutoPool:
    if present is None:
        reason = "An auto pool is made with its job; a job on a pool of another kind cannot be given one."
        raise invalid_property("autoPoolSpecification", wanted.prefix, reason)
    if _comparable(wanted) != _comparable(present):
        reason = "Only the keepAlive property of an auto pool can be changed."
        raise invalid_property("autoPoolSpecification", wanted.prefix, reason)
    if wanted.kept is not present.kept and present.lasting:
        reason = "It can be changed for an auto pool whose poolLifetimeOption is job."
        raise invalid_property("keepAlive", wanted.kept, reason)
    return replace(present, kept=wanted.kept)


def _comparable(pool: AutoPool) -> AutoPool:
    """The pool but for what may differ: whether it is kept, and secrets, which a client reads nowhere."""
    return replace(pool, kept=False, facts=without_secrets(pool.facts))
