"""What the server gives a log sender (`moving.log_sender`)."""

from __future__ import annotations

import msgspec


class Parcel(msgspec.Struct, frozen=True):
    """Files by the names of their blobs, for the container at `url`."""

    url: str
    files: dict[str, bytes]


encode = msgspec.msgpack.Encoder().encode
