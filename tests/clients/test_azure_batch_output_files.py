"""Output files: a task writes them, they land in a real Azurite, and are read back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from azure.batch import BatchClient, models
from tests.support.batch import batch_client, make_pool, wait_task
from tests.support.blobs import Azurite, Container
from tests.support.gate import Gate, gate
from tests.support.server import RunningServer

COMPLETION, SUCCESS, FAILURE = "taskcompletion", "tasksuccess", "taskfailure"


@pytest.fixture
def client(server: RunningServer, account: str) -> Iterator[BatchClient]:
    with batch_client(server, account) as client:
        make_pool(client, "pool")
        client.create_job(models.BatchJobCreateOptions(id="job", pool_info=models.BatchPoolInfo(pool_id="pool")))
        yield client


@pytest.fixture
def waiting(azurite: Azurite) -> Iterator[Gate]:
    """A way to Azurite that is closed at first."""
    with gate(azurite.url) as way:
        yield way


def output(
    pattern: str, where: Container | str, path: str | None = None, when: str = COMPLETION, **options: Any
) -> models.OutputFile:
    url = where if isinstance(where, str) else where.url("rw")
    container = models.OutputFileBlobContainerDestination(container_url=url, path=path, **options)
    return models.OutputFile(
        file_pattern=pattern, destination=models.OutputFileDestination(container=container),
        upload_options=models.OutputFileUploadConfiguration(upload_condition=when),
    )  # fmt: skip


def add(client: BatchClient, script: str, *outputs: models.OutputFile, name: str = "task", **options: Any) -> None:
    task = models.BatchTaskCreateOptions(
        id=name, command_line=f"/bin/sh -c '{script}'", output_files=list(outputs), **options
    )
    client.create_task("job", task)


def run(client: BatchClient, script: str, *outputs: models.OutputFile, name: str = "task", **options: Any) -> Any:
    add(client, script, *outputs, name=name, **options)
    return wait_task(client, "job", name).execution_info


def read(client: BatchClient, file: str, name: str = "task") -> str:
    return b"".join(client.download_task_file("job", name, file)).decode()


def failure(info: Any) -> tuple[str, str, dict[str, str]]:
    assert info.result == "failure"
    return info.failure_info.category, info.failure_info.code, {d.name: d.value for d in info.failure_info.details}


def test_output_files_land_in_their_container(client: BatchClient, azurite: Azurite):
    """One file under a name, many below a prefix with their folders, the standard streams without a path."""
    container = azurite.container()
    outputs = [
        output("one.txt", container, "results/first"),
        output("many/**/*.bin", container, "all/"),
        output("../std*.txt", container),
        output("$AZ_BATCH_TASK_WORKING_DIR/o?e.txt", container, "by/variable"),
        output("nothing*", container, "none"),
        output("missing", container, "none"),
    ]
    script = (
        "echo 1 > one.txt; mkdir -p many/deep; echo a > many/a.bin; echo b > many/deep/b.bin; echo out; echo err >&2"
    )
    info = run(client, script, *outputs)
    assert (info.result, info.exit_code, info.failure_info) == ("success", 0, None)
    assert container.names() == [
        "all/a.bin", "all/deep/b.bin", "by/variable/one.txt", "results/first", "stderr.txt", "stdout.txt",
    ]  # fmt: skip
    assert container.read("all/deep/b.bin") == b"b\n"
    assert (container.read("stdout.txt"), container.read("stderr.txt")) == (b"out\n", b"err\n")
    assert read(client, "fileuploaderr.txt") == ""
    log = read(client, "fileuploadout.txt")
    assert "one.txt to results/first: 2 bytes" in log
    assert "sig=" not in log
    assert [file.as_dict() for file in client.get_task("job", "task").output_files] == [
        file.as_dict() for file in outputs
    ]


@pytest.mark.parametrize(("code", "sent"), [(0, ["always", "well"]), (3, ["always", "badly"])])
def test_output_files_go_when_their_condition_holds(client: BatchClient, azurite: Azurite, code: int, sent: list[str]):
    container = azurite.container()
    outputs = [output("f", container, path, when) for path, when in (
        ("always", COMPLETION), ("well", SUCCESS), ("badly", FAILURE),
    )]  # fmt: skip
    info = run(client, f"echo x > f; exit {code}", *outputs)
    assert info.exit_code == code
    assert container.names() == sent


def test_output_files_without_a_condition_that_holds_leave_no_logs(client: BatchClient, azurite: Azurite):
    """As in the service: the logs are those of an upload."""
    run(client, "echo x > f", output("f", azurite.container(), when=FAILURE))
    names = {item.name for item in client.list_task_files("job", "task")}
    assert not names & {"fileuploadout.txt", "fileuploaderr.txt"}


def test_output_file_that_is_large_comes_whole(client: BatchClient, azurite: Azurite):
    """More than the blocks that are sent at a time; headers go with it."""
    container = azurite.container()
    headers = [
        models.OutputFileUploadHeader(name="x-ms-blob-content-type", value="text/x-test"),
        models.OutputFileUploadHeader(name="Content-Language", value="de"),
        models.OutputFileUploadHeader(name="x-ms-meta-Origin", value="task"),
    ]
    info = run(
        client, "seq 1 2000000 > f", output("f", container, upload_headers=headers), output("f", container, "plain")
    )
    assert info.result == "success"
    assert container.read("f") == b"".join(b"%d\n" % number for number in range(1, 2_000_001))
    properties = container.client.get_blob_client("f").get_blob_properties()
    assert properties.content_settings.content_type == "text/x-test"
    assert properties.content_settings.content_language == "de"
    assert properties.metadata == {"Origin": "task"}
    assert container.client.get_blob_client("plain").get_blob_properties().metadata == {}


def test_output_files_of_a_folder_of_many(client: BatchClient, azurite: Azurite):
    container = azurite.container()
    run(client, "for n in $(seq 1 150); do echo $n > f$n; done", output("f*", container, "all"))
    assert container.names() == sorted(f"all/f{number}" for number in range(1, 151))


REFUSED: dict[str, tuple[str, Callable[[Azurite], models.OutputFile]]] = {
    "no-such-container": (
        "FileUploadContainerNotFound", lambda a: output("f", Container(a, "missing").url("rw")),
    ),
    "read-only": ("FileUploadAccessDenied", lambda a: output("f", a.container().url("r"))),
    "expired": ("FileUploadAccessDenied", lambda a: output("f", a.container().url("rw", hours=-1))),
    "nobody-there": ("FileUploadMiscError", lambda _: output("f", "http://127.0.0.1:9/container?sig=x")),
    "no-address": ("FileUploadMiscError", lambda _: output("f", "no address")),
    "of-an-identity": (
        "FileUploadAccessDenied",
        lambda a: output(
            "f", a.container().address,
            identity_reference=models.BatchNodeIdentityReference(resource_id="/subscriptions/s/id"),
        ),
    ),
    "outside": ("FileUploadMiscError", lambda a: output("/etc/passwd", a.container())),
    "above": ("FileUploadMiscError", lambda a: output("../../*", a.container())),
}  # fmt: skip


@pytest.mark.timeout(180)
@pytest.mark.parametrize("case", list(REFUSED))
def test_output_file_that_does_not_go_fails_the_task(client: BatchClient, azurite: Azurite, case: str):
    """With its exit code and no further try; the others go all the same; the logs tell it without a secret."""
    code, make = REFUSED[case]
    good = azurite.container()
    refused, constraints = make(azurite), models.BatchTaskConstraints(max_task_retry_count=2)
    add(client, "echo x > f; exit 0", refused, output("f", good), constraints=constraints)
    info = wait_task(client, "job", "task", seconds=90).execution_info
    category, told, details = failure(info)
    assert (category, told, info.exit_code, info.retry_count) == ("usererror", code, 0, 0)
    assert good.names() == ["f"]
    [line] = read(client, "fileuploaderr.txt").splitlines()
    assert (json.loads(line)["user_error"], json.loads(line)["pattern"]) == (True, refused.file_pattern)
    for text in (line, read(client, "fileuploadout.txt"), str(details)):
        assert "sig=" not in text
    shown = client.get_task("job", "task").output_files[0]
    assert shown.as_dict() == refused.as_dict()


def test_output_file_failure_names_the_file(client: BatchClient, azurite: Azurite):
    info = run(client, "echo x > f", output("f", azurite.container().url("r")))
    _, _, details = failure(info)
    assert details["FilePath"].endswith("/workitems/job/job-1/task/wd/f")
    assert details["StatusCode"] == "403"


def test_output_files_follow_no_link_out(client: BatchClient, server: RunningServer, azurite: Azurite):
    """Neither to the machine's files nor to the server's, by a name, by a wildcard or through a folder."""
    container = azurite.container()
    secret = server.data / "server/linarite.db"
    script = f"ln -s /etc/hostname a; ln -s {secret} b; ln -s /etc folder; ln -s ../stdout.txt inside; echo hello"
    outputs = [
        output("a", container), output("*", container, "all"), output("folder/hostname", container),
        output("folder/host*", container), output("**/hostname", container),
    ]  # fmt: skip
    info = run(client, script, *outputs)
    assert info.result == "success"
    assert container.names() == ["all/inside"]
    assert container.read("all/inside") == b"hello\n"
    assert "link out of the task's directory" in read(client, "fileuploadout.txt")


def test_output_file_logs_replace_what_the_task_put_there(client: BatchClient, azurite: Azurite):
    """A link in a log's place is not followed."""
    script = "echo keep > precious; ln -s wd/precious ../fileuploadout.txt; mkdir ../other; echo x > f"
    run(client, script, output("f", azurite.container()))
    assert read(client, "wd/precious") == "keep\n"
    assert "Uploaded" in read(client, "fileuploadout.txt")


