"""The instructions that a request executes, compared with those in counts.json; times are too noisy for that.

`python -m tests.instructions` updates the counts of the running Python.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from aylien_model_serving.executors import latency
from tests.instructions.counting import count
from tests.instructions.requests import requests_by_adapter

RECORDED = Path(__file__).with_name("counts.json")
VERSION = "{}.{}".format(*sys.version_info[:2])

#: How much a change may add unnoticed; the bucket that a time falls into moves the count by a tenth of it.
TOLERANCE = 0.05

ADAPTERS = ("pipeline", "WSGI fast path", "WSGI fast path, cached", "ASGI adapter", "Flask adapter")


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], object]]:
    monkeypatch.setattr(latency, "QUICK_SECONDS", float("inf"))
    monkeypatch.setattr(latency, "SLOW_SECONDS", float("inf"))
    monkeypatch.setattr(latency, "LONG_SECONDS", float("inf"))
    return requests_by_adapter()


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_request_executes_no_more_instructions_than_before(
    adapter: str, requests: dict[str, Callable[[], object]]
) -> None:
    recorded = json.loads(RECORDED.read_text())[VERSION][adapter]

    counted = sum(count(requests[adapter]).values())

    assert counted <= recorded * (1 + TOLERANCE), (
        f"{counted} instructions where {recorded} are recorded: save some, or say why there have to be "
        "more and run python -m tests.instructions"
    )


def test_the_recorded_counts_are_not_out_of_date(requests: dict[str, Callable[[], object]]) -> None:
    recorded = json.loads(RECORDED.read_text())[VERSION]

    counted = {adapter: sum(count(requests[adapter]).values()) for adapter in ADAPTERS}

    stale = {
        adapter: number
        for adapter, number in counted.items()
        if number < recorded[adapter] * (1 - 2 * TOLERANCE)
    }
    assert not stale, f"fewer instructions than recorded: run python -m tests.instructions; counted {stale}"
