"""Tables of routes: method and pattern of segments to a handler.

A pattern is `/jobs/{job}/tasks/{task}/files/{path*}`: `{name}` takes one segment, `{name*}` the rest. Segments are
matched on the raw path and decoded once each, so that an encoded slash stays inside its segment. The rest may be the
path of a file, whose name need not be UTF-8: other bytes come as surrogates, as from `os`. A router may ignore letter
case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import unquote

from linarite.http.messages import Request, Response

Handler = Callable[[Request, dict[str, str]], Awaitable[Response]]


class Route:
    """One row of a face's table. `name` is the operation's own name in its protocol's reference."""

    __slots__ = ("facts", "handler", "method", "name", "pattern")

    def __init__(self, method: str, pattern: str, handler: Handler, name: str, **facts: Any) -> None:  # noqa: ANN401
        """`facts` are the face's own (versions, roles, source page)."""
        self.method, self.pattern, self.handler, self.name, self.facts = method, pattern, handler, name, facts


class Match:
    """What a path and method led to: a route with its parameters, or the methods that the path would allow."""

    __slots__ = ("allowed", "parameters", "route")

    def __init__(self, route: Route | None, parameters: dict[str, str], allowed: tuple[str, ...]) -> None:
        """`allowed` is empty when the path itself is unknown."""
        self.route, self.parameters, self.allowed = route, parameters, allowed


class _Branch:
    __slots__ = ("children", "routes", "tail", "wild")

    def __init__(self) -> None:
        self.children: dict[str, _Branch] = {}
        self.wild: _Branch | None = None
        self.tail: dict[str, tuple[Route, tuple[str, ...]]] = {}
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}


class Router:
    """A tree of segments."""

    def __init__(self, routes: Iterable[Route], *, ignore_case: bool = False) -> None:
        """Build the tree; a face's table is `routes`."""
        self.routes = tuple(routes)
        self._ignore_case = ignore_case
        self._root = _Branch()
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        branch, names = self._root, list[str]()
        for segment in route.pattern.strip("/").split("/") if route.pattern.strip("/") else ():
            if segment.endswith("*}"):
                branch.tail[route.method] = (route, (*names, segment[1:-2]))
                return
            if segment.startswith("{"):
                names.append(segment[1:-1])
                branch.wild = branch.wild or _Branch()
                branch = branch.wild
            else:
                branch = branch.children.setdefault(segment.lower() if self._ignore_case else segment, _Branch())
        branch.routes[route.method] = (route, tuple(names))

    def match(self, method: str, raw_path: str) -> Match:
        """Find the row. Literal segments win over parameters, a whole match over a tail."""
        segments = [part for part in raw_path.split("/") if part]
        allowed: dict[str, None] = {}
        found = self._walk(self._root, segments, 0, (), method, allowed)
        if found is None:
            return Match(None, {}, tuple(allowed))
        route, names, values = found
        return Match(route, dict(zip(names, values, strict=True)), ())

    def _walk(
        self,
        branch: _Branch,
        segments: list[str],
        index: int,
        values: tuple[str, ...],
        method: str,
        allowed: dict[str, None],
    ) -> tuple[Route, tuple[str, ...], tuple[str, ...]] | None:
        if index == len(segments):
            allowed.update(dict.fromkeys(branch.routes))
            entry = branch.routes.get(method)
            return (entry[0], entry[1], values) if entry else None
        segment = segments[index]
        child = branch.children.get(segment.lower() if self._ignore_case else segment)
        if child is not None:
            found = self._walk(child, segments, index + 1, values, method, allowed)
            if found:
                return found
        if branch.wild is not None:
            found = self._walk(branch.wild, segments, index + 1, (*values, unquote(segment)), method, allowed)
            if found:
                return found
        allowed.update(dict.fromkeys(branch.tail))
        entry = branch.tail.get(method)
        if entry is None:
            return None
        rest = "/".join(unquote(part, errors="surrogateescape") for part in segments[index:])
        return entry[0], entry[1], (*values, rest)
