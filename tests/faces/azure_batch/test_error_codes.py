"""Each code of the protocol that a client can bring about is brought about; the registry says why others are not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.faces.azure_batch.error_codes import NEVER, PROVOKED, TESTED
from tests.faces.azure_batch.raw import RawBatch

from linarite.faces.azure_batch.errors import CODES

HERE = Path(__file__).parent
EVERY = (PROVOKED, TESTED, NEVER)


@pytest.mark.parametrize("code", PROVOKED)
def test_code_is_answered_with_its_status_and_shape(batch: RawBatch, code: str):
    answer = PROVOKED[code](batch)
    assert (answer.status, answer.code) == (CODES[code][0], code)
    assert answer.json["message"]["value"].startswith(CODES[code][1])


@pytest.mark.parametrize("code", TESTED)
def test_code_is_asserted_where_the_registry_says(code: str):
    assert f'"{code}"' in (HERE / TESTED[code]).read_text()


def test_every_code_that_the_face_has_is_in_the_registry():
    known = set().union(*EVERY)
    assert not set(CODES) - known
    assert sum(map(len, EVERY)) == len(known), "a code stands there once"
    assert not (set(PROVOKED) | set(TESTED)) - set(CODES)


@pytest.mark.specs
def test_every_code_of_the_specification_is_in_the_registry():
    told = json.loads((Path(os.environ["LINARITE_SPECS"]) / "azure-batch/error-codes.json").read_text())["rest"]
    assert set(told) == set().union(*EVERY)
