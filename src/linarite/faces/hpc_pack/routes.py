"""Which path and method is which operation, on both surfaces. Source: classic-operations and the Swagger descriptions.

Classic paths are served with and without a cluster segment, and in any letter case. Operations that are not there yet
stand in the table too, so that a client is told so in the protocol's own shape.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

import structlog

from linarite.faces.hpc_pack.answers import Answer
from linarite.faces.hpc_pack.calls import Call
from linarite.faces.hpc_pack.errors import UNIMPLEMENTED, Refusal
from linarite.faces.hpc_pack.operations import (
    cluster,
    cluster_history,
    cluster_nodes,
    job_files,
    job_life,
    jobs,
    listing,
    names,
    node_groups,
    task_life,
    tasks,
)

log = structlog.get_logger("linarite.hpc_pack")
Operation = Callable[[Call], Awaitable[Answer]]


class Row(NamedTuple):
    """One operation: `versioned` ones want an api-version."""

    method: str
    path: str
    name: str
    operation: Operation
    versioned: bool = False


def refused(name: str) -> Operation:
    """An operation that a server without brokers of sessions has not: the protocol's own refusal, and a log line."""

    async def refuse(call: Call) -> Answer:
        log.warning("operation not supported", operation=name, path=call.request.path)
        raise Refusal(404, UNIMPLEMENTED, f"{name} is not supported by this server.")

    return refuse


CLASSIC = (
    Row("GET", "Jobs", "Get Job List", listing.get_jobs),
    Row("POST", "Jobs", "Create Job", jobs.create_job),
    Row("POST", "Jobs/JobFile", "Create Job From XML", job_files.create_job_from_xml),
    Row("GET", "Job/{job}", "Get Job", jobs.get_job),
    Row("PUT", "Job/{job}", "Set Job Properties", jobs.set_job),
    Row("POST", "Job/{job}/Submit", "Submit Job", job_life.submit_job),
    Row("POST", "Job/{job}/Cancel", "Cancel Job", job_life.cancel_job),
    Row("POST", "Job/{job}/Requeue", "Requeue Job", job_life.requeue_job),
    Row("GET", "Job/{job}/CustomProperties", "Get Job Custom Properties", names.get_job_custom),
    Row("POST", "Job/{job}/CustomProperties", "Set Job Custom Properties", names.set_job_custom),
    Row("GET", "Job/{job}/EnvVariables", "Get Job Environment Variables", names.get_job_variables),
    Row("POST", "Job/{job}/EnvVariables", "Set Job Environment Variables", names.set_job_variables),
    Row("GET", "Job/{job}/Tasks", "Get Task List", listing.get_tasks),
    Row("POST", "Job/{job}/Tasks", "Add Task", tasks.add_task),
    Row("GET", "Job/{job}/Task/{task}", "Get Task", tasks.get_task),
    Row("PUT", "Job/{job}/Task/{task}", "Set Task Properties", tasks.set_task),
    Row("POST", "Job/{job}/Task/{task}/Cancel", "Cancel Task", task_life.cancel_task),
    Row("POST", "Job/{job}/Task/{task}/Requeue", "Requeue Task", task_life.requeue_task),
    Row("GET", "Job/{job}/Task/{task}/CustomProperties", "Get Task Custom Properties", names.get_task_custom),
    Row("POST", "Job/{job}/Task/{task}/CustomProperties", "Set Task Custom Properties", names.set_task_custom),
    Row("GET", "Job/{job}/Task/{task}/EnvVariables", "Get Task Environment Variables", names.get_task_variables),
    Row("POST", "Job/{job}/Task/{task}/EnvVariables", "Set Task Environment Variables", names.set_task_variables),
    Row("GET", "Job/{job}/Task/{task}/SubTask/{subtask}", "Get Subtask", tasks.get_task),
    Row("PUT", "Job/{job}/Task/{task}/SubTask/{subtask}", "Set Subtask Properties", tasks.set_task),
    Row("POST", "Job/{job}/Task/{task}/SubTask/{subtask}/Cancel", "Cancel Subtask", task_life.cancel_task),
    Row("POST", "Job/{job}/Task/{task}/SubTask/{subtask}/Requeue", "Requeue Subtask", task_life.requeue_task),
    Row("GET", "JobTemplates", "Get Job Templates", cluster.get_templates),
    Row("GET", "Nodes", "Get Node List", listing.get_nodes, versioned=True),
    Row("GET", "Node/{name}", "Get Node", cluster.get_node, versioned=True),
    Row("GET", "NodeGroups", "Get Node Group List", cluster.get_groups, versioned=True),
    Row("GET", "NodeGroup/{name}", "Get Node Group Members", cluster.get_members, versioned=True),
    Row("GET", "Version", "Get Version", cluster.get_version),
    Row("GET", "ActiveHeadnode", "Get Active Head Node", cluster.get_head, versioned=True),
)
CLUSTERS = Row("GET", "Clusters", "Get Clusters", cluster.get_clusters, versioned=True)
SESSIONS = (
    Row("POST", "Sessions/{rest*}", "Create Session", refused("Create Session")),
    Row("GET", "Session/{rest*}", "Attach to Session", refused("Attach to Session")),
    Row("POST", "Session/{rest*}", "Session operations", refused("Session operations")),
)
RESOURCES = frozenset(row.path.partition("/")[0].lower() for row in (*CLASSIC, CLUSTERS, *SESSIONS))

