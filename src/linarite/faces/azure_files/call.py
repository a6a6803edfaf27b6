"""One request on its way through the face: what operations are given, and how they read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog

from linarite.engine.model import Role
from linarite.engine.sharing import Place, Sharing
from linarite.engine.sharing.leases import Claim
from linarite.faces.azure_files import conditions
from linarite.faces.azure_files.address import Address
from linarite.faces.azure_files.errors import Refused, bad_header, bad_query, missing_header
from linarite.faces.azure_files.values import is_guid
from linarite.http.messages import Request, Response
from linarite.http.numbers import parse_integer

log = structlog.get_logger("linarite.azure_files")
LETTERS = {Role.READ: "rl", Role.WRITE: "rcwdlaup", Role.ADMIN: "rcwdlaup"}


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls. `kind`: owner (a key), bearer, account-sas, service-sas.

    `fields` are those of the signature, of a token its `oid`, `tid` and `role`. `permissions` and `types` are letters;
    a key has all of them.
    """

    kind: str
    permissions: str = "rcwdlaup"
    types: str = "sco"
    fields: dict[str, str] = {}


class Call:
    """A request that was read: its address, its caller, its version, and the engine to ask."""

    __slots__ = (
        "account_keys",
        "address",
        "base_url",
        "caller",
        "copies",
        "elsewhere",
        "files",
        "is_premium",
        "newer",
        "now",
        "only_new",
        "request",
        "resolve",
        "service",
        "shares",
        "tells_md5",
        "version",
    )

    def __init__(self, request: Request, address: Address, version: str, sharing: Sharing) -> None:
        self.request, self.address, self.version = request, address, version
        self.files, self.shares, self.service = sharing.files, sharing.shares, sharing.service
        self.copies, self.elsewhere = sharing.copies, sharing.elsewhere
        self.caller = Caller(kind="owner")
        self.now = request.now
        self.base_url = ""
        self.newer: frozenset[str] = frozenset()
        self.is_premium, self.tells_md5, self.only_new = False, True, False
        self.account_keys: Callable[[], Awaitable[tuple[bytes, ...]]] = _none
        self.resolve: Callable[[str, Call, str], Awaitable[tuple[Place, str]]] | None = None

    @property
    def place(self) -> Place:
        """The share or snapshot."""
        return self.address.place

    @property
    def path(self) -> str:
        """The path in the share, without trailing dots unless the client keeps them."""
        return self.address.path

    @property
    def claim(self) -> Claim:
        """What the request brings to be allowed a change."""
        condition = conditions.of(self.request)
        if self.only_new:
            condition = conditions.only_new(condition)
        return Claim(lease=self.lease("x-ms-lease-id"), now=self.now, condition=condition)

    def header(self, name: str) -> str | None:
        """A header's value without surrounding space; None when it is absent, empty or newer than the version."""
        if name in self.newer:
            return None
        value = self.request.headers.get(name)
        return value.strip() or None if value is not None else None

    def required(self, name: str) -> str:
        """A header that must be there."""
        value = self.header(name)
        if value is None:
            raise missing_header(name)
        return value

    def lease(self, name: str) -> str | None:
        """A header that holds a lease id."""
        value = self.header(name)
        if value is not None and not is_guid(value):
            raise bad_header(name, value)
        return value

    def flag(self, name: str) -> bool:
        """A header that is true or false; absent is false."""
        value = (self.header(name) or "false").lower()
        if value not in {"true", "false"}:
            raise bad_header(name, value)
        return value == "true"

    def number(self, name: str, least: int, most: int) -> int | None:
        """A header that is an integer within limits."""
        value = self.header(name)
        if value is None:
            return None
        found = parse_integer(value)
        if found is None or not least <= found <= most:
            raise bad_header(name, value)
        return found

    def query(self, name: str) -> str | None:
        """A query parameter, None when absent or empty."""
        return self.request.query.get(name) or None

    def limit(self, most: int = 5000) -> int | None:
        """The query's `maxresults`."""
        text = self.query("maxresults")
        if text is None:
            return None
        found = parse_integer(text)
        if found is None:
            raise bad_query("maxresults", text, "Not an integer.")
        if found < 1:
            raise Refused(
                "OutOfRangeQueryParameterValue", QueryParameterName="maxresults", QueryParameterValue=text,
                MinimumAllowed="1", MaximumAllowed=str(most),
            )  # fmt: skip
        return min(found, most)

    def includes(self, known: set[str]) -> set[str]:
        """The words of the query's `include`, in lower case; none but `known` ones."""
        text = self.query("include") or ""
        words = {word.strip().lower() for word in text.split(",") if word.strip()}
        if not words <= known:
            raise bad_query("include", text, f"Not among {', '.join(sorted(known))}.")
        return words


async def _none() -> tuple[bytes, ...]:
    return ()


Operation = Callable[[Call], Awaitable[Response]]
