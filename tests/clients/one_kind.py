"""The tests of this folder that run on local nodes alone, each with its reason."""

from __future__ import annotations

from fnmatch import fnmatchcase

_NO_TASKS = "no task of it runs: file shares are the same server's whatever its nodes are"
_CONTAINERS = "machines of a cluster run no containers: nodes of a pool for them are unusable there"
_USERS = "tasks on a cluster are its account's user's: the users of a pool are unknown there and have no processes"
_ELEVATED = "no task on a cluster is elevated: its machines are not the server's own to give"
_USE = "what a run on a cluster uses is known when it has ended: its machines measure jobs where their sites say so"
_DAEMONS = "what has left its session ends with its job where Slurm tracks by cgroups: the tests' Slurm tracks parents"
_READING = "a share is linked into a cluster's nodes: only a mount of this machine's own is for reading alone"
_HOSTS = "there are no node hosts on a cluster, so that none has written a log"

ON_ONE_KIND = {
    "test_azure_files*.py::*": _NO_TASKS,
    "test_files_scenarios.py::*": _NO_TASKS,
    "test_rclone.py::*": _NO_TASKS,
    "test_azure_batch_containers.py::*": _CONTAINERS,
    "test_azure_batch_container_pools.py::*": _CONTAINERS,
    "test_azure_batch_mounts.py::test_users_of_a_pool_share_files_with_its_other_tasks": _USERS,
    "test_azure_batch_multi_instance.py::test_all_instances_run_as_the_user_of_the_task": _USERS,
    "test_azure_batch_multi_instance.py::test_instances_speak_to_each_other_over_one_port": _DAEMONS,
    "test_azure_batch_multi_instance.py::test_task_that_is_terminated_leaves_nothing_on_any_node": _DAEMONS,
    "test_azure_batch_multi_instance.py::test_instances_outlive_the_server": _DAEMONS,
    "test_azure_batch_users.py::test_task_runs_as_the_user_of_its_pool": _USERS,
    "test_azure_batch_users.py::test_what_a_start_task_prepares_serves_the_users": _USERS,
    "test_azure_batch_users.py::test_administrator_is_one_where_the_settings_allow_it": _ELEVATED,
    "test_azure_identity.py::test_task_with_a_token_works_on_its_job_through_the_real_client": _ELEVATED,
    "test_azure_batch_statistics.py::test_statistics_of_a_running_task_grow_and_stay": _USE,
    "test_azure_batch_mounts.py::test_task_changes_nothing_that_is_mounted_for_reading": _READING,
    "test_azure_batch_node_logs.py::test_logs_of_a_nodes_hosts_arrive": _HOSTS,
}
"""Patterns of `module.py::test`."""


def reason_for_one_kind(name: str) -> str | None:
    """Why a test runs on local nodes alone; None when it does not."""
    return next((reason for pattern, reason in ON_ONE_KIND.items() if fnmatchcase(name, pattern)), None)
