"""Those who make folders and move files on the shared folder: a carrier for each Unix user, on the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread

from linarite.engine.launching import Launch
from linarite.engine.outputs import OutputFile
from linarite.engine.packages import Package
from linarite.nodes.moving.carriage import Carriage, Told
from linarite.nodes.slurm.users import Runner


class Porter:
    """Asks the carriers; each leaves after a while without work, and another one comes when there is some."""

    def __init__(self, ca_file: Path | None, patience: float) -> None:
        """`ca_file` names certificate authorities that fetches trust besides the system's."""
        self._ca_file, self._patience = ca_file, patience
        self._carriages: dict[int, Carriage] = {}

    def prepare(self, runner: Runner, launch: Launch, root: str, archives: str, done: Told) -> int:
        """Make a run's folders and bring all that is to be there; gives the errand's number."""
        return self._with(runner, lambda carriage: carriage.prepare(launch, root, archives, done))

    def make_node(self, runner: Runner, root: str, packages: Sequence[Package], archives: str, done: Told) -> None:
        """Make a node's folders and install its packages."""
        self._with(runner, lambda carriage: carriage.make_node(root, packages, archives, done))

    def take_away(
        self, runner: Runner, outputs: Sequence[OutputFile], directory: str, variables: dict[str, str], done: Told
    ) -> int:
        """Send files of a task's directory; gives the errand's number."""
        return self._with(runner, lambda carriage: carriage.take_away(outputs, directory, variables, done))

    def remove(self, runner: Runner, path: str, trash: str, keep: str, done: Told) -> None:
        """Move a folder out of the way and remove it slowly."""
        self._with(runner, lambda carriage: carriage.remove(path, trash, keep, done))

    def sweep(self, runner: Runner, trash: str) -> None:
        """Go on with what is out of the way."""
        self._with(runner, lambda carriage: carriage.remove("", trash, "", lambda _: None))

    def cancel(self, runner: Runner, errand: int) -> None:
        """Give up an errand: its `done` is not called any more."""
        carriage = self._carriages.get(runner.uid)
        if carriage is not None:
            carriage.cancel(errand)
            self._watch(carriage)

    def close(self) -> None:
        """Let the carriers go; what they were asked is asked again after a start."""
        for carriage in self._carriages.values():
            self._let_go(carriage)
        self._carriages.clear()

    def _with(self, runner: Runner, ask: Callable[[Carriage], int]) -> int:
        carriage = self._carriages.get(runner.uid)
        if carriage is not None and carriage.spent:
            self._let_go(carriage)
            carriage = None
        if carriage is None:
            carriage = self._carriages[runner.uid] = Carriage(self._options(runner))
            asyncio.get_running_loop().add_reader(carriage.connection, self._receive, carriage)
        number = ask(carriage)
        self._watch(carriage)
        return number

    def _options(self, runner: Runner) -> list[str]:
        words = ["--patience", str(self._patience), "--private"]
        given: dict[str, object] = {"--ca-file": self._ca_file}
        if not runner.own:
            given |= {"--uid": runner.uid, "--gid": runner.gid}
        for name, value in given.items():
            words += [] if value is None else [name, str(value)]
        return words

    def _receive(self, carriage: Carriage) -> None:
        carriage.receive()
        self._watch(carriage)

    def _send(self, carriage: Carriage) -> None:
        carriage.send()
        self._watch(carriage)

    def _watch(self, carriage: Carriage) -> None:
        loop = asyncio.get_running_loop()
        if carriage.gone:
            self._let_go(carriage)
            return
        if carriage.waits:
            loop.add_writer(carriage.connection, self._send, carriage)
        else:
            loop.remove_writer(carriage.connection)
        if (idle := carriage.idle_for) is not None:
            loop.call_later(idle + 1, self._retire, carriage)

    def _retire(self, carriage: Carriage) -> None:
        """Let a carrier go that has had nothing to do for long."""
        if carriage.spent and carriage in self._carriages.values():
            self._carriages = {uid: one for uid, one in self._carriages.items() if one is not carriage}
            self._let_go(carriage)

    @staticmethod
    def _let_go(carriage: Carriage) -> None:
        """It ends with its connection; a thread waits for that, as a parent has to."""
        loop = asyncio.get_running_loop()
        if carriage.connection.fileno() >= 0:
            loop.remove_reader(carriage.connection)
            loop.remove_writer(carriage.connection)
            carriage.connection.close()
            Thread(target=os.waitpid, args=(carriage.pid, 0), daemon=True).start()
