"""The one way in which a command says no to the person who typed it."""


class Refused(Exception):
    """The command cannot do what was asked: the message is a sentence that says why and what would help."""
