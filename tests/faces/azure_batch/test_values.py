"""Single values: what clients may send, and how it is written back."""

from __future__ import annotations

import pytest

from linarite.engine.model import DAY, MINUTE, SECOND, JobAction
from linarite.faces.azure_batch.errors import Refusal
from linarite.faces.azure_batch.render.scalars import UNLIMITED, duration, etag, moment
from linarite.faces.azure_batch.wire import values

HOUR = 60 * MINUTE


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT1H", HOUR), ("P7D", 7 * DAY), ("PT01M00S", MINUTE), ("PT0S", 0), ("PT1.5S", 1_500_000),
        ("P3Y6M4DT12H30M5S", 1279 * DAY + 12 * HOUR + 30 * MINUTE + 5 * SECOND), ("P2W", 14 * DAY),
        ("PT0.0000019S", 1),
    ],
)  # fmt: skip
def test_duration_is_read(text: str, length: int):
    """Years have 365 days and months 30, as the service counts them."""
    assert values.duration(text, "maxWallClockTime") == length


def test_the_longest_duration_is_without_limit():
    assert values.duration(UNLIMITED, "maxWallClockTime") is None
    assert duration(None) == UNLIMITED


@pytest.mark.parametrize("text", ["", "P", "PT", "P1DT", "1H", "-PT1H", "PT1", "P1H", "forever", "PT" + "9" * 40 + "S"])
def test_duration_that_is_none_is_refused(text: str):
    with pytest.raises(Refusal) as caught:
        values.duration(text, "maxWallClockTime")
    assert caught.value.code == "InvalidPropertyValue"
    assert caught.value.values["PropertyName"] == "maxWallClockTime"


@pytest.mark.parametrize("text", ["PT1H", "P7D", "P1DT2H3M4.5S", "PT0S", "PT0.000001S", "PT15M"])
def test_duration_is_written_as_it_was_read(text: str):
    assert duration(values.duration(text, "x")) == text


def test_duration_is_written_in_its_shortest_form():
    assert duration(values.duration("P3Y6M4DT12H30M5S", "x")) == "P1279DT12H30M5S"


@pytest.mark.parametrize("text", ["a", "A-b_9", "x" * 64])
def test_id_of_allowed_characters_is_taken(text: str):
    assert values.checked_id(text) == text


@pytest.mark.parametrize("text", ["", "x" * 65, "a b", "a/b", "ä", "a.b", "a\n", "a:b"])
def test_id_of_other_characters_is_refused(text: str):
    with pytest.raises(Refusal, match="InvalidPropertyValue"):
        values.checked_id(text)


def test_missing_id_is_refused_by_its_own_code():
    with pytest.raises(Refusal, match="MissingRequiredProperty"):
        values.checked_id(None)


def test_word_is_taken_in_any_letter_case():
    assert values.word(JobAction, "TerMinate", "jobAction") is JobAction.TERMINATE
    assert values.word_of(("tasksuccess",), "TaskSuccess", "uploadCondition") == "tasksuccess"
    with pytest.raises(Refusal, match="InvalidPropertyValue"):
        values.word(JobAction, "explode", "jobAction")


def test_moment_has_seven_digits_or_none():
    assert moment(1_487_289_600_000_000) == "2017-02-17T00:00:00Z"
    assert moment(1_487_289_600_000_001) == "2017-02-17T00:00:00.0000010Z"


def test_etag_is_ticks_since_the_year_one():
    """0x8DCF3C953387E09, seen on the wire, is a moment of October 2024."""
    ticks = int("8DCF3C953387E09", 16)
    assert etag((ticks - 621_355_968_000_000_000) // 10)[:16] == "0x8DCF3C953387E0"
    assert moment((ticks - 621_355_968_000_000_000) // 10).startswith("2024-10-24")