JSON = (
    Row("GET", "jobs", "GetJobs", listing.get_jobs),
    Row("POST", "jobs", "CreateJob", jobs.create_job),
    Row("POST", "jobs/jobFile", "CreateJobFromXml", job_files.create_job_from_xml),
    Row("GET", "jobs/templates", "GetJobTemplates", cluster.get_templates),
    Row("GET", "jobs/{job}", "GetJob", jobs.get_job),
    Row("PUT", "jobs/{job}", "SetJobProperties", jobs.set_job),
    Row("POST", "jobs/{job}/submit", "SubmitJob", job_life.submit_job),
    Row("POST", "jobs/{job}/cancel", "CancelJob", job_life.cancel_job),
    Row("POST", "jobs/{job}/finish", "FinishJob", job_life.finish_job),
    Row("POST", "jobs/{job}/requeue", "RequeueJob", job_life.requeue_job),
    Row("GET", "jobs/{job}/customProperties", "GetJobCustomProperties", names.get_job_custom),
    Row("POST", "jobs/{job}/customProperties", "SetJobCustomProperties", names.set_job_custom),
    Row("GET", "jobs/{job}/envVariables", "GetJobEnvironmentVariables", names.get_job_variables),
    Row("POST", "jobs/{job}/envVariables", "SetJobEnvironmentVariables", names.set_job_variables),
    Row("GET", "jobs/{job}/tasks", "GetTasks", listing.get_tasks),
    Row("POST", "jobs/{job}/tasks", "AddTask", tasks.add_task),
    Row("GET", "jobs/{job}/tasks/{task}", "GetTask", tasks.get_task),
    Row("PUT", "jobs/{job}/tasks/{task}", "SetTaskProperties", tasks.set_task),
    Row("POST", "jobs/{job}/tasks/{task}/cancel", "CancelTask", task_life.cancel_task),
    Row("POST", "jobs/{job}/tasks/{task}/finish", "FinishTask", task_life.finish_task),
    Row("POST", "jobs/{job}/tasks/{task}/requeue", "RequeueTask", task_life.requeue_task),
    Row("GET", "jobs/{job}/tasks/{task}/customProperties", "GetTaskCustomProperties", names.get_task_custom),
    Row("POST", "jobs/{job}/tasks/{task}/customProperties", "SetTaskCustomProperties", names.set_task_custom),
    Row("GET", "jobs/{job}/tasks/{task}/envVariables", "GetTaskEnvironmentVariables", names.get_task_variables),
    Row("POST", "jobs/{job}/tasks/{task}/envVariables", "SetTaskEnvironmentVariables", names.set_task_variables),
    Row("GET", "jobs/{job}/tasks/{task}/subtasks/{subtask}", "GetSubtask", tasks.get_task),
    Row("PUT", "jobs/{job}/tasks/{task}/subtasks/{subtask}", "SetSubtaskProperties", tasks.set_task),
    Row("POST", "jobs/{job}/tasks/{task}/subtasks/{subtask}/cancel", "CancelSubtask", task_life.cancel_task),
    Row("POST", "jobs/{job}/tasks/{task}/subtasks/{subtask}/finish", "FinishSubtask", task_life.finish_task),
    Row("POST", "jobs/{job}/tasks/{task}/subtasks/{subtask}/requeue", "RequeueSubtask", task_life.requeue_task),
    Row("GET", "nodes", "GetNodes", listing.get_nodes),
    Row("GET", "nodes/groups", "GetNodeGroups", cluster.get_groups),
    Row("GET", "nodes/groups/{name}", "GetNodeGroupMembers", cluster.get_members),
    Row("GET", "nodes/{name}", "GetNodeByName", cluster.get_node),
    Row("GET", "cluster/version", "GetClusterVersion", cluster.get_version),
    Row("GET", "cluster/activeHeadNode", "GetClusterActiveHeadNode", cluster.get_head),
    Row("GET", "cluster/info/dateTimeFormat", "GetClusterDateTimeFormat", cluster.get_date_format),
    Row("GET", "cluster/userRoles", "GetUserRoles", cluster.get_roles),
    Row("GET", "cluster/info", "GetClusterInfo", cluster.get_info),
    Row(
        "GET",
        "cluster/metrics/definitions",
        "GetClusterMetricDefintions",
        cluster_history.get_cluster_metric_definitions,
    ),
    Row("GET", "cluster/metrics/history/{name}", "GetClusterMetricHistory", cluster_history.get_cluster_metric_history),
    Row("GET", "cluster/metrics/jobs", "GetClusterJobMetrics", cluster_history.get_cluster_job_metrics),
    Row("GET", "cluster/nodes", "GetClusterNodes", cluster_nodes.get_cluster_nodes),
    Row("GET", "cluster/nodes/metrics", "GetClusterNodeMetrics", cluster_nodes.get_cluster_node_metrics),
    Row("GET", "cluster/nodes/stats/state", "GetClusterNodeStatOfState", cluster_nodes.get_cluster_node_stat_of_state),
    Row(
        "GET",
        "cluster/nodes/stats/health",
        "GetClusterNodeStatOfHealth",
        cluster_nodes.get_cluster_node_stat_of_health,
    ),
    Row("GET", "cluster/nodes/{name}", "GetClusterNode", cluster_nodes.get_cluster_node),
    Row(
        "POST", "cluster/nodes/{name}/operations/{operation}", "OperateClusterNode", cluster_nodes.operate_cluster_node
    ),
    Row("GET", "cluster/operations", "GetClusterOperations", cluster_history.get_cluster_operations),
    Row("GET", "cluster/operations/first", "GetClusterFirstOperation", cluster_history.get_cluster_first_operation),
    Row("GET", "cluster/operations/{id}", "GetClusterOperation", cluster_history.get_cluster_operation),
    Row("GET", "cluster/nodeGroups", "GetNodeGroups", node_groups.get_node_groups),
    Row("POST", "cluster/nodeGroups", "CreateNodeGroup", node_groups.create_node_group),
    Row("GET", "cluster/nodeGroups/{name}", "GetNodeGroup", node_groups.get_node_group),
    Row("PUT", "cluster/nodeGroups/{name}", "UpdateNodeGroup", node_groups.update_node_group),
    Row("DELETE", "cluster/nodeGroups/{name}", "DeleteNodeGroup", node_groups.delete_node_group),
    Row("GET", "cluster/nodeGroups/{name}/nodes", "GetNodesOfGroup", node_groups.get_nodes_of_group),
    Row("PATCH", "cluster/nodeGroups/{name}/nodes", "MoveNodesOfGroup", node_groups.move_nodes_of_group),
)


def classic() -> Iterator[tuple[str, Row]]:
    """Patterns and rows of the XML surface, with and without a cluster; `MicrosoftHPC` is a slip of one page."""
    for row in (*CLASSIC, *SESSIONS):
        yield f"/WindowsHPC/{row.path}", row
        yield f"/WindowsHPC/{{cluster}}/{row.path}", row
        if row.name == "Set Task Custom Properties":
            yield f"/MicrosoftHPC/{row.path}", row
            yield f"/MicrosoftHPC/{{cluster}}/{row.path}", row
    yield f"/WindowsHPC/{CLUSTERS.path}", CLUSTERS


def json() -> Iterator[tuple[str, Row]]:
    """Patterns and rows of the JSON surface."""
    for row in JSON:
        yield f"/hpc/{row.path}", row
