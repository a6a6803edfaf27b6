"""Files below a root, and nothing else: no protocol, no engine, no names of shares or tasks."""

from linarite.fs.beneath import Beneath, Entry, Escapes

__all__ = ["Beneath", "Entry", "Escapes"]
