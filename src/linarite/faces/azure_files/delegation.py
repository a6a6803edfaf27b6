"""User delegation: keys for callers with a token, and the signatures that are made with them. Source: NOTES 4.

A key is derived from the account's key, its owner, their role and its times: nothing is stored, the same request has
the same key, and a new account key ends all of them. Its signatures allow no more than the role does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from linarite.engine.model import Role
from linarite.faces.azure_files import sas
from linarite.faces.azure_files.address import Address
from linarite.faces.azure_files.call import LETTERS, Caller
from linarite.faces.azure_files.versions import DELEGATION_SINCE, KNOWN
from linarite.http import storage_auth
from linarite.http.messages import Request

SERVICE = "f"
MAX_LIFE = 7 * 24 * 3600 * 1_000_000
_PURPOSE = "user delegation keys"
_FIELDS = ("skoid", "sktid", "skt", "ske", "sks", "skv", "skdutid")


def key(account_key: bytes, fields: Mapping[str, str], role: Role) -> bytes:
    """The key of a user with a role; `fields` as a signature names them."""
    own = storage_auth.sign(account_key, _PURPOSE)  # so that no key is ever a signature of something else
    return storage_auth.sign(own, "\n".join([*(fields.get(name, "") for name in _FIELDS), role.value]))


def check(
    request: Request, fields: dict[str, str], address: Address, keys: Sequence[bytes], token: Caller | None
) -> Caller:
    """A SAS that is signed with such a key; `token` is the caller whose token came with it: it may be for one user."""
    resource = sas.resource(fields, address)
    if fields.get("si"):
        raise sas.failed("A user delegation SAS names no stored access policy.")
    role = _signer(fields, keys, storage_auth.delegation_sas_text(fields, resource))
    _check_key(request, fields)
    sas.check_letters(fields)
    caller = sas.allowed(request, fields)
    _check_user(fields, token)
    return replace(caller, permissions="".join(letter for letter in caller.permissions if letter in LETTERS[role]))


def _signer(fields: Mapping[str, str], keys: Sequence[bytes], text: str) -> Role:
    """The role of the key that signed: each could have."""
    found = None
    for role in Role:
        if storage_auth.is_signed(fields.get("sig", ""), [key(each, fields, role) for each in keys], [text]):
            found = role
    if found is None:
        raise sas.failed(f"Signature did not match. String to sign used was {text}")
    return found


def _check_key(request: Request, fields: Mapping[str, str]) -> None:
    """The key's own terms."""
    start, expiry = sas.moment(fields.get("skt")), sas.moment(fields.get("ske"))
    if start is None or expiry is None or not start <= request.now < expiry or expiry - start > MAX_LIFE:
        raise sas.failed("The key of the signature is not valid now.")
    if fields.get("sks") != SERVICE or fields.get("skv") not in KNOWN or fields.get("sv", "") < DELEGATION_SINCE:
        raise sas.failed("The key of the signature is not one of this service and version.")


def _check_user(fields: Mapping[str, str], token: Caller | None) -> None:
    """A signature for one user is good with a token of theirs alone."""
    wanted = {name: fields[field] for name, field in (("oid", "sduoid"), ("tid", "skdutid")) if fields.get(field)}
    if not wanted:
        return
    if token is None or any(token.fields.get(name) != value for name, value in wanted.items()):
        raise sas.failed("The signature is for a user whose token the request does not bear.")
