"""From bytes to a struct: JSON as lenient as the service reads it, refused in its words.

A property that a type does not have is refused, as the service does. Source: Batch NOTES sections 1 and 3.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, TypeVar, cast

import msgspec

from linarite.faces.azure_batch import vocabulary
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.versions import LATEST
from linarite.faces.azure_batch.wire.values import word_of

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
    """An element of a body, by the words of the newest version; None is an element that is absent."""

    words: ClassVar[str] = ""
    """The body's name in the vocabulary of versions; a body without one is the same in all of them."""
    several: ClassVar[bool] = False
    """Whether it is a collection, each of whose items has its own answer.

    That is about what items say. What a body is made of is looked at as a whole: a property that its version does not
    have, or a value of another type, in one item refuses the request, as the service's reader of bodies does before it
    knows of tasks (its InvalidRequestBody tells of the reader's own errors: Azure/azure-powershell issue 12147).
    """


class Worded(Element):
    """An element with words of enumerations: read in any letter case, kept as the protocol spells them.

    `spelled` names the fields, or fields that are lists, and their words. InvalidPropertyValue for any other word.
    """

    spelled: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()

    def __post_init__(self) -> None:
        for name, words in self.spelled:
            value = getattr(self, name)
            if value is not None:
                told = self.__struct_encode_fields__[self.__struct_fields__.index(name)]
                is_list = isinstance(value, list)
                found = [word_of(words, item, told) for item in (value if is_list else [value])]
                setattr(self, name, found if is_list else found[0])


class Body(Element):
    """A whole body."""

    odata_metadata: str | None = TYPE


def as_read(kind: type[B], words: str, *names: str) -> type[B]:
    """The body `kind` as a client read it and sends it back: what cannot be changed, and `names`, is passed over."""
    passed_over = [(name, Any, None) for name in (*READ, *names)]
    name, own = f"{kind.__name__}AsRead", {"words": words}
    return cast("type[B]", msgspec.defstruct(name, passed_over, bases=(kind,), namespace=own, kw_only=True))


@cache
def _decoder(kind: type[Element]) -> Any:  # noqa: ANN401 - a cache knows no type variable
    return msgspec.json.Decoder(kind, strict=False)


def decode(body: bytes, kind: type[B], version: str) -> B:
    """The body, in the words of a version, as `kind`. InvalidRequestBody tells what is wrong and where."""
    try:
        if version != LATEST and kind.words:
            told = vocabulary.read(kind.words, msgspec.json.decode(body), version)
            return _whole(msgspec.convert(told, kind, strict=False), version)
        decoder: msgspec.json.Decoder[B] = _decoder(kind)
        found = decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Refusal("InvalidRequestBody", Reason=f"{error}.") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise Refusal("InvalidRequestBody", Reason="The body is no JSON in UTF-8.") from error
    if kind.words:
        vocabulary.check(kind.words, found, version)
    return _whole(found, version)


def _whole(found: B, version: str) -> B:
    """The body, if nothing lacks that the version requires; a collection's items are looked at one by one."""
    if found.words and not found.several:
        vocabulary.require(found.words, found, version)
    return found


def typed(value: object, kind: type[T], name: str) -> T:
    """A part of an element that is kept as it was given, as `kind`, to be checked. InvalidRequestBody."""
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal("InvalidRequestBody", Reason=f"{name}: {error}.") from error


def camel(name: str) -> str:
    """`max_task_retry_count` as the wire has it."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def plain(element: object) -> Any:  # noqa: ANN401 - JSON
    """An element as plain data: what was given, nothing else."""
    return msgspec.to_builtins(element)
