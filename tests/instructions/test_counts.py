"""The way of a request has a price in instructions, kept in counts.json; times are too noisy to compare.

`python -m tests.instructions` writes the counts of the running Python anew.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aylien_model_serving.executors import latency
from tests.instructions.counting import count
from tests.instructions.requests import doors

KEPT = Path(__file__).with_name("counts.json")
VERSION = "{}.{}".format(*sys.version_info[:2])

#: How much a change may add unnoticed; the bucket that a time falls into moves the count by a tenth of it.
TOLERANCE = 0.05

DOORS = ("pipeline", "express door", "express door, cached", "ASGI door", "Flask door")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], object]]:
    monkeypatch.setattr(latency, "QUICK_SECONDS", float("inf"))
    monkeypatch.setattr(latency, "SLOW_SECONDS", float("inf"))
    return doors()


@pytest.mark.parametrize("door", DOORS)
def test_a_request_executes_no_more_instructions_than_before(
    door: str, requests: dict[str, Callable[[], object]]
) -> None:
    kept = json.loads(KEPT.read_text())[VERSION][door]

    counted = sum(count(requests[door]).values())

    assert counted <= kept * (1 + TOLERANCE), (
        f"{counted} instructions where {kept} are kept: make the way shorter, or say why it has to be "
        "longer and run python -m tests.instructions"
    )


def test_the_kept_counts_are_not_out_of_date(requests: dict[str, Callable[[], object]]) -> None:
    kept = json.loads(KEPT.read_text())[VERSION]

    counted = {door: sum(count(requests[door]).values()) for door in DOORS}

    stale = {door: number for door, number in counted.items() if number < kept[door] * (1 - 2 * TOLERANCE)}
    assert not stale, f"fewer instructions than kept: run python -m tests.instructions; counted {stale}"
