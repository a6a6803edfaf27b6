"""What a job manager does: with nothing but the token of its task, it adds tasks to its job and looks around.

Run by a node with azure-batch at hand; writes what it was answered as JSON.
"""

import json
import os
import sys

from azure.batch import BatchClient, models
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError


class TaskToken:
    """The credential that the service gives a task."""

    def get_token(self, *scopes, **_):
        return AccessToken(os.environ["AZ_BATCH_AUTHENTICATION_TOKEN"], 2**40)


def main():
    job, told = os.environ["AZ_BATCH_JOB_ID"], {}
    client = BatchClient(os.environ["AZ_BATCH_ACCOUNT_URL"], TaskToken(), connection_verify=sys.argv[1], retry_total=0)
    for name in ("a", "b"):
        client.create_task(job, models.BatchTaskCreateOptions(id=name, command_line="/bin/true"))
    told["tasks"] = sorted(task.id for task in client.list_tasks(job))
    told["counts"] = client.get_job_task_counts(job).task_counts.as_dict()
    for what, ask in (
        ("pools", client.list_pools),
        ("jobs", client.list_jobs),
        ("other", lambda: [client.get_job("other")]),
    ):
        try:
            list(ask())
            told[what] = 200
        except HttpResponseError as error:
            told[what] = [error.status_code, error.error.code if error.error else error.model.code]
    print(json.dumps(told))


main()
