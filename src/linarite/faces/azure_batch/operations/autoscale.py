"""Autoscale of pools: enable, disable, evaluate."""

from __future__ import annotations

import msgspec

from linarite.engine import scaling
from linarite.faces.azure_batch.call import JSON, Call, tag_headers
from linarite.faces.azure_batch.render.autoscale import run_json
from linarite.faces.azure_batch.wire.autoscale import (
    AutoScaleEnable,
    AutoScaleEvaluate,
    formula,
    interval,
    short_formula,
)  # fmt: skip
from linarite.http.messages import Response

METADATA = "Microsoft.Azure.Batch.Protocol.Entities.AutoScaleRun"


async def enable_auto_scale(call: Call) -> Response:
    """Pools_EnablePoolAutoScale."""
    body, name = await call.body(AutoScaleEnable), call.parameters["poolId"]
    pool = await call.do(
        scaling.enable, name, formula=formula(body.auto_scale_formula),
        interval=interval(body.auto_scale_evaluation_interval), check=call.check(),
    )  # fmt: skip
    return call.done(200, pool, "pools", name, "enableautoscale")


async def disable_auto_scale(call: Call) -> Response:
    """Pools_DisablePoolAutoScale."""
    name = call.parameters["poolId"]
    pool = await call.do(scaling.disable, name)
    return call.done(200, pool, "pools", name, "disableautoscale")


async def evaluate_auto_scale(call: Call) -> Response:
    """Pools_EvaluatePoolAutoScale."""
    body, name = await call.body(AutoScaleEvaluate), call.parameters["poolId"]
    text, engine = short_formula(body.auto_scale_formula), call.engine
    pool, run = await engine.ask(lambda tx: scaling.look(tx, call.account, name, text, engine.clock.now(), engine.rand))
    shown = {"odata.metadata": f"{call.base}/$metadata#{METADATA}", **run_json(run, call.version)}
    headers = {"DataServiceId": call.url("pools", name, "evaluateautoscale"), **tag_headers(pool)}
    return Response(200, msgspec.json.encode(shown), {"Content-Type": JSON, **headers})
