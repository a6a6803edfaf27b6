"""Everything that a description knows of a pool, a job, a task and a schedule: sent, read back, and each part spoilt.

The bodies are made from the description of each version, so that no property of any version is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.faces.azure_batch.raw import RawBatch
from tests.support import specification
from tests.support.filling import changed, fill
from tests.support.server import RunningServer

from linarite.faces.azure_batch import versions

pytestmark = pytest.mark.specs

LISTS = {"pool": "/pools", "job": "/jobs", "task": "/jobs/j/tasks", "schedule": "/jobschedules"}
URL = "http://127.0.0.1:1/x"
VALUES: dict[str, Any] = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu", "sku": "22_04-lts", "version": "latest"},
    "fileMode": "0755", "httpUrl": URL, "storageContainerUrl": URL, "blobSource": URL, "containerUrl": URL,
    "autoScaleFormula": "$TargetDedicatedNodes=0", "numberOfInstances": 2, "thumbprintAlgorithm": "sha1",
    "jobReleaseTask.maxWallClockTime": "PT15M", "jobReleaseTask.id": "release", "jobPreparationTask.id": "prepare",
    "azureFileUrl": "https://devaccount.file.core.windows.net/none", "frontendPortRangeStart": 2000,
    "frontendPortRangeEnd": 2100, "networkSecurityGroupRules.priority": 150, "sourcePortRanges": ["*"],
    "resourceTags": {"a": "b"}, "settings": {"a": "b"}, "protectedSettings": {"a": "b"},
    "job.poolInfo.autoPoolSpecification.poolLifetimeOption": "JOB",
    "publicIPAddressConfiguration.provision": "usermanaged",
}  # fmt: skip
OF_OTHERS = {
    "virtualMachineImageId", "sharedGalleryImageId", "communityGalleryImageId", "pool.networkConfiguration.subnetId",
    "pool.applicationPackageReferences", "certificateReferences", "containerRegistries.identityReference",
    "registry.identityReference",
}  # fmt: skip
"""Names of what has to be there (or never is here): tests of their own."""
ALTERNATIVES = (
    ({"httpUrl"}, {"storageContainerUrl"}, {"autoStorageContainerName"}),
    (
        {"targetDedicatedNodes", "targetLowPriorityNodes", "targetDedicated", "resizeTimeout"},
        {"enableAutoScale", "autoScaleFormula", "autoScaleEvaluationInterval"},
    ),
    ({"cloudServiceConfiguration"}, {"virtualMachineConfiguration"}),
    ({"autoUser"}, {"userIdentity.username"}),
    (
        {"azureBlobFileSystemConfiguration"}, {"nfsMountConfiguration"}, {"cifsMountConfiguration"},
        {"azureFileShareConfiguration"},
    ),
    ({"poolInfo.poolId"}, {"autoPoolSpecification"}),
)  # fmt: skip
"""Of each of these a body has one; four turns have had them all."""
TURNS = range(4)
GIVEN_BACK_TO_NOBODY = {*specification.SECRETS, "sshPrivateKey", "protectedSettings"}


CHANGES = (
    ("pool", "PATCH", ""), ("pool", "POST", "/updateproperties"), ("job", "PATCH", ""), ("job", "PUT", ""),
    ("task", "PUT", ""), ("schedule", "PATCH", ""), ("schedule", "PUT", ""),
)  # fmt: skip


def whole(kind: str, version: str, turn: int, method: str = "POST", target: str = "") -> Any:
    """A body with everything but the alternatives of other turns: of what makes a thing, or of another request."""
    left = OF_OTHERS.union(*(
        names for group in ALTERNATIVES for place, names in enumerate(group) if place != turn % len(group)
    ))  # fmt: skip
    description = specification.describe(version)
    operation = description.operation(method, target or LISTS[kind])
    schema = next(part["schema"] for part in operation["parameters"] if part["in"] == "body")
    body = fill(description, schema, VALUES, left, kind, turn)
    return body if target else {**body, "id": f"{kind}{turn}"}


def ids(batch: RawBatch, kind: str) -> list[str]:
    """What there is of a kind."""
    return [one["id"] for one in batch.call("GET", LISTS[kind]).json["value"]]


@pytest.fixture
def batch(server: RunningServer, account: str) -> RawBatch:
    """An account with a job `j` for tasks with everything."""
    made = RawBatch(server.batch, account)
    made.make_job("j", usesTaskDependencies=True, onTaskFailure="performexitoptionsjobaction")
    return made


def differences(sent: Any, shown: Any, where: str = "") -> Iterator[str]:
    """What was sent and is not shown, but for the letter case of words: that is the description's to say."""
    if isinstance(sent, dict) and isinstance(shown, dict):
        for name in sent.keys() - GIVEN_BACK_TO_NOBODY:
            yield from differences(sent[name], shown.get(name), f"{where}.{name}")
    elif isinstance(sent, list) and isinstance(shown, list) and len(sent) == len(shown):
        for one, other in zip(sent, shown, strict=True):
            yield from differences(one, other, f"{where}[]")
    elif sent != shown and str(sent).lower() != str(shown).lower():
        yield f"{where}: {sent!r} became {shown!r}"


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("version", sorted(versions.KNOWN))
def test_everything_is_shown_as_it_was_sent(batch: RawBatch, version: str, kind: str):
    """One by one and in the list; words in any letter case. The raw client holds each answer against the version."""
    batch.version = version
    for turn in TURNS:
        sent = whole(kind, version, turn)
        answer = batch.call("POST", LISTS[kind], sent)
        assert answer.status == 201, answer.body
        shown = batch.call("GET", f"{LISTS[kind]}/{sent['id']}").json
        assert list(differences(sent, shown)) == []
        listed = {one["id"]: one for one in batch.call("GET", LISTS[kind]).json["value"]}
        assert list(differences(sent, listed[sent["id"]])) == []


