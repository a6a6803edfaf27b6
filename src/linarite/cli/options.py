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
    "hpc": "Serving",
    "tls": "TLS",
    "task": "Tasks",
    "allow": "Tasks",
    "log": "Logs",
    "events": "History",
    "finished": "History",
}


def parameters() -> list[inspect.Parameter]:
    """One option for each setting, and `--config`."""
    config = Annotated[Path | None, typer.Option("--config", help="A TOML file with any of these settings.")]
    made = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    return [_keyword("config", config), *made]


def _keyword(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=None)


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    flag, plain = "--" + name.replace("_", "-"), _plain(field.annotation)
    if name == "development":
        flag = "--development/--production"
    option = typer.Option(
        flag,
        help=field.description,
        show_default=_default(field),
        rich_help_panel=PANELS.get(name.partition("_")[0], "Serving"),
    )
    return _keyword(name, Annotated[plain | None, option])


def _plain(annotation: Any) -> Any:
    """The type that the command line reads: what pydantic makes of it follows."""
    if get_origin(annotation) in {types.UnionType}:
        annotation = next(one for one in get_args(annotation) if one is not types.NoneType)
    if annotation is SecretStr or get_origin(annotation) in {tuple, dict}:
        return str
    return annotation


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True)
    return False if value in (None, (), False) else str(value)


def settings(flags: dict[str, Any], config: Path | None = None) -> Settings:
    """The settings, or a refusal that names the one that is wrong."""
    try:
        return load(flags, config)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}" for one in error.errors())
        raise Refused(f"Settings: {wrong}.") from None
    except (OSError, ValueError) as error:
        raise Refused(f"Settings: {error}.") from None
