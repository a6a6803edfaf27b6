"""The dashboard: one plain page that says what is served where, and how much there is of it."""

from linarite.faces.dashboard.face import Dashboard

__all__ = ["Dashboard"]
