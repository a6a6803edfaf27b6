"""Command line options made from the settings, and settings made from the command line."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from linarite.refusal import Refused
from linarite.settings import Settings, load

PANELS = {
    "tls": "TLS", "task": "Tasks", "allow": "Tasks", "log": "Logs", "events": "History", "finished": "History",
    "development": "Who may call", "issuers": "Who may call", "nodes": "Tasks",
    "slurm": "Slurm",
}  # fmt: skip
"""Where an option stands in `--help`, by its first word."""

Config = Annotated[Path | None, typer.Option("--config", help="A TOML file with any of the settings.")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of everything that is kept.", show_default=False)]


def parameters() -> list[inspect.Parameter]:
    """One option for each setting, and `--config`."""
    made = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    return [_keyword("config", Config), *made]


def _keyword(name: str, annotation: Any) -> inspect.Parameter:  # noqa: ANN401 - a type is made here
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    flag = "--development/--production" if name == "development" else "--" + name.replace("_", "-")
    panel = PANELS.get(name.partition("_")[0], "Serving")
    option = typer.Option(flag, help=f"{field.description}{_default(field)}", rich_help_panel=panel, show_default=False)
    return _keyword(name, Annotated[_plain(field.annotation) | None, option])


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - types
    """The type that the command line reads: what pydantic makes of it follows."""
    if get_origin(annotation) is types.UnionType:
        annotation = next(one for one in get_args(annotation) if one is not types.NoneType)
    if annotation is SecretStr or get_origin(annotation) in {tuple, dict}:
        return str
    return annotation


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    plain = isinstance(value, str | int | float | Path) and not isinstance(value, bool)
    return f" Default: {value}." if plain and value != "" else ""


def settings(flags: dict[str, Any], config: Path | None = None) -> Settings:
    """The settings, or a refusal that names the one that is wrong."""
    try:
        return load(flags, config)
    except ValidationError as error:
        raise Refused(f"Settings: {'; '.join(_wrong(dict(one)) for one in error.errors())}.") from None


def _wrong(error: dict[str, Any]) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"there is none that is called {name}"
    text: str = error["msg"].removeprefix("Value error, ")
    return f"{name}: {text}" if name else text
