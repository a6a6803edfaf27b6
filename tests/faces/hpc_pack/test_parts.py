"""The face's small parts: the error table, values, unsupported operations, XML."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime

import pytest
import structlog
from tests.faces.hpc_pack.site import Site

from linarite.engine import access
from linarite.engine import errors as engine_errors
from linarite.engine.model import Job
from linarite.faces.hpc_pack import errors, values
from linarite.http.xml import XmlRefused, escape, parse, quote


def test_error_table_is_total():
    """Every error of the engine has its line."""
    family = {
        kind for module in (engine_errors, access) for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, engine_errors.EngineError)
    }  # fmt: skip
    assert family - {engine_errors.EngineError} == set(errors.TABLE)


def test_translate_of_what_is_unexpected():
    """An unknown error is our own fault and tells nothing of itself."""
    refusal = errors.translate(RuntimeError("secret"))
    assert (refusal.status, refusal.code) == (500, errors.UNEXPECTED)
    assert "secret" not in refusal.message


@pytest.mark.parametrize(
    "text",
    ["9/30/2026 10:15:02 AM", "09/30/2026 10:15:02", "2026-09-30T10:15:02", "2026-09-30T12:15:02+02:00",
     "2026-09-30T10:15:02Z", " 2026/9/30 10:15:02 "],
)  # fmt: skip
def test_date_is_read_in_each_form(text: str):
    """Dates are UTC, in the protocol's form, padded, ISO or as in job XML."""
    assert values.date(text) == int(datetime(2026, 9, 30, 10, 15, 2, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 9, 30, 0, 5, 9, tzinfo=UTC), "9/30/2026 12:05:09 AM"),
        (datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC), "1/2/2026 12:00:00 PM"),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "12/31/2026 11:59:59 PM"),
    ],
)
def test_date_is_written(moment: datetime, text: str):
    """`M/d/yyyy h:mm:ss tt`: twelve hours, nothing padded but minutes and seconds."""
    assert values.date_text(int(moment.timestamp()) * 1_000_000) == text


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("0", [(0, 0)]), ("-1,0, 7..9", [(-1, -1), (0, 0), (7, 9)]), ("0..max", [(0, 2147483647)]),
        ("min..-100", [(-2147483648, -100)]), ("", []),
    ],
)  # fmt: skip
def test_exit_codes_are_ranges(text: str, ranges: list[tuple[int, int]]):
    """Lists of integers and ranges, with min and max."""
    assert values.exit_codes(text) == ranges


@pytest.mark.parametrize(
    "data",
    [b"", b"<a", b"<a>&x;</a>", b"<!DOCTYPE a><a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"\xff\xfe\x00",
     b'<?xml version="1.0" encoding="nonsense"?><a/>', b"<a/><b/>", b"<a>\x00</a>"],
)  # fmt: skip
def test_xml_refused(data: bytes):
    """What is no XML, or has a document type or entities, is refused with a sentence."""
    with pytest.raises(XmlRefused, match=r"^The XML .*\.$"):
        parse(data)


def test_xml_written_can_be_read():
    """Escapes bring every text through, and what XML cannot hold becomes a mark."""
    text = "a<b>&\"'\t\r\n\u20ac\U0001f600"
    root = parse(f"<a b={quote(text)}>{escape(text)}</a>".encode())
    assert (root.text, root.get("b")) == (text, text)
    assert escape("\x00\ud800") == "\ufffd\ufffd"


UNSUPPORTED = [
    ("POST", "/WindowsHPC/Sessions/Create", 404),
    ("GET", "/WindowsHPC/Session/1/Attach", 404), ("POST", "/WindowsHPC/Session/1/batch/a/Commit", 404),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "status"), UNSUPPORTED)
def test_unsupported_operation(site: Site, method: str, path: str, status: int):
    """What is not there yet has the protocol's own refusal, and a line in the log."""
    with structlog.testing.capture_logs() as logs:
        answer = site.call(method, path)
    assert answer.status_code == status
    assert "-2147220895" in answer.text
    assert any(line["event"] == "operation not supported" for line in logs)


def test_unknown_state_of_the_future():
    """Every state of the engine has a word."""
    from linarite.engine.model import Counts, JobSpec, JobState
    from linarite.faces.hpc_pack import enums, states

    spec = JobSpec(id="a", pool="")
    for state in JobState:
        job = Job(account="a", spec=spec, created_at=0, modified_at=0, state=state, state_at=0, counts=Counts())
        assert states.job_state(job) in enums.JOB_STATE
