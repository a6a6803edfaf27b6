"""The schema as it first was. A database of that age was made whole, so there is nothing to do."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: see above."""


def downgrade() -> None:
    """Nothing comes before."""
