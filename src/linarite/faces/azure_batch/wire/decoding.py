"""From bytes to a struct: JSON as lenient as the service reads it, refused in its words.

A property that a type does not have is refused, as the service does. Source: Batch NOTES sections 1 and 3.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from linarite.faces.azure_batch.errors import Refusal

B = TypeVar("B", bound="Element")
T = TypeVar("T")
READ = (
    "url", "e_tag", "last_modified", "creation_time", "state", "state_transition_time", "previous_state",
    "previous_state_transition_time", "execution_info", "stats",
)  # fmt: skip
"""What a record shows that no request can change."""
TYPE: str | None = msgspec.field(default=None, name="odata.metadata")
"""Clients may repeat the type of a body in this property."""


class Element(msgspec.Struct, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """An element of a body; None is an element that is absent."""


class Body(Element):
    """A whole body."""

    odata_metadata: str | None = TYPE


def as_read(kind: type[B], *names: str) -> type[B]:
    """The body `kind` as a client read it and sends it back: what cannot be changed, and `names`, is passed over."""
    passed_over = [(name, Any, None) for name in (*READ, *names)]
    return cast("type[B]", msgspec.defstruct(f"{kind.__name__}AsRead", passed_over, bases=(kind,), kw_only=True))


@cache
def _decoder(kind: type[Element]) -> Any:  # noqa: ANN401 - a cache knows no type variable
    return msgspec.json.Decoder(kind, strict=False)


def decode(body: bytes, kind: type[B]) -> B:
    """The body as `kind`. InvalidRequestBody tells what is wrong and where."""
    try:
        decoder: msgspec.json.Decoder[B] = _decoder(kind)
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Refusal("InvalidRequestBody", Reason=f"{error}.") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise Refusal("InvalidRequestBody", Reason="The body is no JSON in UTF-8.") from error


def typed(value: object, kind: type[T], name: str) -> T:
    """A part of an element that is kept as it was given, as `kind`, to be checked. InvalidRequestBody."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal("InvalidRequestBody", Reason=f"{name}: {error}.") from error


def plain(element: object) -> Any:  # noqa: ANN401 - JSON
    """An element as plain data: what was given, nothing else."""
    return msgspec.to_builtins(element)