def test_output_file_that_the_task_closed_is_refused(client: BatchClient, azurite: Azurite):
    """What cannot be read is told; what is no file is passed over."""
    container = azurite.container()
    info = run(client, "mkfifo pipe; mkdir folder; echo x > f; chmod 0 f", output("*", container))
    if info.result == "failure":  # root, where tasks are not users of their own, reads everything
        _, code, details = failure(info)
        assert (code, "cannot be read" in details["Message"]) == ("FileUploadMiscError", True)
    else:
        assert container.names() == ["f"]


def test_task_is_running_until_its_files_are_away(client: BatchClient, azurite: Azurite, waiting: Gate):
    """Its slot is taken and its job goes on until then."""
    container = azurite.container()
    add(client, "echo x > f", output("f", waiting.through(container.url("rw"), azurite.url)))
    add(client, "true", name="next")
    assert waiting.knocked.wait(60)
    task = client.get_task("job", "task")
    assert (task.state, task.execution_info.exit_code, task.execution_info.end_time) == ("running", None, None)
    assert client.get_task("job", "next").state == "active"
    waiting.open()
    done = wait_task(client, "job", "task")
    assert done.execution_info.result == "success"
    assert container.names() == ["f"]
    assert done.state_transition_time >= container.client.get_blob_client("f").get_blob_properties().last_modified
    wait_task(client, "job", "next")


