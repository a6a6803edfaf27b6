"""docs/settings.md: every setting with its flag, its variable and its key in the file."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import msgspec
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from tests.pages.made import table

from linarite.faces.superoffice import Definition
from linarite.settings import Issuer, Settings, SlurmPool

INTRODUCTION = """
# Settings

Each setting of `linarite serve` is a flag, a variable of the environment and a key of the TOML file that
`--config FILE` (or `LINARITE_CONFIG`) names. A flag wins over the environment, that over the file, that over the
default.
"""

LIMITS = """
## What clients may take

Connections of all ports count together. One beyond `max_connections` takes the place of the one that has been idle
longest; when all are at work it is answered `503 Service Unavailable` with `Retry-After` and closed. Those that are at
work notice nothing. The default follows the hard limit of open files (`ulimit -H -n`, systemd's `LimitNOFILE`), to
which the server raises its own: with 4,096 it is 1,290, from 30,224 on 10,000. Tasks have the limits that it was
started with.

The head of a request has 64 KiB and `head_seconds` from its first byte, or from the connection on. While it is the
client's turn (it sends a body, or takes an answer) at least 1 KiB has to move in `stall_seconds`, else the connection
is closed and the log says so. Work of the server's own has no such limit, and an idle connection is kept for 75
seconds. By https the handshake has a minute, before the connection counts.
"""

ISSUERS = """
## An issuer of bearer tokens

What it means and how Entra is set up: [authentication.md](authentication.md).

```toml
[[issuers]]
issuer = "https://sts.windows.net/<tenant>/"
jwks = "https://login.microsoftonline.com/<tenant>/discovery/v2.0/keys"
roles = { "Batch.Reader" = "read", "Batch.Contributor" = "write" }
```
"""

POOLS = """
## Where the jobs of a pool go on Slurm

For the pool of an id below `slurm.pools`, for all of a vmSize below `slurm.sizes`; what is not said is as for all
others. How a cluster is used: [slurm.md](slurm.md).

```toml
[nodes]
provider = "slurm"

[slurm]
shared = "/shared/linarite"
partition = "batch"

[slurm.pools.training]
partition = "gpu"
options = ["--gres=gpu:1"]

[slurm.sizes.standard_e16_v5]
constraint = "bigmem&ssd"
```
"""

TASKS = """
## A batch task definition

What `POST /api/v1/BatchTask` of SuperOffice starts, by its Name. Its parameters arrive in the environment as
`SO_PARAM_<NAME>`, its Request as `SO_REQUEST`. The pool `superoffice` is made when it is first needed, any other must
be there. `timeout` is in seconds; `restarts` after a failure, -1 for ever; `cancellation` is CanCancel,
CancelWithWarning or CannotCancel; `description` stands for tasks that are started without one.

```toml
[superoffice_tasks.nightly-export]
command = "export --week $SO_PARAM_WEEK"
timeout = 3600
restarts = 1
```
"""


def page() -> str:
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    parts = [INTRODUCTION, table(("setting", "flag", "variable", "default", "what it is"), *rows)]
    parts += [LIMITS]
    parts += [ISSUERS, table(("key", "default", "what it is"), *map(_issuer, Issuer.model_fields.items()))]
    parts += [POOLS, table(("key", "what it is"), *map(_pool, SlurmPool.model_fields.items()))]
    parts += [TASKS, table(("key", "default"), *_definition())]
    return "\n".join(parts)


def _row(name: str, field: FieldInfo) -> tuple[str, ...]:
    flag = "--" + name.replace("_", "-")
    if name == "development":
        flag = "--development / --production"
    words = _words(field.annotation)
    what = (field.description or "") + (f" One of {', '.join(words)}." if words else "")
    return f"`{name}`", f"`{flag}`", f"`LINARITE_{name.upper()}`", _default(name, field), what


def _words(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _default(name: str, field: FieldInfo) -> str:
    if name == "data":
        return "`/var/lib/linarite` for root, else `~/.local/share/linarite`"
    return _shown(field.default)


def _shown(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    return "none" if value in (None, "", (), {}) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _issuer(item: tuple[str, FieldInfo]) -> tuple[str, ...]:
    name, field = item
    return f"`{name}`", _shown(field.default), field.description or ""


def _pool(item: tuple[str, FieldInfo]) -> tuple[str, str]:
    name, field = item
    return f"`{name}`", field.description or ""


def _definition() -> list[tuple[str, str]]:
    fields = msgspec.structs.fields(Definition)
    return [(f"`{field.name}`", "required" if field.required else _shown(field.default)) for field in fields]
