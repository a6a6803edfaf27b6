"""Autoscale on the wire: pools with a formula, enabling, disabling, evaluating, and every refusal of them."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from tests.faces.azure_batch.raw import MACHINE, Answer, RawBatch
from tests.support.server import RunningServer

TWO = "$TargetDedicatedNodes=2"
RESULTS = "$TargetDedicatedNodes={};$TargetLowPriorityNodes={};$NodeDeallocationOption={}"


def pool_of(batch: RawBatch, name: str = "p") -> Any:
    return batch.call("GET", f"/pools/{name}").json


def add(batch: RawBatch, name: str = "p", **properties: Any) -> Answer:
    pool = {"id": name, "vmSize": "standard_d2_v3", "virtualMachineConfiguration": MACHINE, **properties}
    return batch.call("POST", "/pools", pool)


def enable(batch: RawBatch, name: str = "p", **body: Any) -> Answer:
    return batch.call("POST", f"/pools/{name}/enableautoscale", body)


def evaluate(batch: RawBatch, formula: str | None, name: str = "p") -> Answer:
    return batch.call("POST", f"/pools/{name}/evaluateautoscale", {"autoScaleFormula": formula} if formula else {})


@pytest.fixture
def scaling(batch: RawBatch) -> RawBatch:
    """An account with a pool `p` that wants two nodes and has them."""
    batch.make_pool("p", enableAutoScale=True, autoScaleFormula=TWO, autoScaleEvaluationInterval="PT6M")
    return batch


# -- pools with a formula --------------------------------------------------------------------------------------------


def test_pool_with_a_formula_shows_it_and_its_run(scaling: RawBatch):
    shown = pool_of(scaling)
    assert (shown["enableAutoScale"], shown["autoScaleFormula"]) == (True, TWO)
    assert shown["autoScaleEvaluationInterval"] == "PT6M"
    assert shown["autoScaleRun"]["results"] == RESULTS.format(2, 0, "requeue")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z", shown["autoScaleRun"]["timestamp"])
    assert "error" not in shown["autoScaleRun"]
    assert (shown["targetDedicatedNodes"], shown["currentDedicatedNodes"]) == (2, 2)
    assert (shown["targetLowPriorityNodes"], shown["allocationState"]) == (0, "steady")


def test_interval_is_a_quarter_of_an_hour_unless_it_is_given(batch: RawBatch):
    batch.make_pool("p", enableAutoScale="true", autoScaleFormula="$TargetLowPriority=1")
    shown = pool_of(batch)
    assert (shown["autoScaleEvaluationInterval"], shown["currentLowPriorityNodes"]) == ("PT15M", 1)


def test_pool_without_a_formula_shows_none(batch: RawBatch):
    batch.make_pool("p", enableAutoScale=False)
    shown = pool_of(batch)
    assert shown["enableAutoScale"] is False
    assert not [name for name in shown if name.startswith("autoScale")]


def test_pool_with_a_formula_that_fails_is_there_with_its_error(batch: RawBatch):
    formula = "$TargetDedicatedNodes=avg($PendingTasks.GetSample(TimeInterval_Minute*15,70))"
    batch.make_pool("p", enableAutoScale=True, autoScaleFormula=formula)
    run = pool_of(batch)["autoScaleRun"]
    assert run["results"] == RESULTS.format(0, 0, "requeue")
    assert run["error"] == {
        "code": "InsufficientSampleData",
        "message": "Autoscale evaluation failed due to insufficient sample data",
        "values": [
            {
                "name": "Message",
                "value": "Line 1, Col 50: Insufficient data from data set: $PendingTasks wanted 70%, received 3.33333%",
            }
        ],
    }


def test_pool_of_a_job_schedule_may_scale_itself(batch: RawBatch):
    pool = {"vmSize": "s", "enableAutoScale": True, "autoScaleFormula": "$TargetDedicatedNodes=1"}
    auto = {"poolLifetimeOption": "jobschedule", "pool": pool}
    schedule = {"id": "s", "schedule": {}, "jobSpecification": {"poolInfo": {"autoPoolSpecification": auto}}}
    bad = {**auto, "pool": {**pool, "autoScaleEvaluationInterval": "PT1M"}}
    answer = batch.call(
        "POST", "/jobschedules", {**schedule, "jobSpecification": {"poolInfo": {"autoPoolSpecification": bad}}}
    )
    assert (answer.status, answer.code) == (400, "InvalidPropertyValue")
    assert batch.call("POST", "/jobschedules", schedule).status == 201
    deadline = time.monotonic() + 30
    while not (found := batch.call("GET", "/pools").json["value"]):
        assert time.monotonic() < deadline, "the schedule makes no pool"
        time.sleep(0.02)
    assert (found[0]["autoScaleFormula"], found[0]["targetDedicatedNodes"]) == ("$TargetDedicatedNodes=1", 1)
    shown = batch.call("GET", "/jobschedules/s").json["jobSpecification"]["poolInfo"]["autoPoolSpecification"]["pool"]
    assert (shown["enableAutoScale"], shown["autoScaleFormula"]) == (True, "$TargetDedicatedNodes=1")


def test_auto_pool_may_scale_itself(batch: RawBatch):
    """The specification of a job's own pool is a pool's."""
    pool = {"vmSize": "s", "enableAutoScale": True, "autoScaleFormula": "$TargetDedicatedNodes=1"}
    auto = {"poolLifetimeOption": "job", "keepAlive": True, "pool": pool}
    assert batch.call("POST", "/jobs", {"id": "j", "poolInfo": {"autoPoolSpecification": auto}}).status == 201
    (shown,) = batch.call("GET", "/pools").json["value"]
    assert (shown["autoScaleFormula"], shown["targetDedicatedNodes"]) == ("$TargetDedicatedNodes=1", 1)
    bad = {**auto, "pool": {**pool, "autoScaleFormula": "x="}}
    answer = batch.call("POST", "/jobs", {"id": "k", "poolInfo": {"autoPoolSpecification": bad}})
    assert (answer.status, answer.code) == (400, "AutoScalingFormulaSyntaxError")
    assert len(batch.call("GET", "/pools").json["value"]) == len(batch.call("GET", "/jobs").json["value"]) == 1


SCALED = {"enableAutoScale": True, "autoScaleFormula": TWO}
BAD = [
    ({"enableAutoScale": True}, "MissingRequiredProperty", {"PropertyName": "autoScaleFormula"}),
    ({**SCALED, "targetDedicatedNodes": 1}, "InvalidAutoScalingSettings", {"PropertyName": "targetDedicatedNodes"}),
    ({**SCALED, "targetLowPriorityNodes": 0}, "InvalidAutoScalingSettings", {"PropertyName": "targetLowPriorityNodes"}),
    ({"autoScaleFormula": TWO}, "InvalidAutoScalingSettings", {"PropertyName": "autoScaleFormula"}),
    ({"enableAutoScale": False, "autoScaleFormula": TWO},
    "InvalidAutoScalingSettings", {"PropertyName": "autoScaleFormula"}),
    (
        {"autoScaleEvaluationInterval": "PT5M"},
        "InvalidAutoScalingSettings",
        {"PropertyName": "autoScaleEvaluationInterval"},
    ),
    ({**SCALED, "autoScaleEvaluationInterval": "PT4M59S"}, "InvalidPropertyValue", {"PropertyValue": "PT4M59S"}),
    ({**SCALED, "autoScaleEvaluationInterval": "PT168H1S"}, "InvalidPropertyValue", {"PropertyValue": "PT168H1S"}),
    ({**SCALED, "autoScaleEvaluationInterval": "P10675199D"}, "InvalidPropertyValue", {"PropertyValue": "P10675199D"}),
    ({**SCALED, "autoScaleEvaluationInterval": "soon"}, "InvalidPropertyValue", {"PropertyValue": "soon"}),
    ({**SCALED, "autoScaleFormula": " "}, "InvalidPropertyValue", {"PropertyName": "autoScaleFormula"}),
    ({**SCALED, "autoScaleFormula": "x=" + "1" * 8191}, "AutoScalingFormulaTooLong", {"MaxLimit": "8192"}),
    (
        {**SCALED, "autoScaleFormula": "$TargetDedicatedNodes=\n{x}"},
        "AutoScalingFormulaSyntaxError",
        {"Message": "Line 2, Col 1: '{' is not expected here."},
    ),
    (
        {**SCALED, "autoScaleFormula": "x=1;" * 101},
        "AutoScalingFormulaSyntaxError",
        {"Message": "Line 1, Col 401: The formula has more than 100 statements."},
    ),
    (
        {**SCALED, "autoScaleFormula": "x=" + "-" * 8000 + "1"},
        "AutoScalingFormulaSyntaxError",
        {"Message": "Line 1, Col 7903: The formula is nested more than 100 deep."},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "code", "values"), BAD, ids=[f"{code}-{at}" for at, (_, code, _) in enumerate(BAD)]
)
def test_pool_that_contradicts_itself_is_not_added(batch: RawBatch, elements: Any, code: str, values: dict[str, str]):
    answer = add(batch, **elements)
    assert (answer.status, answer.code) == (400, code)
    assert values.items() <= answer.values.items()
    assert batch.call("GET", "/pools").json["value"] == []


def test_pools_are_filtered_by_whether_they_scale_themselves(scaling: RawBatch):
    scaling.make_pool("q")

    def found(condition: str) -> list[str]:
        listed = scaling.call("GET", f"/pools?$filter={condition.replace(' ', '%20')}").json
        return [pool["id"] for pool in listed["value"]]

    assert (found("enableAutoScale eq true"), found("enableAutoScale eq false")) == (["p"], ["q"])
    assert (found("enableAutoScale ne true"), found("enableAutoScale ne false")) == (["q"], ["p"])
    assert found("enableAutoScale eq true and id eq 'q'") == []
    for bad in ("enableAutoScale eq 'true'", "enableAutoScale eq 1", "enableAutoScale gt true", "vmSize eq true"):
        answer = scaling.call("GET", f"/pools?$filter={bad.replace(' ', '%20')}")
        assert (answer.status, answer.code) == (400, "InvalidQueryParameterValue")


def test_oldest_version_knows_one_kind_of_nodes(server: RunningServer, scaling: RawBatch):
    old = RawBatch(server.batch, scaling.account, "2017-01-01.4.0")
    shown = pool_of(old)
    assert shown["autoScaleRun"]["results"] == "$TargetDedicated=2;$NodeDeallocationOption=requeue"
    assert (
        evaluate(old, "$TargetDedicated=1;x=1").json["results"]
        == "$TargetDedicated=1;$NodeDeallocationOption=requeue;x=1"
    )
    answer = add(old, "q", enableAutoScale=True, autoScaleFormula="$TargetDedicated=1", targetDedicated=1)
    assert (answer.code, answer.values["PropertyName"]) == ("InvalidAutoScalingSettings", "targetDedicated")


# -- enable and disable ----------------------------------------------------------------------------------------------


def test_enable_sets_a_formula_and_evaluates_it(batch: RawBatch):
    batch.make_pool("p")
    before = pool_of(batch)
    answer = enable(batch, autoScaleFormula="$TargetDedicatedNodes=1;$NodeDeallocationOption=taskcompletion")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["dataserviceid"].endswith("/pools/p/enableautoscale")
    shown = pool_of(batch)
    assert answer.headers["etag"] == shown["eTag"] != before["eTag"]
    assert (shown["enableAutoScale"], shown["autoScaleEvaluationInterval"]) == (True, "PT15M")
    assert shown["autoScaleRun"]["results"] == RESULTS.format(1, 0, "taskcompletion")
    assert shown["targetDedicatedNodes"] == 1


def test_enable_again_changes_what_it_names(scaling: RawBatch):
    """Adding the pool was no request to enable it: this one is not too soon."""
    assert enable(scaling, autoScaleEvaluationInterval="PT168H").status == 200
    shown = pool_of(scaling)
    assert (shown["autoScaleFormula"], shown["autoScaleEvaluationInterval"]) == (TWO, "P7D")


def test_enable_within_half_a_minute_is_503(scaling: RawBatch):
    assert enable(scaling, autoScaleFormula="x=1").status == 200
    before = pool_of(scaling)
    answer = enable(scaling, autoScaleFormula="x=2")
    assert (answer.status, answer.code) == (503, "TooManyEnableAutoScaleRequests")
    assert pool_of(scaling) == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MissingRequiredProperty"), ({"autoScaleEvaluationInterval": "PT5M"}, "MissingRequiredProperty"),
        ({"autoScaleFormula": "x="}, "AutoScalingFormulaSyntaxError"), ({"autoScaleFormula": ""},
        "InvalidPropertyValue"),
        ({"autoScaleFormula": "x" * 9000}, "AutoScalingFormulaTooLong"),
        ({"autoScaleFormula": TWO, "autoScaleEvaluationInterval": "PT1M"}, "InvalidPropertyValue"),
        ({"autoScaleFormula": TWO, "targetDedicatedNodes": 1}, "InvalidRequestBody"),
    ],
)  # fmt: skip
def test_enable_with_a_bad_body_is_refused(batch: RawBatch, body: Any, code: str):
    batch.make_pool("p")
    before = pool_of(batch)
    answer = enable(batch, **body)
    assert (answer.status, answer.code) == (400, code)
    assert pool_of(batch) == before


def test_enable_keeps_to_conditions(batch: RawBatch):
    batch.make_pool("p")
    before = pool_of(batch)
    target = "/pools/p/enableautoscale"
    answer = batch.call("POST", target, {"autoScaleFormula": TWO}, if_match="0x1")
    assert (answer.status, answer.code) == (412, "ConditionNotMet")
    assert pool_of(batch) == before
    assert batch.call("POST", target, {"autoScaleFormula": TWO}, if_match=before["eTag"]).status == 200


def test_enable_while_the_pool_is_being_resized_is_409(batch: RawBatch):
    """A node that waits for its task keeps the pool resizing."""
    batch.make_pool("p", targetDedicatedNodes=1)
    batch.make_job("j", "p")
    batch.call("POST", "/jobs/j/tasks", {"id": "t", "commandLine": "sleep 600"})
    batch.wait_task("j", "t", "running")
    resize = {"targetDedicatedNodes": 0, "nodeDeallocationOption": "taskcompletion"}
    assert batch.call("POST", "/pools/p/resize", resize).status == 202
    answer = enable(batch, autoScaleFormula=TWO)
    assert (answer.status, answer.code) == (409, "PoolBeingResized")
    assert pool_of(batch)["enableAutoScale"] is False
    assert batch.call("DELETE", "/pools/p").status == 202
    for operation, body in (("enableautoscale", {"autoScaleFormula": TWO}), ("disableautoscale", None)):
        answer = batch.call("POST", f"/pools/p/{operation}", body)
        assert (answer.status, answer.code) in {(409, "PoolBeingDeleted"), (404, "PoolNotFound")}


def test_pool_that_scales_itself_is_not_resized_by_hand(scaling: RawBatch):
    before = pool_of(scaling)
    node = scaling.call("GET", "/pools/p/nodes").json["value"][0]["id"]
    for operation, body in (("resize", {"targetDedicatedNodes": 5}), ("removenodes", {"nodeList": [node]})):
        answer = scaling.call("POST", f"/pools/p/{operation}", body)
        assert (answer.status, answer.code) == (409, "OperationInvalidForCurrentState")
        assert answer.values["Reason"] == "Automatic scaling is enabled on the pool."
    assert pool_of(scaling) == before


def test_disable_leaves_the_nodes_and_lets_the_pool_be_resized(scaling: RawBatch):
    answer = scaling.call("POST", "/pools/p/disableautoscale")
    assert (answer.status, answer.body) == (200, b"")
    shown = pool_of(scaling)
    assert shown["enableAutoScale"] is False
    assert not [name for name in shown if name.startswith("autoScale")]
    assert (shown["targetDedicatedNodes"], shown["currentDedicatedNodes"]) == (2, 2)
    assert scaling.call("POST", "/pools/p/disableautoscale").status == 200
    assert scaling.call("POST", "/pools/p/resize", {"targetDedicatedNodes": 1}).status == 202


# -- evaluate --------------------------------------------------------------------------------------------------------


def test_evaluate_tells_what_a_formula_comes_to_and_changes_nothing(scaling: RawBatch):
    before = pool_of(scaling)
    formula = "b=[1,2];$a=$TargetDedicatedNodes/3;$TargetDedicatedNodes=3;$NodeDeallocationOption=retaineddata"
    answer = evaluate(scaling, formula)
    assert answer.status == 200
    assert answer.json["results"] == RESULTS.format(3, 0, "retaineddata") + ";$a=0.666667;b=[1,2]"
    assert answer.json["odata.metadata"].endswith("/$metadata#Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun")
    assert answer.json.keys() == {"odata.metadata", "timestamp", "results"}
    assert answer.headers["etag"] == before["eTag"]
    assert pool_of(scaling) == before


@pytest.mark.parametrize(
    ("formula", "code", "value"),
    [
        ("$something_useless", "AutoScalingFormulaEvaluationError",
        "Line 1, Col 1: '$something_useless' is not defined."),
        ("something_useless", "AutoScalingFormulaEvaluationError",
        "Line 1, Col 1: 'something_useless' is not defined."),
        ("$TargetDedicatedNodes=-1", "AutoScalingFormulaEvaluationError",
        "Line 1, Col 1: $TargetDedicatedNodes is -1: it is from 0 to 10000."),
        ("x=max(", "AutoScalingFormulaSyntaxError", "Line 1, Col 7: The formula ends too early."),
        ("$RunningTasks.GetSample(TimeInterval_Hour,100)", "InsufficientSampleData",
        "Line 1, Col 24: Insufficient data from data set: $RunningTasks wanted 100%, received 0.833333%"),
    ],
)  # fmt: skip
def test_evaluate_of_a_bad_formula_is_200_with_its_error(scaling: RawBatch, formula: str, code: str, value: str):
    """As the service's own tests have it: the targets as they are, and what is wrong."""
    answer = evaluate(scaling, formula)
    assert (answer.status, answer.json["results"]) == (200, RESULTS.format(2, 0, "requeue"))
    error = answer.json["error"]
    assert (error["code"], error["values"]) == (code, [{"name": "Message", "value": value}])
    assert error["message"]


