"""docs/nodes.md: where a task runs, what it sees there, what survives what. The variables come from the code."""

from __future__ import annotations

from tests.pages.made import table

from linarite.engine.addresses import address
from linarite.engine.failures import MOST_LOSSES
from linarite.engine.launches import instance_variables
from linarite.engine.launching import Launch, NodeRef
from linarite.engine.layout import SHARED, task_directory
from linarite.engine.model import Counts, Job, JobSpec, Node, Task, TaskSpec
from linarite.nodes.environment import NODE_FOLDERS, run_environment
from linarite.nodes.service_environment import HPC_PACK, ServiceEnvironment

FOLDERS = "\n".join(f"{folder}/" for folder in NODE_FOLDERS)
INTRODUCTION = f"""
# Nodes

A pool of N nodes is N folders on this machine, in which real processes run. `taskSlotsPerNode` of the pool and
`requiredSlots` of a task say how many run at a time on one node.

## Folders

Below the data folder, `nodes/<account>/<pool>/<node>/` is a node's root:

```
{FOLDERS}
{task_directory("<job>", "<task>")}/
  stdout.txt  stderr.txt
  wd/           the working directory; resource files arrive here, and $HOME is here
```

Azure Batch's file operations read these paths, for tasks of every protocol. HPC Pack's tasks may name other files for
their standard streams. A removed folder is moved away at once and its files go slowly in the background.

## Addresses

Each node has an address of its own in 127.0.0.0/8, which Azure Batch shows as its `ipAddress`: programs on several
nodes can listen on one port, each on its node's address. From other machines they are not reached.

## Machines of a cluster

Where nodes are machines of a cluster that others keep ([Slurm](slurm.md)), a pool takes machines that its settings give
it, by their own
names: first those that serve, of these the ones that no other pool has. A machine is one node of a pool, dedicated or
low-priority; of several pools it may be one each, and the cluster lets their runs take turns. Where there are too few
machines the pool is resizing and takes them as they come, until its resize time-out tells that they could not be
allocated.

- A task is `preparing` until the cluster starts it; its time limit counts from there. A node gives its task slots away
  when it launches, so that no more waits in the cluster's queue than could run.
- A machine that is drained is an `offline` node, whose `schedulingState` stays what users made it; with tasks it runs
  until they have ended. One that is down, or no machine any more, is `unusable` with an error that tells why; when it
  is back it has booted: its start task runs again, unless it has not ended yet.
- Tasks that had not begun there are requeued, and the job does without its release task there. What had begun goes on,
  or is told of as lost by the cluster.
- AZ_BATCH_HOST_LIST and its like name the machines, the first of them being the cluster's first; `ipAddress` is the
  machine's name.

## Several nodes at once

A multi-instance task has its own command line on one of its nodes and a subtask on each of the others, whose directory
is `{task_directory("<job>", "<task>")}/<number>/`; common resource files come to the directory above that on every
node. It needs a pool with `enableInterNodeCommunication` whose nodes take one task at a time, and as many empty nodes
as it has instances: they are kept free for it until there are enough. `AZ_BATCH_TASK_SHARED_DIR` is each node's own
folder, so its path differs from node to node; all of them are on this machine, so that a program started from one node
can enter another's. On the task's own node the output of its command follows that of the coordination command in the
same files.

## Users

Started by root, the server runs the tasks of account number N as user and group `task_uid_base` + N, without any way to
more privileges. They cannot read the server's part of the data folder (database, keys), nor another account's nodes; a
data folder that such a user cannot pass through is refused at the start. A task that asks for `elevationLevel: admin`
keeps the server's rights when `allow_elevated` is set, and fails with a reason when it is not.

Not started by root, tasks run as the server's own user, can read what it can, and the start says so.

## Files

Resource files come before the command line starts, several at a time: from web addresses, and from blob containers by
addresses that carry a shared access signature, or need none. `autoStorageContainerName` means a container of the
storage that the account was linked to with `linarite accounts auto-storage`; the task sees a signature neither of
that nor of anything else. Each file is whole or not there, and none leaves the working directory. A node has no managed
identity: what only such a one may open is refused with the service's own code.

Output files go after the command line has ended, when its exit code is what their condition says; the task runs until
they are gone. A pattern's wildcards are `*`, `?`, `[...]` and `**`, its variables (`$NAME`) the task's. It means files
below the task's directory alone: a link that leads out is none of them. `fileuploadout.txt` and `fileuploaderr.txt` in
the task's directory tell what went where and what did not; one file that does not go keeps no other back, and fails
the task with a FileUpload code. A task that runs out of time leaves its files all the same; one that somebody ends does
not.

Application packages are zip files that `linarite applications add` puts under the account. A pool's are installed when
a node starts, a task's before the first task there that asks for it, below `applications/`. The variables
`AZ_BATCH_APP_PACKAGE_<id>_<version>` tell where, in lower case and as the id is written, with an underscore for every
character but letters and digits; a reference that names no version has one without it besides. A version that was put
there again with another content is installed beside the old one. Names and links that lead out of a package are
refused.

A process of its own moves the files, with the rights of the account's user. It is started at the first file and goes
after a minute without work.

## Containers

A task with `containerSettings` runs in a container of podman if its pool's `containerConfiguration` asks for it, with
the rights that it has outside of one: root in the container is the task's user. The account and each user of a pool
have images of their own; elevated tasks have those of the machine's root. A container has the machine's network and
sees the node's folders under their own names, or those that `containerHostBatchBindMounts` names; a JobPrep folder is
there when the job has a preparation task. A working directory that none of them holds is the container's own and goes
with it. An empty command line runs what the image runs by itself, any other one is given to its entry point. Names of
images are Docker's: `busybox` is `docker.io/library/busybox`. The server's `CONTAINERS_CONF`,
`CONTAINERS_REGISTRIES_CONF` and `CONTAINERS_STORAGE_CONF` are podman's, too; both kinds of `containerConfiguration` run
alike.

`containerInfo` tells of the container in which a task, a subtask, or a start, preparation or release task ran last: its
id, its state (`running`, `exited`, or `created` when it could not start) and then why. It is removed as soon as its
command line has ended. What podman refuses to make or to start fails with ContainerInvalidSettings before it runs, and
is not tried again: unknown options, a program that is not in the image. (Which code the service gives a program that is
not there is not known.) Statistics count what runs in a
container; those of instances of a task do not.

Images that a pool names in `containerImageNames` come to a node, for the account's own tasks, before its start task and
at each of its later starts where they lack; a node whose image cannot be had is unusable, with ContainerInvalidImage,
or ContainerInvalidRegistry when the registry refused user and password. Any other image comes before the first task
there that asks for it. Passwords reach podman in a file that is gone afterwards. A node has no managed identity, so a
registry with an `identityReference` is refused.

The instances of a multi-instance task have one container each, in which the coordination command is run, and which
stays with all that it left running; the task's own command enters that of its node. The image needs `/bin/sh` for that.

Without podman, apptainer runs the command lines, if it is there; it tells nothing of its containers, and instances of a
task do not share one with what coordination left. No test here runs a real apptainer, only the words that it is given
are tested: treat it as untried. Without either program tasks fail with ContainerPoolNotSupported, as they do on pools
without `containerConfiguration`; a task without `containerSettings` on a pool of containers fails with
ContainerTaskSettingsNotFound.

## Command lines

Azure Batch's are split into words and started without a shell, as there: for pipes and variables write
`/bin/sh -c '...'`. HPC Pack's and SuperOffice's go to `/bin/sh -c`. A process that a signal ended has the exit code
128 + its number. Termination is SIGTERM to all processes of the task, SIGKILL five seconds later.

## Variables

Beside the job's variables and its own, a task sees these, and nothing of the server's environment. It may give those
that tell of folders, PATH, HOME and the like other values; what tells of account, pool, node, job and task stays.
"""

