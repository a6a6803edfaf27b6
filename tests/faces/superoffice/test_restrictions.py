"""The grammar of filters takes any text: it becomes a condition that the store can compile, or is refused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linarite.engine.errors import InvalidValue
from linarite.engine.filtering import Search
from linarite.faces.superoffice.columns import COLUMNS, derived
from linarite.faces.superoffice.comparisons import Asking
from linarite.faces.superoffice.presentation import Presentation
from linarite.faces.superoffice.reading import InvalidColumn
from linarite.faces.superoffice.restrictions import parse
from linarite.store.searches import statement

ASKING = Asking(associate=1, shown=Presentation(), now=1_700_000_000_000_000)
WORDS = (
    *(column.name for column in COLUMNS.values()), "eq", "=", "between", "in", "set", "today", "lastWeek", "begins",
    "date", "contains", "currentAssociate", "dateBetween", "and", "or", "(", ")", ",", "3", "'x'", "2020-01-01",
    "'2020.2.30'", "[I:3]", "true", "startswith", "99999999999999999999", "'", "\\", "é",
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    """Whatever is sent, there is no other error on the way to the database."""
    try:
        where = parse(text, ASKING)
        statement("account", Search(columns=derived({"ann": 1}), where=where, limit=1)).compile()
    except (InvalidColumn, InvalidValue):
        return


def test_and_binds_closer_than_or() -> None:
    """`a or b and c` is `a or (b and c)`."""
    a, b, c = "State eq 1", "State eq 2", "State eq 3"
    assert parse(f"{a} or {b} and {c}", ASKING) == parse(f"{a} or ({b} and {c})", ASKING)
    assert parse(f"{a} or {b} and {c}", ASKING) != parse(f"({a} or {b}) and {c}", ASKING)
