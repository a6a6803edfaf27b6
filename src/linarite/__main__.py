"""`python -m linarite` is the command `linarite`."""

from linarite.cli import main

main()
