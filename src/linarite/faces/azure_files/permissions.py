"""Security descriptors on the wire: SDDL, or their bytes in base64. The engine keeps SDDL. Source: NOTES 8."""

from __future__ import annotations

import base64

from linarite.engine.sharing import descriptors
from linarite.faces.azure_files.call import Call
from linarite.faces.azure_files.errors import Refused, bad_header

FORMS = {"sddl", "binary"}


def form_of(call: Call) -> str:
    """The form that a request speaks of."""
    text = call.header("x-ms-file-permission-format") or "sddl"
    if text.lower() not in FORMS:
        raise bad_header("x-ms-file-permission-format", text)
    return text.lower()


def read(text: str, form: str) -> str:
    """The SDDL of a descriptor in that form."""
    if form == "sddl":
        return text
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("FileInvalidPermission") from error
    return descriptors.from_binary(data)


def written(descriptor: str, form: str) -> str:
    """A descriptor in that form."""
    return descriptor if form == "sddl" else base64.b64encode(descriptors.to_binary(descriptor)).decode()
