"""The loop of a driver: a request a line comes in, `{"op": ..., ...}`, an answer a line goes out.

Runs in the environment of the client that is driven, hence imports nothing but the standard library. An answer is
`{"value": ...}`, or `{"refused": {"status": ..., "code": ..., "kind": ...}}` when the server refused.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


class Refused(Exception):
    """The server refused: the status (None where the client does not tell it), the code, and the client's error."""

    def __init__(self, status: int | None, code: str | None, kind: str | None = None) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.kind = status, code, kind


def serve(operations: Callable[[str], Callable[..., Any]]) -> None:
    """Answer until there are no more requests; `operations` finds the function of a name."""
    out = sys.stdout
    sys.stdout = sys.stderr  # whatever a client prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": operations(request.pop("op"))(**request)}
        except Refused as refused:
            answer = {"refused": {"status": refused.status, "code": refused.code, "kind": refused.kind}}
        out.write(json.dumps(answer, default=str) + "\n")
        out.flush()
