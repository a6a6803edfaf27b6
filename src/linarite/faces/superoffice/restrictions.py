"""What rows an archive's list is to have: $filter and restrictions in text, by their grammar, and those in objects.

Both become the engine's conditions, which the store compiles. An operator that a column's type has not is refused.
Source: SuperOffice NOTES section 5; Swagger-v1-BatchTask, 'Filter Operators'; Swagger-v1-ArchiveAgent,
GetArchiveListByColumns2.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Any

from lark import Lark, Token, Transformer, Tree, UnexpectedInput
from lark.exceptions import VisitError

from linarite.engine.filtering import Both, Either, Expression
from linarite.faces.superoffice.comparisons import Asking, compared
from linarite.faces.superoffice.reading import InvalidColumn

LONGEST = 8000
DEEPEST = 50
"""Brackets in each other, at most: the store walks the condition by recursion."""

GRAMMAR = r"""
?start: either
?either: both (_OR both)*
?both: single (_AND single)*
?single: comparison | call | "(" either ")"
comparison: NAME (WORD | NAME | SYMBOL) [values]
call: NAME "(" (NAME | value) "," (NAME | value) ")"
values: value | "(" value ("," value)* ")"
?value: STRING | CODED | MOMENT | NUMBER | TRUTH
_OR.5: /or\b/i
_AND.5: /and\b/i
TRUTH.4: /(true|false)\b/i
WORD.3: /(eq|ne|gt|ge|lt|le|in|is|set)\b/i
MOMENT.2: /\d{4}[-.]\d{1,2}[-.]\d{1,2}(T[0-9:.]+(Z|[+-]\d{2}:?\d{2})?)?/
NUMBER: /-?\d+/
CODED: /\[[A-Z]+:[^\]]*\]/
STRING: /'(?:[^'\\]|''|\\.)*'/
SYMBOL: /<>|!=|<=|>=|=|<|>/
NAME: /[A-Za-z_][A-Za-z0-9_\/]*/
%ignore /\s+/
"""


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr")


def parse(text: str, asking: Asking) -> Expression | None:
    """The condition of a text, None of an empty one. InvalidColumn."""
    if not text.strip():
        return None
    if len(text) > LONGEST or text.count("(") > LONGEST // 4 or _depth(text) > DEEPEST:
        raise InvalidColumn("The filter is too long, or has too many brackets in each other.")
    try:
        tree: Tree[Token] = _parser().parse(text)
        found = _Reader(asking).transform(tree)
    except UnexpectedInput as error:
        raise InvalidColumn(f"The filter cannot be read at character {error.column}: {text!r}.") from None
    except VisitError as error:
        raise error.orig_exc from None
    result: Expression = found
    return result


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def joined(restrictions: Sequence[Expression], operators: Sequence[str]) -> Expression | None:
    """Conditions in a row, each but the last with the word that joins it to the next: And (before Or), or Or."""
    groups: list[list[Expression]] = [[]]
    for condition, operator in zip(restrictions, operators, strict=True):
        groups[-1].append(condition)
        if operator.lower() == "or":
            groups.append([])
    made = [reduce(Both, group) for group in groups if group]
    return reduce(Either, made) if made else None


class _Reader(Transformer[Token, Any]):
    """From the tree to a condition."""

    def __init__(self, asking: Asking) -> None:
        super().__init__()
        self._asking = asking

    def either(self, terms: list[Expression]) -> Expression:
        return reduce(Either, terms)

    def both(self, terms: list[Expression]) -> Expression:
        return reduce(Both, terms)

    def values(self, values: list[str]) -> list[str]:
        return values

    def comparison(self, parts: list[Any]) -> Expression:
        name, operator, values = parts
        return compared(str(name), str(operator), values or [], self._asking)

    def call(self, parts: list[Any]) -> Expression:
        function, first, second = (str(part) for part in parts)
        match function.lower():
            case "startswith":
                return compared(first, "begins", [second], self._asking)
            case "endswith":
                return compared(first, "ends", [second], self._asking)
            case "substringof":
                return compared(second, "contains", [first], self._asking)
        raise InvalidColumn(f"There is no function {function!r} in a filter.")

    def STRING(self, token: Token) -> str:  # noqa: N802 - lark calls terminals by their names
        return unquoted(str(token))


def unquoted(text: str) -> str:
    """The text of a literal: a quote inside is doubled, or has a backslash before it."""
    found, inner, place = list[str](), text[1:-1], 0
    while place < len(inner):
        if inner[place] in "'\\" and place + 1 < len(inner):
            place += 1
        found.append(inner[place])
        place += 1
    return "".join(found)
