"""The table of operations: all 72 of api-version 2025-06-01, and those that only older versions have.

`since` and `until` are the first version that has an operation and the first that has it no more.
Source: operations.md of the specification folder.
"""

from __future__ import annotations

from typing import NamedTuple

from linarite.faces.azure_batch.call import Operation
from linarite.faces.azure_batch.operations import (
    applications,
    autoscale,
    certificates,
    files,
    jobs,
    node_access,
    nodes,
    older,
    pools,
    preparation,
    schedules,
    statistics,
    tasks,
    usage,
)
from linarite.faces.azure_batch.versions import (
    HTTP_URLS,
    LONG_AS_TEXT,
    NO_LIFETIME_STATS,
    NODE_COUNTS,
    PARALLEL_TASKS,
    SUPPORTED_IMAGES,
    TASK_COUNTS,
    WITHOUT_TOKENS,
)  # fmt: skip


class Row(NamedTuple):
    """One operation: its name is the reference's own."""

    method: str
    pattern: str
    operation: Operation
    name: str
    since: str = ""
    until: str = "9999"


_JOB, _TASK = "/jobs/{jobId}", "/jobs/{jobId}/tasks/{taskId}"
_POOL, _NODE = "/pools/{poolId}", "/pools/{poolId}/nodes/{nodeId}"
_SCHEDULE = "/jobschedules/{jobScheduleId}"
_CERTIFICATE = "/{certificate}"

