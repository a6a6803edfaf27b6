"""Containers that command lines run in: what is asked for, and what became of it. Images are the nodes' own affair.

Names of images and registries are Docker's: a name without a registry is one of `docker.io`.
"""

from __future__ import annotations

import msgspec

DEFAULT_REGISTRY = "docker.io"
_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"})


def reference(image: str) -> str:
    """The whole name of an image, as `docker pull` understands it; one that names its transport stays as it is."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return image
    return f"{DEFAULT_REGISTRY}/{image}" if slash else f"{DEFAULT_REGISTRY}/library/{image}"


class Registry(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where images come from, and who may have them."""

    server: str = ""
    username: str = ""
    password: str = ""

    @property
    def host(self) -> str:
        """The registry as names of images begin: without a scheme, a path or Docker's other names for its own."""
        host = self.server.partition("://")[2] or self.server
        host = host.partition("/")[0].lower()
        return DEFAULT_REGISTRY if not host or host in _ALIASES else host

    def has(self, image: str) -> bool:
        """Tell whether an image comes from here."""
        return reference(image).startswith(f"{self.host}/")


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


class ContainerInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The container of a run: its id, its state in the words of `docker inspect`, and why it could not start."""

    id: str
    state: str = ""
    error: str = ""


class Containers(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes a pool one of containers: images that its nodes bring before they serve, and registries for all."""

    images: tuple[str, ...] = ()
    registries: tuple[Registry, ...] = ()

    def registry_of(self, image: str) -> Registry | None:
        """The registry that an image comes from, where it is one of these."""
        return next((registry for registry in self.registries if registry.has(image)), None)

    def ahead(self) -> tuple[Container, ...]:
        """The images to bring, each with its registry."""
        return tuple([Container(image=image, registry=self.registry_of(image)) for image in self.images])
