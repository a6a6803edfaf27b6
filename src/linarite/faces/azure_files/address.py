"""Which account, share and path a request names. Source: NOTES 1 and 5.

Host style `<account>.file.<any suffix>` or path style `/<account>/...`. The path is decoded once and only then split:
some clients send separators as %2F. Empty segments are ignored.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import msgspec

from linarite.engine.sharing import Place
from linarite.engine.sharing.names import trim
from linarite.faces.azure_files.errors import Refused, bad_header
from linarite.faces.azure_files.newer import KEEP_DOTS, unknown
from linarite.http.messages import Request

_HOST = re.compile(r"([a-z0-9]{3,24})\.file\.[a-z0-9.-]+(?::\d+)?", re.IGNORECASE)
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_RENAMES = "x-ms-file-rename-source"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """`share` "" is the account itself. `sent` is the path as it was sent, `path` without its trailing dots."""

    account: str
    share: str = ""
    path: str = ""
    sent: str = ""
    snapshot: str = ""
    is_host_style: bool = False

    @property
    def place(self) -> Place:
        """The share, or its snapshot."""
        return Place(self.account, self.share, self.snapshot)

    @property
    def resource(self) -> str:
        """What a service SAS of the share signs."""
        return f"/file/{self.account}/{self.share}"


def host_account(host: str) -> str | None:
    """The account that a Host header names."""
    match = _HOST.fullmatch(host)
    return match[1].lower() if match else None


def read_address(request: Request) -> Address:
    """The address of a request."""
    snapshot = request.query.get("sharesnapshot") or ""
    return parse(request.host, _whole_path(request), snapshot, keep_dots=_keeps_dots(request))


def _whole_path(request: Request) -> str:
    """The path with its account.

    @azure/storage-file-share leaves the account out of path style when it renames (12.31: it takes the whole path of
    its URL for the path in the account). The source, which is of the same account and share, names it.
    """
    source = request.headers.get(_RENAMES)
    is_rename = (request.query.get("comp") or "").lower() == "rename"
    if source is None or not is_rename or host_account(request.host) is not None:
        return request.raw_path
    try:
        account, share, *_ = [*_segments(urlsplit(source).path), "", ""]
    except ValueError:  # no URL: refused where it is read
        return request.raw_path
    is_without = _segments(request.raw_path)[:1] == [share] != [account]
    return f"/{account}{request.raw_path}" if is_without else request.raw_path


def _segments(raw_path: str) -> list[str]:
    return [segment for segment in unquote(raw_path).split("/") if segment]


def _keeps_dots(request: Request) -> bool:
    """Whether trailing dots are part of a name: true or false in the header, which older versions do not know."""
    given = request.headers.get(KEEP_DOTS)
    version = request.headers.get("x-ms-version") or request.query.get("sv") or ""
    if not given or KEEP_DOTS in unknown(version):
        return False
    text = given.strip().lower() or "false"
    if text not in {"true", "false"}:
        raise bad_header(KEEP_DOTS, text)
    return text == "true"


def parse(host: str, raw_path: str, snapshot: str = "", *, keep_dots: bool = False) -> Address:
    """The address that a host and a percent-encoded path name."""
    account = host_account(host)
    try:
        path = unquote_to_bytes(raw_path.encode("latin-1")).decode()
    except UnicodeError as error:
        raise Refused("InvalidUri") from error
    segments = [segment for segment in path.split("/") if segment]
    is_host_style = account is not None
    if account is None:
        account = segments.pop(0) if segments else ""
    if not _ACCOUNT.fullmatch(account):
        raise Refused("InvalidUri")
    share, *rest = segments or [""]
    sent = "/".join(rest)
    return Address(
        account=account, share=share, path=sent if keep_dots else trim(sent), sent=sent, snapshot=snapshot,
        is_host_style=is_host_style,
    )  # fmt: skip
