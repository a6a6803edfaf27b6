"""Security descriptors between SDDL and bytes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linarite.engine.errors import InvalidValue
from linarite.engine.sharing.descriptors import from_binary, to_binary
from linarite.engine.sharing.well_known import ACE_FLAGS, FILE_RIGHTS, SIDS

KNOWN = (
    "O:S-1-5-21-2127521184-1604012920-1887927527-21560751G:S-1-5-21-2127521184-1604012920-1887927527-513"
    "D:AI(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1200a9;;;S-1-5-21-397955417-626881126-188441444-3053964)S:NO_ACCESS_CONTROL"
)
KNOWN_BYTES = (
    "AQAUhGwAAACIAAAAAAAAABQAAAACAFgAAwAAAAAAFAD/AR8AAQEAAAAAAAUSAAAAAAAYAP8BHwABAgAAAAAABSAAAAAgAgAAAAAkAKkAEgABBQAAAAAA"
    "BRUAAABZUbgXZnJdJWRjOwuMmS4AAQUAAAAAAAUVAAAAoGXPfnhLm1/nfIdwr/1IAQEFAAAAAAAFFQAAAKBlz354S5tf53yHcAECAAA="
)


def test_a_descriptor_of_the_service_is_the_same_both_ways() -> None:
    """Text and bytes as the service itself gives them for one descriptor (azure-storage-file-share's tests)."""
    assert base64.b64encode(to_binary(KNOWN)).decode() == KNOWN_BYTES
    assert from_binary(base64.b64decode(KNOWN_BYTES)) == KNOWN


@pytest.mark.parametrize(
    "text",
    [
        "O:SYG:SYD:(A;;FA;;;SY)",
        "O:BAG:BAD:PAI(A;OICIIO;GA;;;CO)(D;ID;CCDCLC;;;WD)S:AI(AU;SAFA;FA;;;WD)",
        "O:SYG:SYD:S:(ML;;SW;;;HI)",
        "O:SYG:SYD:NO_ACCESS_CONTROL",
        "O:SYG:SYD:(OA;;RP;bf967aba-0de6-11d0-a285-00aa003049e2;;AU)(OD;;WP;;bf967a86-0de6-11d0-a285-00aa003049e2;S-1-1-1)",
    ],
)
def test_what_becomes_bytes_comes_back(text: str) -> None:
    assert from_binary(to_binary(text)) == text


@given(
    mask=st.integers(0, 0xFFFFFFFF), flags=st.sets(st.sampled_from(sorted(ACE_FLAGS))),
    sid=st.sampled_from(sorted(SIDS)), other=st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=15),
)  # fmt: skip
def test_every_mask_flag_and_sid_comes_back(mask: int, flags: set[str], sid: str, other: list[int]) -> None:
    """In whatever words the text says them."""
    owner = "-".join(["S-1-5", *map(str, other)])
    data = to_binary(f"O:{owner}G:{sid}D:(A;{''.join(flags)};{mask:#x};;;{sid})")
    assert to_binary(from_binary(data)) == data


@pytest.mark.parametrize(
    "text",
    [
        "", "O:SYG:SY", "O:DAG:SYD:(A;;FA;;;SY)", "O:SYG:SYD:(A;;ZZ;;;SY)", "O:SYG:SYD:(A;;FA;;SY)", "O:SYG:SYD:X",
        "O:SYG:SYD:(XA;;FA;;;WD;(x==1))", "O:SYG:SYD:NO_ACCESS_CONTROL(A;;FA;;;SY)", "O:SYG:SYD:(A;;FA;;;S-1-5)",
        "O:SYG:SYD:(A;;FA;;;S-1-5-4294967296)", "O:SYG:SYD:(A;;0x1ffffffff;;;SY)", "O:SYG:SYD:(A;;FA;nonsense;;SY)",
    ],
)  # fmt: skip
def test_what_cannot_be_bytes_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        to_binary(text)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_descriptor_are_refused(data: bytes) -> None:
    """Never with another error."""
    try:
        from_binary(data)
    except InvalidValue:
        return


@given(at=st.integers(0, 171), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(at: int, value: int) -> None:
    data = bytearray(base64.b64decode(KNOWN_BYTES))
    data[at % len(data)] = value
    try:
        assert to_binary(from_binary(bytes(data)))
    except InvalidValue:
        return


def test_named_rights_are_named() -> None:
    for name in FILE_RIGHTS:
        assert from_binary(to_binary(f"O:SYG:SYD:(A;;{name};;;SY)")).endswith(f";{name};;;SY)")
