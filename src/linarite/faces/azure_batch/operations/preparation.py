"""What a job's preparation and release tasks did on each node."""

from __future__ import annotations

from linarite.engine.filtering import Listed
from linarite.engine.finding import find_job
from linarite.engine.model import Job
from linarite.engine.ports import Prepared, Transaction
from linarite.faces.azure_batch import filters
from linarite.faces.azure_batch.call import Call
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.operations.lists import Where, ask_page, keyed, number_of
from linarite.faces.azure_batch.render.node_tasks import preparation_status
from linarite.http.messages import Response


async def list_preparation_status(call: Call) -> Response:
    """Jobs_ListJobPreparationAndReleaseTaskStatus: an entry for each node that the job was prepared on."""

    def page(tx: Transaction, where: Where, start: str, limit: int) -> tuple[Job, Listed[Prepared]]:
        job = find_job(tx, call.account, call.parameters["jobId"])
        if job.spec.preparation is None:
            raise Refusal("JobPreparationTaskOrReleaseTaskNotSpecified")
        found = tx.node_tasks.page(job.key, where, number_of(start), limit + 1)
        return job, keyed(found, limit, lambda pair: pair[0].key)

    _, found, link = await ask_page(call, filters.PREPARED, page)
    shown = [preparation_status(pair, call.base) for pair in found]
    return call.many("jobpreparationandreleasetaskstatuslist", shown, link)
