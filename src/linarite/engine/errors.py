"""The whole family of refusals, on one screen.

Each face has one table from these classes to its own (status, code, message); a test says that every table is total.
An error carries facts (names, values, limits), never a status code and never a vendor's word for it.
"""

from __future__ import annotations

from collections.abc import Sequence


class EngineError(Exception):
    """A refusal: nothing was changed. `message` is a plain sentence fit for a person."""

    def __init__(self, message: str = "", /, **facts: object) -> None:
        """Keep the sentence and the facts (names to plain values) that a face may render."""
        super().__init__(message)
        self.message = message
        self.facts = facts


class NotFound(EngineError):
    """`kind` (account, pool, node, job, task, file, share, directory ...) with `id` does not exist."""

    def __init__(self, kind: str, id: str = "", /, **facts: object) -> None:
        """Name what was looked for."""
        super().__init__(f"The {kind} {id!r} does not exist." if id else f"The {kind} does not exist.", **facts)
        self.kind, self.id = kind, id


class AlreadyExists(EngineError):
    """`kind` with `id` is there already (ids are compared without regard to case)."""

    def __init__(self, kind: str, id: str = "", /, **facts: object) -> None:
        """Name what stands in the way."""
        super().__init__(f"The {kind} {id!r} already exists.", **facts)
        self.kind, self.id = kind, id


class WrongState(EngineError):
    """`kind` is in `state`, which does not allow `action` (terminate, add task, resize, submit ...)."""

    def __init__(self, kind: str, state: str, action: str, message: str = "", /, **facts: object) -> None:
        """Name the thing, its state and what was asked."""
        super().__init__(message or f"A {kind} in state {state} does not allow: {action}.", **facts)
        self.kind, self.state, self.action = kind, state, action


class InvalidValue(EngineError):
    """A property has a value that is not allowed: `name`, `value`, `reason`."""

    def __init__(self, name: str, value: object, reason: str, /, **facts: object) -> None:
        """Name the property, its value as given and why it is refused."""
        super().__init__(f"{name}: {reason}", **facts)
        self.name, self.value, self.reason = name, value, reason


class MissingValue(EngineError):
    """A required property is absent: `name`."""

    def __init__(self, name: str, /, **facts: object) -> None:
        """Name the property."""
        super().__init__(f"{name} is required.", **facts)
        self.name = name


class DependenciesNotEnabled(EngineError):
    """A task names dependencies, its job does not use them."""


class DependencyListTooLong(EngineError):
    """The task ids of one task's dependencies exceed 64,000 characters together."""


class DependencyRangesTooLong(EngineError):
    """The task id ranges of one task's dependencies exceed the limit."""


class TooMany(EngineError):
    """More items than one call may bring: `limit`."""


class UnknownPackages(EngineError):
    """Application packages that are asked for are not there, or no version is named and there is no default one."""

    def __init__(self, packages: Sequence[str]) -> None:
        """Name the packages."""
        super().__init__(f"There is no such package: {', '.join(packages)}.", packages=", ".join(packages))
        self.packages = tuple(packages)


class ConditionNotMet(EngineError):
    """A condition on a tag or a date did not hold."""


class NotAllowed(EngineError):
    """The caller is known, and may not do this."""


class NotSupported(EngineError):
    """The operation or the parameter is not there yet: `what`."""


class FilesUnavailable(EngineError):
    """The files of the task cannot be read: it has not started, its node is gone or they were cleaned up (`reason`)."""


class PathRefused(EngineError):
    """A path would leave its root, or is no path at all."""


class TooSoon(EngineError):
    """The same was asked a moment ago: try again later."""


class Unavailable(EngineError):
    """The server cannot answer just now (stopping, store not reachable): try again."""
