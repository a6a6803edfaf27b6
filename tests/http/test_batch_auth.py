"""The text that Batch clients sign, and its signature."""

from __future__ import annotations

import base64

from linarite.http.batch_auth import is_signed, signature, string_to_sign, texts_to_sign
from linarite.http.messages import Headers, Query

KEY = b"linarite-development-key"


def headers(**fields: str) -> Headers:
    return Headers((name.replace("_", "-").encode(), value.encode()) for name, value in fields.items())


def test_string_to_sign_has_every_line():
    """Twelve lines of verb and headers, the ocp- headers sorted, the raw path, the parameters by lower-case name."""
    given = headers(
        content_type="application/json",
        If_Match='"0x8D1"',
        ocp_range="bytes=1-2",
        ocp_date="Mon, 01 Jan 2024 00:00:00 GMT",
    )
    query = Query("timeOut=5&api-version=2025-06-01&%24filter=id%20eq%20%27a%27&empty=")
    assert string_to_sign("PUT", "/jobs/a%20b", query, given, "acc", "17") == (
        'PUT\n\n\n17\n\napplication/json\n\n\n"0x8D1"\n\n\n\n'
        "ocp-date:Mon, 01 Jan 2024 00:00:00 GMT\nocp-range:bytes=1-2\n"
        "/acc/jobs/a%20b\n$filter:id eq 'a'\napi-version:2025-06-01\ntimeout:5"
    )


def test_string_to_sign_leaves_out_a_date_beside_ocp_date():
    """Something on the way may add Date; clients sign ocp-date alone then."""
    query = Query("")
    both = string_to_sign("GET", "/pools", query, headers(date="X", ocp_date="Y"), "a", "")
    assert both == string_to_sign("GET", "/pools", query, headers(ocp_date="Y"), "a", "")
    assert "\nX\n" in string_to_sign("GET", "/pools", query, headers(date="X"), "a", "")


def test_texts_to_sign_take_both_forms_of_an_empty_length():
    """A DELETE without a body is signed with 0 by Python and with nothing by JavaScript."""
    texts = list(texts_to_sign("DELETE", "/pools/p", Query("api-version=1"), headers(), "a", empty_body=True))
    assert any(text.startswith("DELETE\n\n\n0\n") for text in texts)
    assert any(text.startswith("DELETE\n\n\n\n") for text in texts)


def test_texts_to_sign_take_names_in_their_own_case():
    """azure-batch for Python signs `timeOut` as it sends it."""
    texts = list(texts_to_sign("GET", "/pools", Query("timeOut=5"), headers(), "a", empty_body=True))
    assert texts[0].endswith("\ntimeout:5")
    assert any(text.endswith("\ntimeOut:5") for text in texts)


def test_texts_to_sign_take_a_path_whose_escapes_were_taken_back():
    """The async client signs `%3A`, and what sends its requests writes a colon instead."""
    texts = list(texts_to_sign("GET", "/jobs/s:job-1/a%2Fb,c", Query(""), headers(), "a", empty_body=True))
    assert texts[0].endswith("/a/jobs/s:job-1/a%2Fb,c")
    assert any(text.endswith("/a/jobs/s%3Ajob-1/a%2Fb%2Cc") for text in texts)
    plain = texts_to_sign("GET", "/jobs/j", Query(""), headers(), "a", empty_body=True)
    assert len(set(plain)) == 2, "no more than there have to be: with a length of 0 and without"


def test_is_signed_by_any_of_the_keys_and_by_no_other():
    given = base64.b64encode(signature(KEY, "text")).decode()
    assert is_signed(given, [b"other", KEY], ["text"])
    assert not is_signed(given, [b"other"], ["text"])
    assert not is_signed(given, [KEY], ["other text"])
    assert not is_signed("no base64!", [KEY], ["text"])