@pytest.mark.parametrize(
    ("formula", "status", "code"),
    [(None, 400, "MissingRequiredProperty"), (" ", 400, "InvalidPropertyValue"), ("x" * 8193, 400,
    "AutoScalingFormulaTooLong")],
)  # fmt: skip
def test_evaluate_of_no_formula_is_refused(scaling: RawBatch, formula: str | None, status: int, code: str):
    answer = evaluate(scaling, formula)
    assert (answer.status, answer.code) == (status, code)


def test_evaluate_wants_a_pool_that_scales_itself(batch: RawBatch):
    batch.make_pool("p")
    answer = evaluate(batch, TWO)
    assert (answer.status, answer.code) == (409, "OperationInvalidForCurrentState")
    assert answer.values["Reason"] == "Automatic scaling is not enabled on the pool."


@pytest.mark.parametrize("operation", ["enableautoscale", "disableautoscale", "evaluateautoscale"])
def test_autoscale_of_a_pool_that_is_not_there_is_404(batch: RawBatch, operation: str):
    answer = batch.call("POST", f"/pools/nowhere/{operation}", {"autoScaleFormula": TWO})
    assert (answer.status, answer.code) == (404, "PoolNotFound")


def test_greedy_formula_is_answered_like_any_other(scaling: RawBatch):
    """Vectors that double with each statement, and one name for each: an answer, at once, and not a large one."""
    doubling = "v=vec(1,2);" + "v=vec(v,v);" * 99
    answer = evaluate(scaling, doubling)
    assert (answer.status, answer.json["error"]["code"]) == (200, "AutoScalingFormulaEvaluationError")
    assert len(answer.body) < 2000