SURVIVAL = (
    ("what happens", "running tasks", "what ended meanwhile", "waiting tasks"),
    (
        "the server is stopped, or killed with SIGKILL",
        "go on; the next start takes them up again",
        "the host keeps the exit code until the server has it on disk",
        "start after the next start",
    ),
    (
        "a node host is killed",
        "its successor ends what is left of their processes and containers; they are requeued",
        "kept in the host's journal",
        "not touched",
    ),
    (
        "the machine goes down",
        "are gone and are requeued at the next start",
        "kept, if the host had written it",
        "start after the next start",
    ),
    (
        "a node leaves its pool",
        "are requeued or ended, as was asked, or awaited",
        "kept; the files go with the node",
        "wait for another node",
    ),
    ("a job is deleted", "are ended at once", "goes, with the files", "go"),
)

AFTER = f"""
## What survives what

A requeued task runs again from its beginning, and that is no retry: `maxTaskRetryCount` counts failures of its own.
A task whose node host is killed {MOST_LOSSES} times in a row is not tried again: it fails with
MaxInternalRetryCountReached and no exit code, as an error by which its exit conditions' `default` decides, and a start
task makes its node `starttaskfailed`. (The service's own number of tries is not known.) Hosts come back at once at
first, then after pauses of up to 30 seconds. What shares a host with such a task is lost with it each time, so a long
task of the same account may come to the same end. The end of the whole machine is not counted.
What was acknowledged to a client stood on disk before. Under systemd, a service of the server wants `KillMode=process`:
the usual `control-group` ends hosts and tasks together with it.

"""

