"""`linarite serve`: its options are the settings, all of them."""

from __future__ import annotations

import inspect
from pathlib import Path

from linarite.cli.options import parameters, settings


def serve(*, config: Path | None = None, **flags: object) -> None:
    """Serve Azure Batch, Azure Files, HPC Pack and SuperOffice until stopped.

    Each option can also stand in the file that --config names, as a key with underscores (batch_port = 0), and in the
    environment (LINARITE_BATCH_PORT=0). A flag wins over the environment, that over the file.
    """
    chosen = settings(flags, config)
    from linarite import app

    app.serve(chosen)


serve.__signature__ = inspect.Signature(parameters())  # type: ignore[attr-defined]
serve.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters()}
