"""The $filter grammar and what it may compare."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linarite.engine.filtering import Both, Compare, Either
from linarite.faces.azure_batch import filters
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.filters import compile_filter, compile_test


def test_filter_without_text_is_no_condition():
    assert compile_filter(None, filters.TASKS) is None
    assert compile_filter("", filters.TASKS) is None


def test_and_binds_stronger_than_or():
    a, b, c = (Compare("id", "eq", name) for name in "abc")
    assert compile_filter("id eq 'a' or id eq 'b' and id eq 'c'", filters.TASKS) == Either(a, Both(b, c))
    assert compile_filter("(id eq 'a' or id eq 'b') and id eq 'c'", filters.TASKS) == Both(Either(a, b), c)


@pytest.mark.parametrize(
    ("text", "compare"),
    [
        ("startswith(id,'task-')", Compare("id", "startswith", "task-")),
        ("startswith( id , 'it''s')", Compare("id", "startswith", "it's")),
        ("executionInfo/exitCode ne -3", Compare("executionInfo/exitCode", "ne", -3)),
        ("3 lt executionInfo/exitCode", Compare("executionInfo/exitCode", "gt", 3)),
        ("state eq 'Completed'", Compare("state", "eq", "completed")),
        ("creationTime ge DateTime'2017-02-17T00:00:00Z'", Compare("creationTime", "ge", 1_487_289_600_000_000)),
        ("creationTime ge 2017-02-17T01:00:00.5+01:00", Compare("creationTime", "ge", 1_487_289_600_500_000)),
        (
            "creationTime ge datetime'2017-02-17T00:00:00.1234567Z'",
            Compare("creationTime", "ge", 1_487_289_600_123_456),
        ),
        ("lastModifiedTime lt '2017-02-17T00:00:00'", Compare("lastModified", "lt", 1_487_289_600_000_000)),
    ],
)
def test_comparison_is_compiled(text: str, compare: Compare):
    assert compile_filter(text, filters.TASKS) == compare


def test_job_state_disabled_is_also_a_draft():
    """A draft of HPC Pack is shown as a disabled job, so it is found as one."""
    assert compile_filter("state eq 'disabled'", filters.JOBS) == Either(
        Compare("state", "eq", "disabled"), Compare("state", "eq", "draft")
    )
    assert compile_filter("state ne 'disabled'", filters.JOBS) == Both(
        Compare("state", "ne", "disabled"), Compare("state", "ne", "draft")
    )


@pytest.mark.parametrize(
    "text",
    [
        "foo eq 'x'", "id", "id eq", "id eq 3", "id eq x", "not id eq 'a'", "id eq 'a", "state gt 'a'", "(id eq 'a'",
        "startswith(state,'a')", "executionInfo/exitCode eq '3'", "creationTime gt DateTime'then'", "id eq 'a' and",
        "id eq 'a' id eq 'b'", "1 eq 1", "id eq true", "((" * 40 + "id eq 'a'" + "))" * 40,
        "id eq '" + "x" * 5000 + "'",
    ],
)  # fmt: skip
def test_filter_that_is_none_is_refused(text: str):
    with pytest.raises(Refusal) as caught:
        compile_filter(text, filters.TASKS)
    assert caught.value.code == "InvalidQueryParameterValue"
    assert caught.value.values["QueryParameterName"] == "$filter"


def test_long_chain_is_no_deep_expression():
    """Hundreds of ids in one filter neither overflow a stack here nor in the store."""
    text = " or ".join(f"id eq '{number}'" for number in range(250))
    assert compile_filter(text, filters.TASKS) is not None


@given(st.text(max_size=60))
def test_any_text_is_compiled_or_refused(text: str):
    """Nothing but a Refusal leaves the compiler."""
    with suppress(Refusal):
        compile_filter(text, filters.TASKS)


def test_short_lists_are_tested_in_place():
    matches = compile_test("startswith(name,'wd/')", filters.FILES)
    assert matches({"name": "wd/a"})
    assert not matches({"name": "stdout.txt"})
    linux = compile_test("osType eq 'linux' and verificationType ne 'unverified'", filters.IMAGES)
    assert linux({"osType": "linux", "verificationType": "verified"})


TIMES = {"stateTransitionTime", "creationTime", "lastModified"}
RUN = {"executionInfo/startTime", "executionInfo/endTime"}
OUTCOME = {"state", "startTime", "endTime", "exitCode", "result"}


@pytest.mark.parametrize(
    ("properties", "names"),
    [
        (filters.TASKS, {"id", "state", *TIMES, *RUN, "executionInfo/exitCode", "executionInfo/result"}),
        (filters.JOBS, {"id", "state", *TIMES, *RUN, "executionInfo/poolId"}),
        (filters.JOBS_OF_SCHEDULE, {"state", *TIMES, *RUN, "executionInfo/poolId"}),
        (
            filters.JOB_SCHEDULES,
            {
                "id", "state", *TIMES, "executionInfo/endTime", "schedule/doNotRunUntil", "schedule/doNotRunAfter",
            },
        ),
        (
            filters.POOLS,
            {
                "id", "state", *TIMES, "allocationState", "allocationStateTransitionTime", "enableAutoScale", "vmSize",
                "enableInterNodeCommunication",
            },
        ),
        (
            filters.NODES,
            {
                "state", "stateTransitionTime", "lastBootTime", "allocationTime",
                *(f"startTaskInfo/{name}" for name in OUTCOME),
            },
        ),
        (filters.NODE_COUNTS, {"poolId"}),
        (filters.FILES, {"name"}),
        (
            filters.PREPARED,
            {
                "poolId", "nodeId", *(f"jobPreparationTaskExecutionInfo/{name}" for name in OUTCOME),
                *(f"jobReleaseTaskExecutionInfo/{name}" for name in OUTCOME),
            },
        ),
        (filters.IMAGES, {"osType", "verificationType", "nodeAgentSKUId"}),
        (filters.POOL_USAGE, {"poolId"}),
    ],
)  # fmt: skip
def test_lists_are_filtered_by_what_the_service_documents(properties: filters.Properties, names: set[str]):
    """Batch NOTES section 5, row by row; `lastModifiedTime` is the name that the row of tasks has for lastModified."""
    assert set(properties) - {"lastModifiedTime"} == names