def test_terminate_task_while_its_files_go(client: BatchClient, azurite: Azurite, waiting: Gate):
    """It ends at once, with the true exit code."""
    container = azurite.container()
    add(client, "echo x > f; exit 7", output("f", waiting.through(container.url("rw"), azurite.url)))
    assert waiting.knocked.wait(60)
    client.terminate_task("job", "task")
    info = wait_task(client, "job", "task", seconds=10).execution_info
    assert (info.failure_info.code, info.exit_code) == ("TaskEnded", 7)
    assert container.names() == []


def test_terminate_task_takes_nothing_away(client: BatchClient, azurite: Azurite):
    container = azurite.container()
    add(client, "echo x > f; sleep 600", output("f", container))
    wait_task(client, "job", "task", "running")
    client.terminate_task("job", "task")
    info = wait_task(client, "job", "task").execution_info
    assert info.failure_info.code == "TaskEnded"
    assert container.names() == []


def test_task_that_runs_out_of_time_leaves_its_files(client: BatchClient, azurite: Azurite):
    """What it had written by then says why."""
    container = azurite.container()
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=1))
    info = run(
        client, "echo before; sleep 600", output("../stdout.txt", container, when=FAILURE),
        output("../stderr.txt", container, when=SUCCESS), constraints=limit,
    )  # fmt: skip
    assert (info.failure_info.code, info.failure_info.category) == ("TaskEnded", "servererror")
    assert container.names() == ["stdout.txt"]
    assert container.read("stdout.txt") == b"before\n"


