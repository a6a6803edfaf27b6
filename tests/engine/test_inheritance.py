"""What a new file or directory inherits of the permission of the directory above."""

from __future__ import annotations

import pytest

from linarite.engine.sharing.descriptors import to_binary
from linarite.engine.sharing.inheritance import merged

OWN = "O:S-1-5-21-1G:S-1-5-21-2D:(A;;FR;;;WD)"


def above(*entries: str) -> str:
    return f"O:SYG:SYD:{''.join(entries)}"


@pytest.mark.parametrize(
    ("entry", "for_file", "for_directory"),
    [
        ("(A;;FA;;;SY)", "", ""),
        ("(A;OI;FA;;;SY)", "(A;ID;FA;;;SY)", "(A;OIIOID;FA;;;SY)"),
        ("(A;CI;FA;;;SY)", "", "(A;CIID;FA;;;SY)"),
        ("(A;OICI;FA;;;SY)", "(A;ID;FA;;;SY)", "(A;OICIID;FA;;;SY)"),
        ("(A;OICIIO;FA;;;SY)", "(A;ID;FA;;;SY)", "(A;OICIID;FA;;;SY)"),
        ("(A;OICINP;FA;;;SY)", "(A;ID;FA;;;SY)", "(A;ID;FA;;;SY)"),
        ("(A;OINP;FA;;;SY)", "(A;ID;FA;;;SY)", ""),
        ("(A;OICIID;FA;;;SY)", "(A;ID;FA;;;SY)", "(A;OICIID;FA;;;SY)"),
        ("(AU;OICISA;FA;;;WD)", "(AU;SAID;FA;;;WD)", "(AU;OICISAID;FA;;;WD)"),
        ("(A;OICI;FA;;;CO)", "(A;ID;FA;;;S-1-5-21-1)", "(A;ID;FA;;;S-1-5-21-1)(A;OICIIOID;FA;;;CO)"),
        ("(A;OICI;FA;;;CG)", "(A;ID;FA;;;S-1-5-21-2)", "(A;ID;FA;;;S-1-5-21-2)(A;OICIIOID;FA;;;CG)"),
        ("(A;OICIIO;FA;;;S-1-3-0)", "(A;ID;FA;;;S-1-5-21-1)", "(A;ID;FA;;;S-1-5-21-1)(A;OICIIOID;FA;;;S-1-3-0)"),
    ],
)
def test_an_entry_is_passed_on_by_its_flags(entry: str, for_file: str, for_directory: str) -> None:
    """What comes stands after the own entries, and the list says that it was inherited."""
    for directory, came in ((False, for_file), (True, for_directory)):
        found = merged(OWN, above(entry), directory=directory)
        marked = "D:AI(" if came else "D:("
        assert found == OWN.replace("D:(", marked) + came
        to_binary(found)


@pytest.mark.parametrize(
    ("own", "entries"),
    [
        ("O:SYG:SYD:P(A;;FR;;;WD)", "(A;OICI;FA;;;SY)"),
        ("O:SYG:SYD:PAI(A;;FR;;;WD)", "(A;OICI;FA;;;SY)"),
        ("O:SYG:SYD:(A;ID;FA;;;SY)", "(A;OI;FA;;;SY)"),
        ("O:SYG:SYD:x", "(A;OICI;FA;;;SY)"),
        ("O:SYG:SYD:(A;;FR;;;WD)", '(XA;OICI;FX;;;S-1-1-0;(@User.Project Any_of "a"))'),
        ("O:SYG:SYD:(A;;FR;;;WD)", "(RA;OICI;;;;WD;x)"),
    ],
)
def test_what_is_protected_there_already_or_not_understood_is_left(own: str, entries: str) -> None:
    assert merged(own, above(entries), directory=False) == own


def test_the_audit_list_and_flags_stay() -> None:
    own = "O:SYG:SYD:AR(A;;FR;;;WD)S:(AU;SA;FA;;;WD)"
    found = merged(own, above("(A;OI;FA;;;BA)"), directory=False)
    assert found == "O:SYG:SYD:ARAI(A;;FR;;;WD)(A;ID;FA;;;BA)S:(AU;SA;FA;;;WD)"
