"""Command line options made from the settings, and settings made from the command line."""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from linarite.refusal import Refused
from linarite.settings import Settings, load

PANELS = {
    "tls": "TLS", "task": "Tasks", "allow": "Tasks", "log": "Logs", "events": "History", "finished": "History",
    "development": "Who may call", "issuers": "Who may call", "nodes": "Tasks",
    "slurm": "Slurm",
}  # fmt: skip
"""Where an option stands in `--help`, by its first word."""


def path(text: str) -> Path:
    """What the words of an option or argument name. An empty word, a variable that is not set, is no current folder."""
    if not text:
        raise typer.BadParameter("An empty word names no path.")
    return Path(text)


Config = Annotated[
    Path | None, typer.Option("--config", parser=path, metavar="<path>", help="A TOML file with any of the settings.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", parser=path, metavar="<path>", help="Folder of everything that is kept.", show_default=False
    ),
]

_KINDS = {
    "int": "has to be a whole number", "float": "has to be a number", "bool": "has to be true or false",
    "string": "has to be a text", "tuple": "has to be a list", "dict": "has to be a table",
    "model": "has to be a table", "path": "has to be a path",
}  # fmt: skip
"""What is said of a value of another kind, by the first word of pydantic's name of the error."""


def parameters() -> list[inspect.Parameter]:
    """One option for each setting, and `--config`."""
    made = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    return [_keyword("config", Config), *made]


def _keyword(name: str, annotation: Any) -> inspect.Parameter:  # noqa: ANN401 - a type is made here
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    flag = "--development/--production" if name == "development" else "--" + name.replace("_", "-")
    panel = PANELS.get(name.partition("_")[0], "Serving")
    annotation = field.annotation
    if get_origin(annotation) is types.UnionType:
        annotation = next(one for one in get_args(annotation) if one is not types.NoneType)
    option = typer.Option(
        flag, help=f"{field.description}{_default(field)}", rich_help_panel=panel, show_default=False,
        metavar=None if annotation is bool else _shown(annotation),
    )  # fmt: skip
    # What the words mean is left to the settings, whose refusals are the same for flag, variable and file.
    return _keyword(name, Annotated[(bool if annotation is bool else str) | None, option])


def _shown(annotation: Any) -> str:  # noqa: ANN401 - a type
    """What stands for the value in `--help`."""
    if get_origin(annotation) is Literal:
        return f"<{'|'.join(get_args(annotation))}>"
    return {int: "<int>", float: "<float>", Path: "<path>"}.get(annotation, "<str>")


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
    kind, _, how = error["type"].partition("_")
    if how in {"type", "parsing", "from_float"} and kind in _KINDS:
        return f"{name} {_KINDS[kind]}"
    text: str = error["msg"].removeprefix("Value error, ").replace("Input should be", "it has to be")
    return f"{name}: {text}" if name else text
