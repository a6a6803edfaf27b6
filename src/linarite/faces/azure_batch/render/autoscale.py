"""What a formula came to, as the protocol shows it. Source: AutoScaleRun of 2025-06-01, Batch NOTES section 11."""

from __future__ import annotations

from typing import Any

from linarite.engine.autoscale.records import Scaling, ScalingRun
from linarite.faces.azure_batch import versions
from linarite.faces.azure_batch.errors import CODES
from linarite.faces.azure_batch.render.scalars import duration, moment

_ERRORS = {
    "too-few-samples": ("InsufficientSampleData", "Autoscale evaluation failed due to insufficient sample data"),
    "formula-evaluation": ("AutoScalingFormulaEvaluationError", "Autoscale evaluation failed"),
    "formula-syntax": ("AutoScalingFormulaSyntaxError", CODES["AutoScalingFormulaSyntaxError"][1]),
}


def scaling_json(scaling: Scaling, run: ScalingRun | None, version: str) -> dict[str, Any]:
    """What a pool that scales itself has beside the others."""
    shown: dict[str, Any] = {
        "autoScaleFormula": scaling.formula,
        "autoScaleEvaluationInterval": duration(scaling.interval),
    }
    return shown if run is None else {**shown, "autoScaleRun": run_json(run, version)}


def run_json(run: ScalingRun, version: str) -> dict[str, Any]:
    """One evaluation: its results, and its error if it failed."""
    shown: dict[str, Any] = {"timestamp": moment(run.at), "results": _results(run, version)}
    if run.error is not None:
        code, message = _ERRORS[run.error]
        shown["error"] = {"code": code, "message": message, "values": [{"name": "Message", "value": run.detail}]}
    return shown


def _results(run: ScalingRun, version: str) -> str:
    """`$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue`, then the formula's own."""
    if version < versions.TWO_KINDS_OF_NODES:
        targets = f"$TargetDedicated={run.dedicated}"
    else:
        targets = f"$TargetDedicatedNodes={run.dedicated};$TargetLowPriorityNodes={run.low_priority}"
    own = f";{run.variables}" if run.variables else ""
    return f"{targets};$NodeDeallocationOption={run.option}{own}"
