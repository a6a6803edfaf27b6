"""How large an array Slurm takes just now: it counts the jobs that it knows, everybody's, and takes none beyond."""

from __future__ import annotations

from linarite.nodes.slurm.commands import Limits

GATHER = 0.03
"""Seconds for which runs that are ready wait for others of their kind."""
_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
"""Seconds until Slurm is tried again that took not even a single one; each pause is twice as long as the one before."""


class Room:
    """What the cluster allows; where something was refused half of that, and twice as much with all that is taken."""

    def __init__(self) -> None:
        """Nothing was refused."""
        self.limits = Limits()
        self._found: int | None = None
        self._pause = 0.0

    @property
    def most(self) -> int:
        """So many elements may an array have."""
        return self.limits.array if self._found is None else min(self._found, self.limits.array)

    @property
    def narrow(self) -> bool:
        """Whether something was refused, so that what is ready is better tried piece by piece."""
        return self._found is not None

    @property
    def pause(self) -> float:
        """Seconds to wait before the next submission."""
        return max(GATHER, self._pause)

    def refused(self, size: int) -> None:
        """Slurm took none of so many."""
        if size <= 1:
            self._pause = min(max(2 * self._pause, _PAUSE), _LONGEST_PAUSE)
        self._found = max(1, min(size // 2, self.most))

    def took(self) -> None:
        """Slurm took something."""
        self._pause = 0.0
        if self._found is not None:
            self._found = 2 * self._found if 2 * self._found < self.limits.array else None
