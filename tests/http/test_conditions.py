"""Conditional headers against a tag and a date."""

from __future__ import annotations

import pytest

from linarite.http.conditions import BadConditionHeader, Outcome, read_conditions
from linarite.http.dates import http_date
from linarite.http.messages import Headers

NOW = 1_700_000_000_500_000
TAG = "0x8D1"


def outcome(**fields: str) -> Outcome:
    headers = Headers((name.replace("_", "-").encode(), value.encode()) for name, value in fields.items())
    conditions = read_conditions(headers)
    assert conditions is not None
    return conditions.outcome(TAG, NOW)


def test_no_conditional_header_is_no_condition():
    assert read_conditions(Headers([])) is None


@pytest.mark.parametrize("tag", [TAG, f'"{TAG}"', f'W/"{TAG}"', "*", f'"0x1", "{TAG}"'])
def test_if_match_takes_the_tag_in_every_form(tag: str):
    assert outcome(If_Match=tag) is Outcome.MET
    assert outcome(If_None_Match=tag) is Outcome.UNCHANGED


def test_another_tag_fails_if_match_and_meets_if_none_match():
    assert outcome(If_Match='"0x8D2"') is Outcome.FAILED
    assert outcome(If_None_Match='"0x8D2"') is Outcome.MET


def test_dates_have_a_resolution_of_one_second():
    """The half second of the modification is not seen."""
    same, before = http_date(NOW), http_date(NOW - 1_000_000)
    assert outcome(If_Modified_Since=same) is Outcome.UNCHANGED
    assert outcome(If_Modified_Since=before) is Outcome.MET
    assert outcome(If_Unmodified_Since=same) is Outcome.MET
    assert outcome(If_Unmodified_Since=before) is Outcome.FAILED


def test_tags_win_over_dates():
    """RFC 9110 section 13.2.2: a date beside a tag is not looked at."""
    assert outcome(If_Match=TAG, If_Unmodified_Since=http_date(0)) is Outcome.MET
    assert outcome(If_None_Match='"0x2"', If_Modified_Since=http_date(NOW)) is Outcome.MET


def test_a_date_that_is_none_is_refused():
    with pytest.raises(BadConditionHeader) as caught:
        outcome(If_Modified_Since="yesterday")
    assert (caught.value.header, caught.value.value) == ("if-modified-since", "yesterday")