@pytest.mark.parametrize("version", sorted(versions.KNOWN))
def test_everything_that_is_changed_is_shown(batch: RawBatch, version: str):
    """Patched and put with all that the version lets a client change; the pool has no nodes, so that it may."""
    batch.version = version
    needed = {"applicationPackageReferences": [], "certificateReferences": []}
    if version >= versions.WITHOUT_TOKENS:
        del needed["certificateReferences"]
    for kind, target in LISTS.items():
        assert batch.call("POST", target, whole(kind, version, 1)).status == 201
    for kind, method, action in CHANGES:
        place = f"{LISTS[kind]}/{kind}1"
        sent = whole(kind, version, 1, method, place + action) | (needed if action else {})
        assert len(sent) > 0
        answer = batch.call(method, place + action, sent)
        assert answer.status < 300, (method, place + action, answer.body)
        shown = batch.call("GET", place).json
        missed = [one for one in differences(sent, shown) if not one.endswith("[] became None")]
        assert missed == [], (method, place + action)


def spoilt(value: Any) -> Iterator[Any]:
    """An object with a property that there is not, and a number that is none."""
    if isinstance(value, dict) and value != FREE:
        yield {**value, "noSuchProperty": 1}
    elif isinstance(value, int) and not isinstance(value, bool):
        yield "many"


FREE = VALUES["resourceTags"]
"""Objects of the user's own all hold this."""


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("version", ["2017-09-01.6.0", versions.LATEST])
def test_nothing_unknown_is_passed_over(batch: RawBatch, version: str, kind: str):
    """At whatever depth it stands; nothing is made."""
    batch.version = version
    before = ids(batch, kind)
    for turn in TURNS[:2]:
        seen = 0
        for body in changed(whole(kind, version, turn), spoilt):
            answer = batch.call("POST", LISTS[kind], body)
            assert answer.status == 400, body
            assert (answer.status, answer.code) == (400, "InvalidRequestBody"), body
            seen += 1
        assert seen > 10
    assert ids(batch, kind) == before


@pytest.mark.parametrize("kind", LISTS)
def test_numbers_may_be_texts(batch: RawBatch, kind: str):
    """As `az batch` sends them; they are shown as numbers, which the description asks for."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: told(item) for name, item in value.items() if name not in {"settings", "resourceTags"}}
        if isinstance(value, list):
            return [told(item) for item in value]
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    sent = whole(kind, versions.LATEST, 1)
    assert batch.call("POST", LISTS[kind], told(sent)).status == 201
    shown = batch.call("GET", f"{LISTS[kind]}/{sent['id']}").json
    assert list(differences(told(sent), shown)) == []


@pytest.mark.parametrize("kind", LISTS)
def test_other_words_are_refused(batch: RawBatch, kind: str):
    """Each word of each enumeration, at whatever depth, in place of those that there are."""
    description = specification.describe(versions.LATEST)
    words = {word.upper() for one in enumerations(description.definitions) for word in one} - {"X"}

    def other(value: Any) -> Iterator[Any]:
        if isinstance(value, str) and value in words:
            yield "noSuchWord"

    before = ids(batch, kind)
    for turn in TURNS[:2]:
        seen = 0
        for body in changed(whole(kind, versions.LATEST, turn), other):
            answer = batch.call("POST", LISTS[kind], body)
            assert answer.status == 400, body
            assert (answer.status, answer.code) == (400, "InvalidPropertyValue"), body
            assert answer.values["PropertyValue"] == "noSuchWord"
            seen += 1
        assert seen > 3
    assert ids(batch, kind) == before


def enumerations(found: Any) -> Iterator[list[str]]:
    """Every list of words in a description."""
    if isinstance(found, dict):
        if isinstance(found.get("enum"), list):
            yield found["enum"]
        for item in found.values():
            yield from enumerations(item)
    elif isinstance(found, list):
        for item in found:
            yield from enumerations(item)
