"""Names that SDDL has for SIDs, rights, kinds and flags of entries. Source: MS-DTYP 2.5.1, "ACE Strings"."""

from __future__ import annotations

from collections.abc import Mapping

SIDS: Mapping[str, str] = {
    "AC": "S-1-15-2-1", "AN": "S-1-5-7", "AO": "S-1-5-32-548", "AU": "S-1-5-11", "BA": "S-1-5-32-544",
    "BG": "S-1-5-32-546", "BO": "S-1-5-32-551", "BU": "S-1-5-32-545", "CD": "S-1-5-32-574", "CG": "S-1-3-1",
    "CO": "S-1-3-0", "CY": "S-1-5-32-569", "ED": "S-1-5-9", "ER": "S-1-5-32-573", "ES": "S-1-5-32-576",
    "HA": "S-1-5-32-578", "HI": "S-1-16-12288", "IS": "S-1-5-32-568", "IU": "S-1-5-4", "LS": "S-1-5-19",
    "LU": "S-1-5-32-559", "LW": "S-1-16-4096", "ME": "S-1-16-8192", "MP": "S-1-16-8448", "MS": "S-1-5-32-577",
    "MU": "S-1-5-32-558", "NO": "S-1-5-32-556", "NS": "S-1-5-20", "NU": "S-1-5-2", "OW": "S-1-3-4",
    "PO": "S-1-5-32-550", "PS": "S-1-5-10", "PU": "S-1-5-32-547", "RA": "S-1-5-32-575", "RC": "S-1-5-12",
    "RD": "S-1-5-32-555", "RE": "S-1-5-32-552", "RU": "S-1-5-32-554", "SI": "S-1-16-16384", "SO": "S-1-5-32-549",
    "SU": "S-1-5-6", "SY": "S-1-5-18", "WD": "S-1-1-0", "WR": "S-1-5-33",
}  # fmt: skip
NAMES: Mapping[str, str] = {sid: name for name, sid in SIDS.items()}
FILE_RIGHTS: Mapping[str, int] = {"FA": 0x1F01FF, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0}
RIGHTS: Mapping[str, int] = {
    "CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80, "CR": 0x100,
    "SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000,
    "GA": 0x10000000, "GX": 0x20000000, "GW": 0x40000000, "GR": 0x80000000,
}  # fmt: skip
ACE_TYPES: Mapping[str, int] = {
    "A": 0x00, "D": 0x01, "AU": 0x02, "OA": 0x05, "OD": 0x06, "OU": 0x07, "ML": 0x11, "SP": 0x13,
}  # fmt: skip
ACE_FLAGS: Mapping[str, int] = {"OI": 0x01, "CI": 0x02, "NP": 0x04, "IO": 0x08, "ID": 0x10, "SA": 0x40, "FA": 0x80}
