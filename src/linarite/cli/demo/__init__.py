"""`linarite demo`: real work through all four protocols, with the clients that people use, on a server of its own.

The source files of this machine's own Python standard library go up to a file share; a task for each counts its
identifiers; one more adds the counts up. Nothing is left behind.
"""

from linarite.cli.demo.show import demo

__all__ = ["demo"]
