"""Containers that command lines run in: what is asked for. The images are the nodes' own affair."""

from __future__ import annotations

import msgspec


class Registry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where images come from, and who may have them."""

    server: str = ""
    username: str = ""
    password: str = ""


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A container for one run.

    `options` are words for the container's runtime. `in_image`: the working directory is the image's own. `mounts` are
    the node's folders that are seen inside, by their names, and whether they are for reading alone; None is all.
    """

    image: str
    options: tuple[str, ...] = ()
    in_image: bool = False
    registry: Registry | None = None
    mounts: tuple[tuple[str, bool], ...] | None = None
