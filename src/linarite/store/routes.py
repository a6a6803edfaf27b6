"""Which indexes hold all that a condition can find: a list walks them instead of all its records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from linarite.engine.filtering import Both, Compare, Expression
from linarite.store.schema import Partial, Whole

Walk = Whole | Partial
"""An index by (home, key): walked, it gives records of one home in the order of keys."""


class Routes(NamedTuple):
    """The indexes of a list that hold few of its records.

    `seldom` has them in order, the fewest records expected first. `of` names those that hold every record for which a
    comparison holds, None when there are none such; an empty answer means that nothing matches.
    """

    seldom: Sequence[Walk]
    of: Callable[[Compare], Sequence[Walk] | None]

    def through(self, where: Expression) -> Sequence[Walk] | None:
        """Indexes that together hold every record for which the condition holds; None when they do not."""
        if isinstance(where, Compare):
            return self.of(where)
        left, right = self.through(where.left), self.through(where.right)
        if isinstance(where, Both):
            given = [walks for walks in (left, right) if walks is not None]
            return min(given, key=self._expected, default=None)
        return None if left is None or right is None else tuple(dict.fromkeys((*left, *right)))

    def _expected(self, walks: Sequence[Walk]) -> int:
        return max((self.seldom.index(walk) for walk in walks), default=-1)
