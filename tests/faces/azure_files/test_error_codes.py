"""Every code of Azure Files is provoked by a request, tested elsewhere, or there is a reason why none can bring it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faces.azure_files.error_codes import NEVER, PROVOKED, TESTED
from tests.support.azure_files import FileService, Raw, file_service

from linarite.faces.azure_files.errors import CODES

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileService]:
    with file_service(tmp_path_factory.mktemp("files")) as running:
        yield running


def test_every_code_has_its_line() -> None:
    """In one of the three, and no line is of a code that cannot be said."""
    for one, other in itertools.combinations((PROVOKED, TESTED, NEVER), 2):
        assert not set(one) & set(other)
    assert set(PROVOKED) | set(TESTED) <= set(CODES)
    assert set(CODES) <= set(PROVOKED) | set(TESTED) | set(NEVER)


@pytest.mark.parametrize("code", TESTED)
def test_the_named_file_says_the_code(code: str) -> None:
    assert f'"{code}"' in (ROOT / TESTED[code]).read_text()


@pytest.mark.parametrize("code", PROVOKED)
def test_a_client_can_provoke_it(service: FileService, code: str) -> None:
    """With its status and a sentence without gaps; the share is there as before."""
    raw = Raw(service, f"e{hashlib.sha256(code.encode()).hexdigest()[:16]}")
    assert raw("PUT", "share?restype=share").status_code == 201
    assert raw("PUT", "share/f", {"x-ms-type": "file", "x-ms-content-length": "5"}).status_code == 201
    answer = PROVOKED[code](raw)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (CODES[code][0], code)
    assert f"<Code>{code}</Code>" in answer.text
    assert "{" not in answer.text
    assert raw("GET", "share/f").content == bytes(5)