TABLE: tuple[Row, ...] = (
    Row("GET", "/applications", applications.list_applications, "Applications_ListApplications"),
    Row("GET", "/applications/{applicationId}", applications.get_application, "Applications_GetApplication"),
    Row("GET", "/jobs", jobs.list_jobs, "Jobs_ListJobs"),
    Row("POST", "/jobs", jobs.add_job, "Jobs_CreateJob"),
    Row("GET", _JOB, jobs.get_job, "Jobs_GetJob"),
    Row("PUT", _JOB, jobs.update_job, "Jobs_ReplaceJob"),
    Row("PATCH", _JOB, jobs.patch_job, "Jobs_UpdateJob"),
    Row("DELETE", _JOB, jobs.delete_job, "Jobs_DeleteJob"),
    Row("POST", f"{_JOB}/addtaskcollection", tasks.add_task_collection, "Tasks_CreateTaskCollection"),
    Row("POST", f"{_JOB}/disable", jobs.disable_job, "Jobs_DisableJob"),
    Row("POST", f"{_JOB}/enable", jobs.enable_job, "Jobs_EnableJob"),
    Row(
        "GET", f"{_JOB}/jobpreparationandreleasetaskstatus", preparation.list_preparation_status,
        "Jobs_ListJobPreparationAndReleaseTaskStatus",
    ),
    Row("GET", f"{_JOB}/taskcounts", jobs.get_task_counts, "Jobs_GetJobTaskCounts", since=TASK_COUNTS),
    Row("GET", f"{_JOB}/tasks", tasks.list_tasks, "Tasks_ListTasks"),
    Row("POST", f"{_JOB}/tasks", tasks.add_task, "Tasks_CreateTask"),
    Row("GET", _TASK, tasks.get_task, "Tasks_GetTask"),
    Row("PUT", _TASK, tasks.update_task, "Tasks_ReplaceTask"),
    Row("DELETE", _TASK, tasks.delete_task, "Tasks_DeleteTask"),
    Row("GET", f"{_TASK}/files", files.list_task_files, "Tasks_ListTaskFiles"),
    Row("GET", f"{_TASK}/files/{{filePath*}}", files.get_task_file, "Tasks_GetTaskFile"),
    Row("HEAD", f"{_TASK}/files/{{filePath*}}", files.get_task_file, "Tasks_GetTaskFileProperties"),
    Row("DELETE", f"{_TASK}/files/{{filePath*}}", files.delete_task_file, "Tasks_DeleteTaskFile"),
    Row("POST", f"{_TASK}/reactivate", tasks.reactivate_task, "Tasks_ReactivateTask"),
    Row("GET", f"{_TASK}/subtasksinfo", tasks.list_subtasks, "Tasks_ListSubTasks"),
    Row("POST", f"{_TASK}/terminate", tasks.terminate_task, "Tasks_TerminateTask"),
    Row("POST", f"{_JOB}/terminate", jobs.terminate_job, "Jobs_TerminateJob"),
    Row("GET", "/jobschedules", schedules.list_job_schedules, "JobSchedules_ListJobSchedules"),
    Row("POST", "/jobschedules", schedules.add_job_schedule, "JobSchedules_CreateJobSchedule"),
    Row("GET", _SCHEDULE, schedules.get_job_schedule, "JobSchedules_GetJobSchedule"),
    Row("HEAD", _SCHEDULE, schedules.job_schedule_exists, "JobSchedules_JobScheduleExists"),
    Row("PUT", _SCHEDULE, schedules.update_job_schedule, "JobSchedules_ReplaceJobSchedule"),
    Row("PATCH", _SCHEDULE, schedules.patch_job_schedule, "JobSchedules_UpdateJobSchedule"),
    Row("DELETE", _SCHEDULE, schedules.delete_job_schedule, "JobSchedules_DeleteJobSchedule"),
    Row("POST", f"{_SCHEDULE}/disable", schedules.disable_job_schedule, "JobSchedules_DisableJobSchedule"),
    Row("POST", f"{_SCHEDULE}/enable", schedules.enable_job_schedule, "JobSchedules_EnableJobSchedule"),
    Row("GET", f"{_SCHEDULE}/jobs", schedules.list_jobs_of_schedule, "Jobs_ListJobsFromSchedule"),
    Row("POST", f"{_SCHEDULE}/terminate", schedules.terminate_job_schedule, "JobSchedules_TerminateJobSchedule"),
    Row("GET", "/nodecounts", pools.list_node_counts, "Pools_ListPoolNodeCounts", since=NODE_COUNTS),
    Row("GET", "/pools", pools.list_pools, "Pools_ListPools"),
    Row("POST", "/pools", pools.add_pool, "Pools_CreatePool"),
    Row("GET", _POOL, pools.get_pool, "Pools_GetPool"),
    Row("HEAD", _POOL, pools.pool_exists, "Pools_PoolExists"),
    Row("PATCH", _POOL, pools.patch_pool, "Pools_UpdatePool"),
    Row("DELETE", _POOL, pools.delete_pool, "Pools_DeletePool"),
    Row("POST", f"{_POOL}/disableautoscale", autoscale.disable_auto_scale, "Pools_DisablePoolAutoScale"),
    Row("POST", f"{_POOL}/enableautoscale", autoscale.enable_auto_scale, "Pools_EnablePoolAutoScale"),
    Row("POST", f"{_POOL}/evaluateautoscale", autoscale.evaluate_auto_scale, "Pools_EvaluatePoolAutoScale"),
    Row("GET", f"{_POOL}/nodes", nodes.list_nodes, "Nodes_ListNodes"),
    Row("GET", _NODE, nodes.get_node, "Nodes_GetNode"),
    Row("POST", f"{_NODE}/deallocate", nodes.deallocate_node, "Nodes_DeallocateNode", since=LONG_AS_TEXT),
    Row("POST", f"{_NODE}/disablescheduling", nodes.disable_scheduling, "Nodes_DisableNodeScheduling"),
    Row("POST", f"{_NODE}/enablescheduling", nodes.enable_scheduling, "Nodes_EnableNodeScheduling"),
    Row("GET", f"{_NODE}/extensions", node_access.list_extensions, "Nodes_ListNodeExtensions", since=PARALLEL_TASKS),
    Row(
        "GET", f"{_NODE}/extensions/{{name}}", node_access.get_extension, "Nodes_GetNodeExtension",
        since=PARALLEL_TASKS,
    ),
    Row("GET", f"{_NODE}/files", files.list_node_files, "Nodes_ListNodeFiles"),
    Row("GET", f"{_NODE}/files/{{filePath*}}", files.get_node_file, "Nodes_GetNodeFile"),
    Row("HEAD", f"{_NODE}/files/{{filePath*}}", files.get_node_file, "Nodes_GetNodeFileProperties"),
    Row("DELETE", f"{_NODE}/files/{{filePath*}}", files.delete_node_file, "Nodes_DeleteNodeFile"),
    Row("POST", f"{_NODE}/reboot", nodes.reboot_node, "Nodes_RebootNode"),
    Row("POST", f"{_NODE}/reimage", nodes.reimage_node, "Nodes_ReimageNode"),
    Row(
        "GET", f"{_NODE}/remoteloginsettings", node_access.get_remote_login_settings,
        "Nodes_GetNodeRemoteLoginSettings",
    ),
    Row("POST", f"{_NODE}/start", nodes.start_node, "Nodes_StartNode", since=LONG_AS_TEXT),
    Row("POST", f"{_NODE}/uploadbatchservicelogs", node_access.upload_logs, "Nodes_UploadNodeLogs", since=NODE_COUNTS),
    Row("POST", f"{_NODE}/users", node_access.add_user, "Nodes_CreateNodeUser"),
    Row("PUT", f"{_NODE}/users/{{userName}}", node_access.update_user, "Nodes_ReplaceNodeUser"),
    Row("DELETE", f"{_NODE}/users/{{userName}}", node_access.delete_user, "Nodes_DeleteNodeUser"),
    Row("POST", f"{_POOL}/removenodes", pools.remove_nodes, "Pools_RemoveNodes"),
    Row("POST", f"{_POOL}/resize", pools.resize_pool, "Pools_ResizePool"),
    Row("POST", f"{_POOL}/stopresize", pools.stop_pool_resize, "Pools_StopPoolResize"),
    Row("POST", f"{_POOL}/updateproperties", pools.update_pool_properties, "Pools_ReplacePoolProperties"),
    Row("GET", "/poolusagemetrics", usage.list_pool_usage_metrics, "Pools_ListPoolUsageMetrics"),
    Row("GET", "/supportedimages", pools.list_supported_images, "Pools_ListSupportedImages", since=SUPPORTED_IMAGES),
    # Of older versions alone.
    Row("POST", "/certificates", certificates.add_certificate, "Certificate_Add", until=WITHOUT_TOKENS),
    Row("GET", "/certificates", certificates.list_certificates, "Certificate_List", until=WITHOUT_TOKENS),
    Row("DELETE", _CERTIFICATE, certificates.delete_certificate, "Certificate_Delete", until=WITHOUT_TOKENS),
    Row("GET", _CERTIFICATE, certificates.get_certificate, "Certificate_Get", until=WITHOUT_TOKENS),
    Row(
        "POST", f"{_CERTIFICATE}/canceldelete", certificates.cancel_certificate_deletion, "Certificate_CancelDeletion",
        until=WITHOUT_TOKENS,
    ),
    Row("GET", f"{_NODE}/rdp", older.get_remote_desktop, "ComputeNode_GetRemoteDesktop", until=LONG_AS_TEXT),
    Row(
        "GET", "/lifetimejobstats", statistics.get_job_lifetime_statistics, "Job_GetAllLifetimeStatistics",
        until=NO_LIFETIME_STATS,
    ),
    Row(
        "GET", "/lifetimepoolstats", statistics.get_pool_lifetime_statistics, "Pool_GetAllLifetimeStatistics",
        until=NO_LIFETIME_STATS,
    ),
    Row("GET", "/nodeagentskus", older.list_node_agent_skus, "Account_ListNodeAgentSkus", until=SUPPORTED_IMAGES),
    Row("POST", f"{_POOL}/upgradeos", older.upgrade_os, "Pool_UpgradeOS", until=HTTP_URLS),
)  # fmt: skip
