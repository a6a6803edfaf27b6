"""From text to a formula, by a grammar. An LALR parser keeps its own stack: parentheses cannot exhaust Python's."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken

from linarite.engine.autoscale.faults import Place, SyntaxFault
from linarite.engine.autoscale.syntax import (
    Call,
    Chain,
    Choice,
    Expression,
    Formula,
    Link,
    Member,
    Method,
    Name,
    Number,
    Statement,
    Text,
    Unary,
    Vector,
)  # fmt: skip

LONGEST = 8192
"""Characters of a formula, at most."""
MOST_STATEMENTS = 100
DEEPEST = 100
"""Operands within operands, at most: the evaluation goes down by recursion. A limit of our own."""

GRAMMAR = r"""
start: statement? (";" statement?)*
statement: NAME "=" choice -> assignment
         | choice -> bare
?choice: either
       | either QUESTION choice ":" choice
?either: both | both (OR both)+ -> chain
?both: equality | equality (AND equality)+ -> chain
?equality: comparison | comparison (EQUALITY comparison)+ -> chain
?comparison: sum | sum (ORDER sum)+ -> chain
?sum: product | product ((PLUS | MINUS) product)+ -> chain
?product: unary | unary (PRODUCT unary)+ -> chain
?unary: postfix
      | (MINUS | NOT) unary -> sign
?postfix: primary
        | postfix "." NAME -> member
        | postfix "." NAME OPEN arguments ")" -> method
?primary: "(" choice ")"
        | NUMBER -> number
        | STRING -> text
        | NAME -> name
        | NAME OPEN arguments ")" -> call
        | BRACKET arguments "]" -> vector
arguments: (choice ("," choice)*)?

QUESTION: "?"
OR: "||"
AND: "&&"
EQUALITY: "==" | "!="
ORDER: "<=" | ">=" | "<" | ">"
PLUS: "+"
MINUS: "-"
PRODUCT: "*" | "/"
NOT: "!"
OPEN: "("
BRACKET: "["
NAME: /\$?[A-Za-z_][A-Za-z0-9_]*/
NUMBER: /([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/
STRING: /"[^"\r\n]*"/
COMMENT.2: /\/\/[^\r\n]*/ | /\/\*[\s\S]*?\*\//
%ignore COMMENT
%ignore /\s+/
"""


def _place(token: Token) -> Place:
    return Place(token.line or 1, token.column or 1)


def _depth(place: Place, *parts: Expression) -> int:
    """The nesting of what is made of these parts. SyntaxFault when it is too deep."""
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > DEEPEST:
        raise SyntaxFault(place, f"The formula is nested more than {DEEPEST} deep.")
    return depth


class _Build(Transformer[Token, Formula]):
    """Makes each part when the parser has read it, so that no tree is gone through by recursion."""

    def start(self, statements: list[Statement]) -> Formula:
        if len(statements) > MOST_STATEMENTS:
            place = statements[MOST_STATEMENTS].place
            raise SyntaxFault(place, f"The formula has more than {MOST_STATEMENTS} statements.")
        return tuple(statements)

    def assignment(self, parts: list[Any]) -> Statement:
        name, expression = parts
        return Statement(_place(name), str(name), expression)

    def bare(self, parts: list[Expression]) -> Statement:
        return Statement(getattr(parts[0], "place", Place(1, 1)), None, parts[0])

    def choice(self, parts: list[Any]) -> Expression:
        test, mark, yes, no = parts
        place = _place(mark)
        return Choice(place, test, yes, no, _depth(place, test, yes, no))

    def chain(self, parts: list[Any]) -> Expression:
        first, *rest = parts
        pairs = zip(rest[::2], rest[1::2], strict=True)
        links = tuple(Link(_place(operator), str(operator), operand) for operator, operand in pairs)
        return Chain(first, links, _depth(links[0].place, first, *(link.operand for link in links)))

    def sign(self, parts: list[Any]) -> Expression:
        operator, operand = parts
        place = _place(operator)
        return Unary(place, str(operator), operand, _depth(place, operand))

    def member(self, parts: list[Any]) -> Expression:
        target, name = parts
        place = _place(name)
        return Member(place, target, str(name), _depth(place, target))

    def method(self, parts: list[Any]) -> Expression:
        target, name, mark, arguments = parts
        place = _place(mark)
        return Method(place, target, str(name), arguments, _depth(place, target, *arguments))

    def number(self, tokens: list[Token]) -> Expression:
        return Number(float(tokens[0]))

    def text(self, tokens: list[Token]) -> Expression:
        return Text(str(tokens[0])[1:-1])

    def name(self, tokens: list[Token]) -> Expression:
        return Name(_place(tokens[0]), str(tokens[0]))

    def call(self, parts: list[Any]) -> Expression:
        name, mark, arguments = parts
        place = _place(mark)
        return Call(place, str(name), arguments, _depth(place, *arguments))

    def vector(self, parts: list[Any]) -> Expression:
        mark, items = parts
        place = _place(mark)
        return Vector(place, items, _depth(place, *items))

    def arguments(self, parts: list[Expression]) -> tuple[Expression, ...]:
        return tuple(parts)


_parser = Lark(GRAMMAR, parser="lalr", transformer=_Build())


@lru_cache(maxsize=32)
def parse(text: str) -> Formula:
    """The formula that a text is. SyntaxFault."""
    if len(text) > LONGEST:
        raise SyntaxFault(Place(1, 1), f"The formula has more than {LONGEST} characters.")
    try:
        return cast("Formula", _parser.parse(text))
    except UnexpectedInput as error:
        raise _fault(text, error) from error


def _fault(text: str, error: UnexpectedInput) -> SyntaxFault:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        lines = text.split("\n")
        return SyntaxFault(Place(len(lines), len(lines[-1]) + 1), "The formula ends too early.")
    found = error.token if isinstance(error, UnexpectedToken) else getattr(error, "char", "")
    return SyntaxFault(Place(error.line, error.column), f"'{found}' is not expected here.")
