"""Security descriptors in their two forms: SDDL text, and the self-relative bytes of MS-DTYP 2.4.6.

Each form becomes the other, for the kinds of entries that file systems have. What has no place in the other form (names
of a domain's groups without the domain, conditions) is refused.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from linarite.engine.errors import InvalidValue
from linarite.engine.sharing.well_known import ACE_FLAGS, ACE_TYPES, FILE_RIGHTS, NAMES, RIGHTS, SIDS

_SID = r"(?:S-1-[0-9]+(?:-[0-9]+)+|[A-Z]{2})"
FORM = re.compile(
    rf"O:(?P<owner>{_SID})G:(?P<group>{_SID})"
    r"D:(?P<dacl>[A-Z_]*(?:\([^()]*\))*)(?:S:(?P<sacl>[A-Z_]*(?:\([^()]*\))*))?",
    re.ASCII,
)
_ACE = re.compile(r"\(([^()]*)\)")
_HEADER, _ACL, _ACE_HEADER = struct.Struct("<BBHIIII"), struct.Struct("<BBHHH"), struct.Struct("<BBHI")
_SELF_RELATIVE, _DACL, _SACL = 0x8000, 0x0004, 0x0010
_FLAGS = {"D": {"P": 0x1000, "AR": 0x0100, "AI": 0x0400}, "S": {"P": 0x2000, "AR": 0x0200, "AI": 0x0800}}
MAX_PARTS, GUID_LENGTH = 15, 36
_NOTHING = "NO_ACCESS_CONTROL"
_OBJECT_TYPES = {0x05, 0x06, 0x07}


def to_binary(text: str) -> bytes:
    """The bytes of a descriptor in SDDL. InvalidValue("permission") when it is none that can be written so."""
    match = FORM.fullmatch(text)
    if match is None:
        raise _invalid(text)
    try:
        return _pack(match)
    except (KeyError, ValueError, struct.error) as error:
        raise _invalid(text) from error


def from_binary(data: bytes) -> str:
    """The SDDL of a descriptor in bytes. InvalidValue("permission") when they are none."""
    try:
        return _text(data)
    except (KeyError, ValueError, IndexError, struct.error) as error:
        raise _invalid(data.hex()[:64]) from error


def entries_of(written: str) -> list[str]:
    """The entries of a list, without their brackets."""
    return [str(each) for each in _ACE.findall(written)]


def flags_of(text: str) -> list[str]:
    """The flags of an entry."""
    return list(_pairs(text))


def _pack(match: re.Match[str]) -> bytes:
    control, body, offsets = _SELF_RELATIVE, b"", {}
    for kind, name, present in (("S", "sacl", _SACL), ("D", "dacl", _DACL)):
        written = match[name]
        if written is None:
            continue
        flags, entries = written.partition("(")[0], _ACE.findall(written)
        control |= present | _control(kind, flags.replace(_NOTHING, ""))
        if _NOTHING not in flags:
            offsets[name] = _HEADER.size + len(body)
            body += _pack_acl(entries)
        elif entries:
            raise ValueError(written)
    for name in ("owner", "group"):
        offsets[name] = _HEADER.size + len(body)
        body += _pack_sid(match[name])
    places = (offsets.get(name, 0) for name in ("owner", "group", "sacl", "dacl"))
    return _HEADER.pack(1, 0, control, *places) + body


def _control(kind: str, flags: str) -> int:
    found = 0
    while flags:
        name = next(each for each in (*_FLAGS[kind], "") if flags.startswith(each))
        found, flags = found | _FLAGS[kind][name], flags[len(name) :]
    return found


def _pack_acl(entries: list[str]) -> bytes:
    aces = [_pack_ace(entry) for entry in entries]
    revision = 4 if any(ace[0] in _OBJECT_TYPES for ace in aces) else 2
    size = _ACL.size + sum(map(len, aces))
    return _ACL.pack(revision, 0, size, len(aces), 0) + b"".join(aces)


def _pack_ace(entry: str) -> bytes:
    kind, flags, rights, thing, inherited, sid = entry.split(";")
    code = ACE_TYPES[kind]
    rest = b""
    if code in _OBJECT_TYPES:
        guids = [_pack_guid(each) if each else b"" for each in (thing, inherited)]
        rest = struct.pack("<I", bool(guids[0]) | bool(guids[1]) << 1) + b"".join(guids)
    elif thing or inherited:
        raise ValueError(entry)
    rest += _pack_sid(sid)
    bits = sum(ACE_FLAGS[each] for each in _pairs(flags))
    return _ACE_HEADER.pack(code, bits, _ACE_HEADER.size + len(rest), _mask(rights)) + rest


def _pack_guid(text: str) -> bytes:
    """A GUID as Windows writes it: its first three numbers little-endian."""
    first, second, third, *rest = text.split("-")
    tail = bytes.fromhex("".join(rest))
    if len(text) != GUID_LENGTH or len(tail) != 8:
        raise ValueError(text)
    return struct.pack("<IHH", int(first, 16), int(second, 16), int(third, 16)) + tail


def _guid(data: bytes) -> str:
    first, second, third = struct.unpack_from("<IHH", data)
    return f"{first:08x}-{second:04x}-{third:04x}-{data[8:10].hex()}-{data[10:16].hex()}"


def _mask(rights: str) -> int:
    if rights[:1].isdigit():
        return int(rights, 0)
    found = 0
    for each in _pairs(rights):
        found |= FILE_RIGHTS.get(each) or RIGHTS[each]
    return found


def _pairs(text: str) -> Iterator[str]:
    return (text[at : at + 2] for at in range(0, len(text), 2))


def _pack_sid(text: str) -> bytes:
    _, revision, authority, *parts = SIDS.get(text, text).split("-")
    if not 1 <= len(parts) <= MAX_PARTS:
        raise ValueError(text)
    head = bytes([int(revision), len(parts)]) + int(authority).to_bytes(6, "big")
    return head + b"".join(struct.pack("<I", int(part)) for part in parts)


def _text(data: bytes) -> str:
    revision, _, control, owner, group, sacl, dacl = _HEADER.unpack_from(data)
    if revision != 1 or not control & _SELF_RELATIVE or not owner or not group or not control & _DACL:
        raise ValueError(control)
    parts = [f"O:{_sid(data, owner)[0]}G:{_sid(data, group)[0]}D:{_acl(data, dacl, control, 'D')}"]
    if control & _SACL:
        parts.append(f"S:{_acl(data, sacl, control, 'S')}")
    return "".join(parts)


def _acl(data: bytes, offset: int, control: int, kind: str) -> str:
    flags = "".join(name for name, bit in _FLAGS[kind].items() if control & bit)
    if not offset:
        return flags + _NOTHING
    _, _, size, count, _ = _ACL.unpack_from(data, offset)
    position, aces = offset + _ACL.size, []
    for _ in range(count):
        text, length = _ace(data, position)
        aces.append(text)
        position += length
    if position > min(offset + size, len(data)):
        raise ValueError(position)
    return flags + "".join(aces)


def _ace(data: bytes, offset: int) -> tuple[str, int]:
    code, bits, size, mask = _ACE_HEADER.unpack_from(data, offset)
    kind = next(name for name, each in ACE_TYPES.items() if each == code) if code in ACE_TYPES.values() else ""
    position, guids = offset + _ACE_HEADER.size, ["", ""]
    if code in _OBJECT_TYPES:
        (present,) = struct.unpack_from("<I", data, position)
        position += 4
        for at in range(2):
            if present >> at & 1 and len(data) >= position + 16:
                guids[at] = _guid(data[position : position + 16])
                position += 16
    sid, length = _sid(data, position)
    flags = "".join(name for name, bit in ACE_FLAGS.items() if bits & bit)
    if not kind or bits & ~sum(ACE_FLAGS.values()) or size != position + length - offset:
        raise ValueError(code)
    return f"({kind};{flags};{_rights(mask)};{guids[0]};{guids[1]};{sid})", size


def _rights(mask: int) -> str:
    named = next((name for name, each in FILE_RIGHTS.items() if each == mask), None)
    if named is not None:
        return named
    letters = [name for name, bit in RIGHTS.items() if mask & bit]
    if mask and sum(RIGHTS[name] for name in letters) == mask:
        return "".join(letters)
    return f"0x{mask:x}"


def _sid(data: bytes, offset: int) -> tuple[str, int]:
    """A SID by its short name where it has one, and its length."""
    revision, count = data[offset], data[offset + 1]
    parts = struct.unpack_from(f"<{count}I", data, offset + 8)
    authority = int.from_bytes(data[offset + 2 : offset + 8], "big")
    text = "-".join(["S", str(revision), str(authority), *map(str, parts)])
    if revision != 1 or not 1 <= count <= MAX_PARTS:
        raise ValueError(text)
    return NAMES.get(text, text), 8 + 4 * count


def _invalid(value: str) -> InvalidValue:
    return InvalidValue("permission", value, "no security descriptor")
