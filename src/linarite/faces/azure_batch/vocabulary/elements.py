"""Which properties each element has in which api-version, and what they were called before: the tables alone.

`2017-05..2024-07` is from the version of May 2017 until that of July 2024, which has it no more. What is not named here
is there in every version. Source: the JSON descriptions of all versions in the specification folder; a test compares.
"""

from __future__ import annotations

import msgspec


class Element(msgspec.Struct, frozen=True):
    """One element of bodies and answers.

    `parts` are the properties that are elements themselves (or lists of them). `once` maps today's names to those of
    versions that have not got them yet. `longs` are whole numbers that are texts since 2024-07. `required` names what a
    body has to have in some versions alone, by the name that it has there; an element that is `whole` is not shown
    without it. `words` are values of properties: today's word, the one before it, and the first version that has
    today's.
    """

    spans: dict[str, str] = {}
    parts: dict[str, str] = {}
    once: dict[str, str] = {}
    longs: tuple[str, ...] = ()
    required: dict[str, str] = {}
    whole: bool = False
    words: dict[str, tuple[str, str, str]] = {}


_PUT_AS_READ = "2024-07.."
"""Replacing operations read the whole thing since then; before, what can be changed alone."""
_COMMAND = {"containerSettings": "container", "resourceFiles": "resourceFile"}
_TASK = {**_COMMAND, "outputFiles": "outputFile"}
_TASK_SPANS = {
    "authenticationTokenSettings": "..2025-06", "containerSettings": "2017-09..", "outputFiles": "2017-05..",
    "requiredSlots": "2020-09..",
}  # fmt: skip
_COMMAND_ELEMENT = Element({"containerSettings": "2017-09.."}, _COMMAND)
_OUTCOME = Element(
    {
        "containerInfo": "2017-09..", "failureInfo": "2017-05..", "result": "2017-05..",
        "schedulingError": "..2017-05",
    },
    once={"failureInfo": "schedulingError"},
)  # fmt: skip
_JOB_TASKS = {
    "jobManagerTask": "jobManagerTask", "jobPreparationTask": "command", "jobReleaseTask": "command",
    "poolInfo": "poolInfo", "networkConfiguration": "jobNetwork",
}  # fmt: skip
_JOB_SPANS = {
    "allowTaskPreemption": "2022-01..", "maxParallelTasks": "2021-06..", "networkConfiguration": "2018-12..",
}  # fmt: skip
_POOL_PARTS = {
    "startTask": "command", "cloudServiceConfiguration": "cloudService", "networkConfiguration": "poolNetwork",
    "mountConfiguration": "mount", "taskSchedulingPolicy": "schedulingPolicy", "userAccounts": "userAccount",
    "virtualMachineConfiguration": "virtualMachine", "stats": "poolStats",
}  # fmt: skip
_NODE_NUMBERS = {
    "targetDedicatedNodes": "2017-05..",
    "targetLowPriorityNodes": "2017-05..",
    "targetDedicated": "..2017-05",
}
_CHANGED_SINCE_2024 = (
    "displayName", "enableInterNodeCommunication", "mountConfiguration", "networkConfiguration", "taskSchedulingPolicy",
    "taskSlotsPerNode", "upgradePolicy", "userAccounts", "virtualMachineConfiguration", "vmSize",
)  # fmt: skip
_READ_OF_JOB = (
    "commonEnvironmentSettings", "creationTime", "displayName", "eTag", "executionInfo", "id", "jobManagerTask",
    "jobPreparationTask", "jobReleaseTask", "lastModified", "networkConfiguration", "onTaskFailure", "previousState",
    "previousStateTransitionTime", "state", "stateTransitionTime", "stats", "url", "usesTaskDependencies",
)  # fmt: skip
_READ_OF_TASK = (
    "affinityInfo", "applicationPackageReferences", "authenticationTokenSettings", "commandLine", "containerSettings",
    "creationTime", "dependsOn", "displayName", "eTag", "environmentSettings", "executionInfo", "exitConditions", "id",
    "lastModified", "multiInstanceSettings", "nodeInfo", "outputFiles", "previousState", "previousStateTransitionTime",
    "requiredSlots", "resourceFiles", "state", "stateTransitionTime", "stats", "url", "userIdentity",
)  # fmt: skip

