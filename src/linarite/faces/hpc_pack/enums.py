"""The protocol's enumerations, names to numbers. Source: HPC Pack SDK, enumerations of the managed API."""

from __future__ import annotations

JOB_STATE = {
    "Configuring": 1, "Submitted": 2, "Validating": 4, "ExternalValidation": 8, "Queued": 16, "Running": 32,
    "Finishing": 64, "Finished": 128, "Failed": 256, "Canceled": 512, "Canceling": 1024,
}  # fmt: skip
TASK_STATE = {
    "Configuring": 1, "Submitted": 2, "Validating": 4, "Queued": 8, "Dispatching": 16, "Running": 32, "Finishing": 64,
    "Finished": 128, "Failed": 256, "Canceled": 512, "Canceling": 1024,
}  # fmt: skip
NODE_STATE = {"Offline": 1, "Draining": 2, "Online": 4}
PRIORITY = {"Lowest": 0, "BelowNormal": 1, "Normal": 2, "AboveNormal": 3, "Highest": 4}
UNIT_TYPE = {"Core": 0, "Socket": 1, "Node": 2, "Gpu": 3}
TASK_TYPE = {"Basic": 0, "ParametricSweep": 1, "NodePrep": 2, "NodeRelease": 3, "Service": 4}
NODE_GROUP_OP = {"Intersect": 0, "Uniform": 1, "Union": 2}
