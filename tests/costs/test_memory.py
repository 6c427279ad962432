"""A body takes memory in proportion to its length and to the items that it may have."""

import json
import subprocess
import sys

import pytest

from aylien_model_serving.core.settings import MEBIBYTE, Settings
from tests.selection import full

#: Bytes of memory for each byte of a body, each of its items, and each error that pydantic makes of one.
EACH_BYTE, EACH_ITEM, EACH_ERROR = 16, 250, 550

#: Bytes of the bodies: those of three bytes for each item hold as many as are accepted.
SIZE = 3 * MEBIBYTE


@full
@pytest.mark.timeout(600)
def test_a_body_takes_no_more_memory_than_its_length_and_items_allow() -> None:
    program = [sys.executable, "-m", "tests.costs.memory", str(SIZE)]

    found = json.loads(subprocess.run(program, check=True, capture_output=True, timeout=500).stdout)

    each = {name: EACH_ERROR if "a model's" in name else EACH_ITEM for name in found}
    allowed = {name: EACH_BYTE * SIZE + each[name] * Settings.max_json_items for name in found}
    assert {name: taken for name, taken in found.items() if taken > allowed[name]} == {}
