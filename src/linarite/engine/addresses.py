"""What programs reach a node by: a machine of a cluster by its name, one of this machine by an address of its own.

So programs on several nodes can use one port.

All of 127.0.0.0/8 is this machine's: a program that listens on its node's address is reached there from every node,
and leaves the port free for those on the others. By the record's number, two nodes share no address, whatever their
accounts; 127.0.x.y stays with what machines use it for, and no address ends in 0 or 255.
"""

from __future__ import annotations

_LAST, _THIRD, _SECOND = 254, 256, 255


def address(node_key: int) -> str:
    """The IPv4 address of the node with this record number. After 16 million nodes they begin anew."""
    rest, last = divmod(node_key - 1, _LAST)
    rest, third = divmod(rest, _THIRD)
    return f"127.{rest % _SECOND + 1}.{third}.{last + 1}"


def host(node: str, node_key: int, *, machine: bool) -> str:
    """What the node of this id and record number is reached by: its name, if it is a machine of a cluster."""
    return node if machine else address(node_key)
