"""The log sender: `python -m linarite.nodes.moving.log_sender`, a process that sends the logs of one node and leaves.

What it sends is read by the server, who alone may: it comes over standard input as one `Parcel`. Where it goes is the
caller's word, so the process gives up its privileges before it opens a connection. Its exit status tells how it went.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from functools import partial

import msgspec

from linarite.engine.outputs import OutputFile
from linarite.nodes.access import drop_privileges
from linarite.nodes.moving.blobs import Storage, send_blob
from linarite.nodes.moving.bringing import Bringing
from linarite.nodes.moving.errors import MovingError, Stop
from linarite.nodes.moving.fetching import make_context
from linarite.nodes.moving.parcels import Parcel
from linarite.nodes.moving.working import Patience

TRIES = 3


def main(arguments: list[str]) -> int:
    """Send the parcel; 1 when a file did not go."""
    parser = argparse.ArgumentParser(prog="linarite.nodes.moving.log_sender")
    parser.add_argument("--uid", type=int, help="become this user before anything is sent")
    parser.add_argument("--ca-file", help="trust these certificate authorities too")
    parser.add_argument("--patience", type=float, default=30.0, help="seconds to try again when the other side fails")
    options = parser.parse_args(arguments)
    context, patience = make_context(options.ca_file), Patience(options.patience)
    storage = Storage(context, TRIES if options.patience else 0)
    Bringing(context, storage, patience).warm_up()
    parcel = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Parcel)
    if options.uid is not None:
        drop_privileges(options.uid)
    return _send(parcel, storage, patience)


def _send(parcel: Parcel, storage: Storage, patience: Patience) -> int:
    output, stop, failed = OutputFile(pattern="", url=parcel.url), Stop(), 0
    for name, content in parcel.files.items():
        try:
            patience.keep(stop, partial(_send_once, storage, output, name, content, stop))
        except MovingError as error:
            failed = 1
            sys.stderr.write(f"{name}: {error.problem.message}\n")
    return failed


def _send_once(storage: Storage, output: OutputFile, name: str, content: bytes, stop: Stop) -> None:
    send_blob(storage, output, name, io.BytesIO(content), len(content), {}, stop)


if __name__ == "__main__":
    # At once: what keeps connections waits for nobody.
    status = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(status)
