"""Many tasks through a server on a Slurm that lose what runs them, again and again; and what has to be true then.

Each task notes in a file of its own that it begins, that it is alive and that it ends. The lines stand in the order in
which they were written, so that a task that ran twice, or twice at once, is seen whatever the servers believe.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from azure.batch import BatchClient, models
from azure.core.exceptions import AzureError
from tests.support.batch import MACHINE, batch_client
from tests.support.claims import Claims
from tests.support.server import RunningServer
from tests.support.slurm import SlurmCluster, eventually

SECONDS = 90
QUICK = {"SlurmdTimeout": 3, "MessageTimeout": 3, "MinJobAge": 5}
"""A cluster that soon takes a machine for dead."""
_BEATS = 5


class Story:
    """A cluster, the servers on it (of one store), a pool of all its machines and a job."""

    def __init__(self, cluster: SlurmCluster, *servers: RunningServer, slots: int = 4) -> None:
        self.cluster, self.servers, self.slots = cluster, servers, slots
        self.dead = set[str]()
        self.notes = cluster.home()
        with self.client() as client:
            client.create_pool(
                models.BatchPoolCreateOptions(
                    id="pool", vm_size="any", target_dedicated_nodes=len(cluster.nodes), task_slots_per_node=slots,
                    virtual_machine_configuration=MACHINE, enable_inter_node_communication=True,
                )
            )  # fmt: skip
            self.add_job(client)
            self.wait(lambda: {node.state for node in client.list_nodes("pool")} == {"idle"}, "the pool is not idle")

    def client(self, server: RunningServer | None = None, retries: int = 5) -> BatchClient:
        return batch_client(server or self.servers[0], retries=retries)

    def add_job(self, client: BatchClient, name: str = "job") -> None:
        client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id="pool")))

    def wait(self, ask: Callable[[], object], complaint: str, seconds: float = SECONDS) -> None:
        """Wait until it is so; who cannot be asked just now is asked again."""

        def asked() -> object:
            try:
                return ask()
            except AzureError:
                return False

        eventually(asked, seconds, complaint)

    def task(self, number: int) -> models.BatchTaskCreateOptions:
        """One that takes a second and exits with a code of its own."""
        note = f'{{ echo "$1 $SLURMD_NODENAME $SLURM_JOB_ID.$$" >> {self.notes}/{number}; }}'
        beats = " ".join(map(str, range(_BEATS)))
        line = f"note() {note}; note begin; for i in {beats}; do sleep 0.2; note alive; done; note end"
        return models.BatchTaskCreateOptions(id=str(number), command_line=f"/bin/sh -c '{line}; exit {_code(number)}'")

    @contextmanager
    def adding(self, number: int, server: RunningServer) -> Iterator[set[int]]:
        """Add so many tasks at that server beside all else; gives those that were acknowledged."""
        added, over = set[int](), threading.Event()
        thread = threading.Thread(target=self._add, args=(number, server, added, over), daemon=True)
        thread.start()
        try:
            yield added
        finally:
            over.set()
            thread.join(30)

    def _add(self, number: int, server: RunningServer, added: set[int], over: threading.Event) -> None:
        """In small collections, again and again until each was acknowledged once."""
        for first in range(0, number, 10):
            tasks = [self.task(each) for each in range(first, min(first + 10, number))]
            while not over.is_set():
                try:
                    with self.client(server, retries=0) as client:
                        answer = client.create_task_collection("job", models.BatchTaskGroup(task_values=tasks))
                except AzureError:
                    over.wait(0.1)  # the server is being started again, or its store is
                    continue
                for result in answer.result_values or []:
                    assert result.error is None or result.error.code == "TaskExists", result
                    added.add(int(result.task_id))
                break

    def completed(self, number: int, server: RunningServer | None = None) -> None:
        """Wait until so many tasks are completed."""

        def enough() -> bool:
            with self.client(server, retries=0) as client:
                return client.get_job_task_counts("job").task_counts.completed >= number

        self.wait(enough, f"{number} tasks are not completed")

    # What has to be true.

    def infos(self) -> dict[int, models.BatchTaskExecutionInfo]:
        """What the server tells of each task's execution."""
        with self.client() as client:
            return {int(task.id): task.execution_info for task in client.list_tasks("job")}

    def lines(self, number: int) -> list[tuple[str, str, str]]:
        """What a task noted: the word, its machine and which of its runs it was."""
        file = self.notes / str(number)
        found = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [(word, node, run) for word, node, run in found]

    def runs(self, number: int) -> list[list[str]]:
        """What each run of a task noted, in the order of their begins. Fails when two of them ran at once."""
        order, words = list[str](), list[list[str]]()
        for word, _, run in self.lines(number):
            if word == "begin":
                assert run not in order
                order.append(run)
                words.append([])
            assert order[-1] == run, f"two runs of task {number} at once: {self.lines(number)}"
            words[-1].append(word)
        return words

    def under_way(self, node: str) -> set[int]:
        """The tasks that have begun on a machine and have neither ended nor come far."""
        found = set[int]()
        for file in self.notes.iterdir():
            lines = self.lines(int(file.name))
            if lines and lines[-1][:2] in {("begin", node), ("alive", node)} and lines[-3:-2] != [("alive", node)]:
                found.add(int(file.name))
        return found

    def check(self, number: int) -> None:
        """Each task completed once, with its own exit code, and its requeues are those that its notes know of."""
        tasks = self.infos()
        with self.client() as client:
            nodes = list(client.list_nodes("pool"))
        assert tasks.keys() == {*range(number)}
        wrong = {name: info.exit_code for name, info in tasks.items() if info.exit_code != _code(name)}
        assert not wrong, f"{wrong}, {[self.runs(name) for name in wrong]}"
        whole = ["begin", *["alive"] * _BEATS, "end"]
        for name, info in tasks.items():
            runs = self.runs(name)
            assert runs[-1] == whole, f"task {name}: {runs}"
            assert len(runs) <= 1 + info.requeue_count, f"task {name} ran {runs}, requeued {info.requeue_count} times"
            assert (info.last_requeue_time is None) == (info.requeue_count == 0)
        requeued = {name: info.requeue_count for name, info in tasks.items() if info.requeue_count}
        assert sum(requeued.values()) <= len(self.lost()) + self.taken_back(), (requeued, self.lost())
        for node in nodes:
            for recent in node.recent_tasks or []:
                assert node.id in {machine for _, machine, _ in self.lines(int(recent.task_id))}, recent

    def check_claims(self, claims: Claims) -> None:
        """Each requeue is an attempt more: one that started and was lost, or one that was taken back before it started.

        The names of runs are told by the folder alone: the number of their task, then that of the attempt.
        """
        assert claims.whole
        started: dict[str, set[int]] = {}
        for run in claims.started:
            task, _, attempt = run.partition(".")
            started.setdefault(task, set()).add(int(attempt))
        requeues = [info.requeue_count or 0 for info in self.infos().values()]
        last = {task: max(attempts) for task, attempts in started.items()}
        assert sorted(last.values()) == sorted(1 + count for count in requeues)
        again = {f"{task}.{each}" for task, attempts in started.items() for each in attempts if each < last[task]}
        never = {f"{task}.{each}" for task in last for each in range(1, last[task])} - claims.started
        lost = self.lost()
        assert lost <= again, f"{lost - again} were lost, and nothing took their place"
        assert sum(requeues) == len(again) + len(never)
        assert claims.taken <= never
        # One that was taken back may have started at that moment, unseen yet: it was ended, and not lost.
        assert len(never) + len(again - lost) <= self.taken_back()
        begun = sum(len(self.runs(number)) for number in self.infos())
        assert 0 <= len(claims.started) - begun <= len(again), "only what was lost may not have come to its first line"

    def log(self) -> str:
        return "".join(server.log for server in self.servers)

    def lost(self) -> set[str]:
        """The runs that servers found lost; one that was killed before it could commit that finds it again."""
        return set(re.findall(r"slurm_run_lost .*?\brun=(\S+)", self.log()))

    def taken_back(self) -> int:
        """How many tasks at most waited on machines that went out of service, and were taken back from there."""
        return self.slots * (len(self.dead) + self.log().count("slurm_machine_resumed"))

    def kill_machine(self, node: str) -> set[int]:
        """Take a machine away with all that runs there, once several tasks do; which did for sure."""
        self.wait(lambda: len(self.under_way(node)) > 1, f"nothing runs on {node}")
        self.dead.add(node)
        sure = self.under_way(node)
        self.cluster.kill_node(node, hard=True)
        return {number for number in sure if self.runs(number)[-1][-1] != "end"}

    def kill_controller(self) -> None:
        """Take slurmctld away with what it has not saved yet, and start it again."""
        self.cluster.kill_controller()
        self.cluster.start_controller()

    def spool(self) -> list[Path]:
        """What stands of runs on the shared folder."""
        (user,) = (self.servers[0].data / "slurm").iterdir()
        return [*user.glob("bunches/*/*"), *user.glob("state/*/*")]

    def nothing_stays(self) -> None:
        """Neither in Slurm's queue nor on the shared folder, and no process of a task."""
        self.wait(lambda: not self.cluster.run("squeue", "-h").strip(), "jobs stay in the queue")
        eventually(lambda: not self.spool(), 30, "files stay in the spool")
        eventually(lambda: not self.processes(), 30, "processes of tasks stay")

    def processes(self) -> Sequence[str]:
        """The command lines of processes that note something here."""
        mark, found = str(self.notes).encode(), list[str]()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if mark in line:
                found.append(line.replace(b"\0", b" ").decode())
        return found


def _code(number: int) -> int:
    return number % 7