FILES = """
The certificates of a pool (api-versions to 2024-07-01.20.0) stand in the folder that `AZ_BATCH_CERTIFICATES_DIR` names,
each as `sha1-<thumbprint>.cer`, or `.pfx` with its password in `.pfx.pw`, for tasks and start tasks to which they are
visible. Nodes have them from their next start on.

A task's files stay until its `retentionTime` (seven days unless it says otherwise) is over, it is deleted, or its node
leaves. A shell script that must not lose its output writes it to a file share.
"""


def page() -> str:
    return "\n".join([INTRODUCTION, _variables(), AFTER + table(*SURVIVAL), FILES])


def _variables() -> str:
    spec = TaskSpec(id="<task>", command="true", job_token=True)
    job = Job(
        account="<account>", alias=7, spec=JobSpec(id="<job>", pool="<pool>"), counts=Counts(), facts={HPC_PACK: {}},
        created_at=0, modified_at=0, state_at=0,
    )  # fmt: skip
    task = Task(job_key=1, account="<account>", alias=3, spec=spec, created_at=0, modified_at=0, state_at=0)
    node = Node(account="<account>", pool_key=1, pool="<pool>", id="<node>", state_at=0, created_at=0, boot_at=0)
    service = ServiceEnvironment("<Azure Batch's address>", "<host name>", lambda _: "<a token>")(node, job, task)
    directory = f"<root>/{task_directory('<job>', '<task>')}"
    where = NodeRef(account="<account>", pool="<pool>", node="<node>", key=1)
    launch = Launch(run="<run>", node=where, directory="", command="true", environment=service)
    every = run_environment(launch, "<root>", directory)
    instances = instance_variables([address(1), address(2)], 0) | {SHARED: directory}
    rows = [(f"`{name}`", f"`{value}`", _of(name)) for name, value in sorted(every.items())]
    rows += [(f"`{name}`", f"`{value}`", "multi-instance") for name, value in sorted(instances.items())]
    return table(("variable", "value, for example", "tasks"), *rows)


def _of(name: str) -> str:
    if name == "AZ_BATCH_AUTHENTICATION_TOKEN":
        return "with authenticationTokenSettings"
    return "HPC Pack's" if name.startswith("CCP_") else "all"