ELEMENTS: dict[str, Element] = {
    # What runs on nodes.
    "resourceFile": Element(
        {
            "autoStorageContainerName": "2018-12..",
            "blobPrefix": "2018-12..",
            "blobSource": "..2018-12",
            "httpUrl": "2018-12..",
            "identityReference": "2021-06..",
            "storageContainerUrl": "2018-12..",
        },
        once={"httpUrl": "blobSource"},
        required={"blobSource": "..2018-12"},
    ),
    "container": Element(
        {"containerHostBatchBindMounts": "2024-07..", "workingDirectory": "2019-06.."}, {"registry": "registry"}
    ),
    "registry": Element({"identityReference": "2021-06.."}),
    "outputFile": Element(parts={"destination": "destination"}),
    "destination": Element(parts={"container": "uploadContainer"}),
    "uploadContainer": Element({"identityReference": "2021-06..", "uploadHeaders": "2022-01.."}),
    "command": _COMMAND_ELEMENT,
    "outcome": _OUTCOME,
    # Tasks.
    "task": Element(
        _TASK_SPANS,
        {
            **_TASK,
            "exitConditions": "exitConditions",
            "multiInstanceSettings": "multiInstance",
            "executionInfo": "outcome",
            "stats": "taskStats",
        },
    ),
    "taskCollection": Element(parts={"value": "task"}),
    "taskPut": Element(
        {**dict.fromkeys(_READ_OF_TASK, _PUT_AS_READ), "authenticationTokenSettings": "2024-07..2025-06"}, _TASK
    ),
    "exitConditions": Element(
        {"fileUploadError": "2017-05..", "preProcessingError": "2017-05..", "schedulingError": "..2017-05"},
        once={"preProcessingError": "schedulingError"},
    ),
    "multiInstance": Element(
        parts={"commonResourceFiles": "resourceFile"},
        required={"coordinationCommandLine": "2017-09..", "numberOfInstances": "..2017-09"},
    ),
    "taskStats": Element(longs=("readIOps", "writeIOps")),
    # Jobs.
    "job": Element(_JOB_SPANS, {**_JOB_TASKS, "stats": "jobStats"}),
    "jobPatch": Element({**_JOB_SPANS, "networkConfiguration": "2024-07.."}, {"poolInfo": "poolInfo"}),
    "jobPut": Element(
        {
            **dict.fromkeys(_READ_OF_JOB, _PUT_AS_READ),
            "allowTaskPreemption": "2022-01..",
            "maxParallelTasks": "2022-01..",
        },
        _JOB_TASKS,
    ),
    "jobManagerTask": Element({**_TASK_SPANS, "allowLowPriorityNode": "2017-05.."}, _TASK),
    "jobNetwork": Element({"skipWithdrawFromVNet": "2024-07.."}),
    "poolInfo": Element(parts={"autoPoolSpecification": "autoPool"}),
    "autoPool": Element(parts={"pool": "pool"}),
    "jobStats": Element(
        longs=("numFailedTasks", "numSucceededTasks", "numTaskRetries", "readIOps", "writeIOps"),
    ),
    "preparationStatus": Element(
        parts={"jobPreparationTaskExecutionInfo": "outcome", "jobReleaseTaskExecutionInfo": "outcome"}
    ),
    "jobSchedule": Element(parts={"jobSpecification": "job", "stats": "jobStats"}),
    # Pools.
    "pool": Element(
        {
            **_NODE_NUMBERS,
            "applicationLicenses": "2017-05..2024-07",
            "certificateReferences": "..2025-06",
            "cloudServiceConfiguration": "..2024-07",
            "currentDedicated": "..2017-05",
            "currentDedicatedNodes": "2017-05..",
            "currentLowPriorityNodes": "2017-05..",
            "currentNodeCommunicationMode": "2022-10..2025-06",
            "identity": "2021-06..",
            "maxTasksPerNode": "..2020-09",
            "mountConfiguration": "2019-08..",
            "resizeError": "..2017-05",
            "resizeErrors": "2017-05..",
            "resourceTags": "2023-11..2025-06",
            "targetNodeCommunicationMode": "2022-10..2025-06",
            "taskSlotsPerNode": "2020-09..",
            "upgradePolicy": "2024-02..",
        },
        _POOL_PARTS,
        {
            "currentDedicatedNodes": "currentDedicated",
            "targetDedicatedNodes": "targetDedicated",
            "taskSlotsPerNode": "maxTasksPerNode",
        },
    ),
    "poolPatch": Element(
        {
            **dict.fromkeys(_CHANGED_SINCE_2024, "2024-07.."),
            "certificateReferences": "..2025-06",
            "resourceTags": "2024-07..2025-06",
            "targetNodeCommunicationMode": "2022-10..2025-06",
        },
        _POOL_PARTS,
    ),
    "poolReplace": Element(
        {"certificateReferences": "..2025-06", "targetNodeCommunicationMode": "2022-10..2025-06"},
        {"startTask": "command"},
    ),
    "poolResize": Element(_NODE_NUMBERS, once={"targetDedicatedNodes": "targetDedicated"}),
    "cloudService": Element(
        {"currentOSVersion": "..2018-12", "osVersion": "2018-12..", "targetOSVersion": "..2018-12"},
        once={"osVersion": "targetOSVersion"},
    ),
    "poolNetwork": Element(
        {
            "dynamicVNetAssignmentScope": "2018-12..",
            "enableAcceleratedNetworking": "2023-05..",
            "endpointConfiguration": "2017-06..",
            "publicIPAddressConfiguration": "2020-03..",
            "publicIPs": "2019-08..2020-03",
        },
        {"endpointConfiguration": "endpoints", "publicIPAddressConfiguration": "publicAddresses"},
    ),
    "endpoints": Element(parts={"inboundNATPools": "natPool"}),
    "natPool": Element(parts={"networkSecurityGroupRules": "securityRule"}),
    "securityRule": Element({"sourcePortRanges": "2019-06.."}),
    "publicAddresses": Element({"ipFamilies": "2025-06..", "ipTags": "2025-06.."}),
    "mount": Element(parts={"azureBlobFileSystemConfiguration": "blobMount"}),
    "blobMount": Element({"identityReference": "2021-06.."}),
    "schedulingPolicy": Element({"jobDefaultOrder": "2025-06.."}),
    "userAccount": Element(
        {
            "linuxUserConfiguration": "2017-05..",
            "sshPrivateKey": "..2017-05",
            "windowsUserConfiguration": "2018-12..",
        }
    ),
    "poolStats": Element(parts={"resourceStats": "resourceStats"}),
    "resourceStats": Element(longs=("diskReadIOps", "diskWriteIOps")),
    "virtualMachine": Element(
        {
            "containerConfiguration": "2017-09..",
            "dataDisks": "2017-09..",
            "diskEncryptionConfiguration": "2020-03..",
            "extensions": "2021-06..",
            "licenseType": "2017-09..",
            "nodePlacementConfiguration": "2021-06..",
            "osDisk": "..2018-12 2021-06..",
            "securityProfile": "2023-11..",
            "serviceArtifactReference": "2023-11..",
        },
        {
            "containerConfiguration": "containerConfiguration",
            "dataDisks": "dataDisk",
            "diskEncryptionConfiguration": "diskEncryption",
            "extensions": "extension",
            "imageReference": "image",
            "osDisk": "osDisk",
            "securityProfile": "securityProfile",
        },
    ),
    "containerConfiguration": Element(
        parts={"containerRegistries": "registry"}, words={"type": ("dockerCompatible", "docker", "2018-08")}
    ),
    "dataDisk": Element({"managedDisk": "2025-06..", "storageAccountType": "2017-09..2025-06"}),
    "diskEncryption": Element({"customerManagedKey": "2025-06.."}),
    "extension": Element({"enableAutomaticUpgrade": "2023-05.."}),
    "image": Element(
        {
            "communityGalleryImageId": "2024-07..",
            "exactVersion": "2021-06..",
            "sharedGalleryImageId": "2024-07..",
            "virtualMachineImageId": "2017-09..",
        }
    ),
    "osDisk": Element(
        {
            "caching": "..2018-12 2023-11..",
            "diskSizeGB": "2023-11..",
            "ephemeralOSDiskSettings": "2021-06..",
            "imageUris": "..2017-09",
            "managedDisk": "2023-11..",
            "writeAcceleratorEnabled": "2023-11..",
        },
        {"managedDisk": "managedDisk", "ephemeralOSDiskSettings": "ephemeralDisk"},
        required={"imageUris": "..2017-09"},
        whole=True,  # those versions know disks of the system made from one's own images alone
    ),
    "ephemeralDisk": Element(words={"placement": ("cachedisk", "CacheDisk", "2024-07")}),
    "managedDisk": Element({"diskEncryptionSet": "2025-06..", "securityProfile": "2024-07.."}),
    "securityProfile": Element(
        {"proxyAgentSettings": "2025-06.."}, words={"securityType": ("confidentialvm", "confidentialVM", "2025-06")}
    ),
    # Nodes.
    "node": Element(
        {
            "certificateReferences": "..2025-06",
            "endpointConfiguration": "2017-06..",
            "ipv6Address": "2025-06..",
            "isDedicated": "2017-05..",
            "nodeAgentInfo": "2018-08..",
            "runningTaskSlotsCount": "2020-09..",
            "virtualMachineInfo": "2021-06..",
        },
        {
            "recentTasks": "recentTask",
            "startTask": "command",
            "startTaskInfo": "outcome",
            "virtualMachineInfo": "machineInfo",
        },
    ),
    "recentTask": Element(parts={"executionInfo": "outcome"}),
    "machineInfo": Element({"scaleSetVmResourceId": "2023-11.."}, {"imageReference": "image"}),
    "remoteLogin": Element({"ipv6RemoteLoginIPAddress": "2025-06..", "ipv6RemoteLoginPort": "2025-06.."}),
    "poolNodeCounts": Element(parts={"dedicated": "nodeCounts", "lowPriority": "nodeCounts"}),
    "nodeCounts": Element({"deallocated": "2024-07..", "deallocating": "2024-07..", "upgradingOS": "2024-02.."}),
    # Files.
    "file": Element(parts={"properties": "fileProperties"}),
    "fileProperties": Element(longs=("contentLength",)),
}
