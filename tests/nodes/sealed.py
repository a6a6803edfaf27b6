"""Moves files as a carrier does that cannot read its own installation any more: python tests/nodes/sealed.py WORK.

WORK is JSON: `directory` of a task, `fetches` and `outputs` as the engine states them. What was still imported is
printed, as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from linarite.engine.launching import Fetch
from linarite.engine.outputs import OutputFile
from linarite.nodes.moving.blobs import Storage
from linarite.nodes.moving.bringing import Bringing
from linarite.nodes.moving.errors import MovingError, Stop
from linarite.nodes.moving.fetching import make_context
from linarite.nodes.moving.sending import Journey
from linarite.nodes.moving.working import Patience


class Seal:
    """Finds nothing, and remembers what was looked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        self.asked.append(name)
        raise ModuleNotFoundError(name)


def main(work: dict[str, Any]) -> None:
    context = make_context(None)
    storage, patience = Storage(context, 0), Patience(0.0)
    bringing = Bringing(context, storage, patience)
    bringing.warm_up()
    seal = Seal()
    sys.meta_path.insert(0, seal)
    codes = []
    for fetch in msgspec.convert(work["fetches"], list[Fetch]):
        try:
            bringing.bring([fetch], f"{work['directory']}/wd", Stop())
        except MovingError as error:
            codes.append(error.problem.code)
        else:
            codes.append("")
    for output in msgspec.convert(work["outputs"], list[OutputFile]):
        try:
            Journey(storage, patience, work["directory"], {}).send([output], Stop())
        except MovingError as error:
            codes.append(error.problem.code)
        else:
            codes.append("")
    print(json.dumps({"imported": seal.asked, "codes": codes}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