def test_delete_task_while_its_files_go(client: BatchClient, azurite: Azurite, waiting: Gate):
    container = azurite.container()
    add(client, "echo x > f", output("f", waiting.through(container.url("rw"), azurite.url)))
    assert waiting.knocked.wait(60)
    client.delete_task("job", "task")
    assert run(client, "true", name="next").exit_code == 0


def test_retried_task_leaves_the_files_of_its_last_try(client: BatchClient, azurite: Azurite):
    container = azurite.container()
    constraints = models.BatchTaskConstraints(max_task_retry_count=1)
    info = run(client, "echo x >> f; exit 1", output("f", container, when=FAILURE), constraints=constraints)
    assert (info.retry_count, info.exit_code, info.failure_info.code) == (1, 1, "FailureExitCode")
    assert container.read("f") == b"x\nx\n"


def test_job_manager_task_leaves_its_files(client: BatchClient, azurite: Azurite):
    container = azurite.container()
    manager = models.BatchJobManagerTask(
        id="manager", command_line="/bin/sh -c 'echo managed'", output_files=[output("../stdout.txt", container)]
    )
    client.create_job(
        models.BatchJobCreateOptions(
            id="managed", pool_info=models.BatchPoolInfo(pool_id="pool"), job_manager_task=manager
        )
    )
    assert wait_task(client, "managed", "manager").execution_info.result == "success"
    assert container.read("stdout.txt") == b"managed\n"


@pytest.mark.parametrize(("code", "acted"), [(0, "satisfy"), (5, "block")], ids=["file-upload-error", "exit-code-wins"])
def test_file_upload_error_of_exit_conditions(client: BatchClient, azurite: Azurite, code: int, acted: str):
    """Its options act, unless the exit code has its own."""
    client.create_job(
        models.BatchJobCreateOptions(
            id="depending", pool_info=models.BatchPoolInfo(pool_id="pool"), uses_task_dependencies=True
        )
    )
    options = models.ExitOptions
    conditions = models.ExitConditions(
        file_upload_error=options(dependency_action="satisfy"), default=options(dependency_action="block"),
        exit_codes=[models.ExitCodeMapping(code=5, exit_options=options(dependency_action="block"))],
    )  # fmt: skip
    first = models.BatchTaskCreateOptions(
        id="first", command_line=f"/bin/sh -c 'echo x > f; exit {code}'", exit_conditions=conditions,
        output_files=[output("f", azurite.container().url("r"))],
    )  # fmt: skip
    second = models.BatchTaskCreateOptions(
        id="second", command_line="true", depends_on=models.BatchTaskDependencies(task_ids=["first"])
    )
    client.create_task("depending", first)
    client.create_task("depending", second)
    info = wait_task(client, "depending", "first").execution_info
    assert (info.failure_info.code, info.exit_code) == ("FileUploadAccessDenied", code)
    if acted == "satisfy":
        wait_task(client, "depending", "second")
    else:
        assert client.get_task("depending", "second").state == "active"
