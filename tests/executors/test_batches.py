"""Batches as columns: what goes in, what comes out, and who fails."""

import asyncio
from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.errors import HandlerFailed, InvalidRequest
from aylien_model_serving.executors.batches import columns, items
from aylien_model_serving.executors.queue import QueuedCall
from tests.executors.engines import EngineHarness
from tests.ids import shown


def test_every_field_becomes_a_list() -> None:
    calls = [
        QueuedCall({"a": n, "b": str(n)}, None, "-", on_finish=lambda result, error: None) for n in range(3)
    ]

    assert columns(calls) == {"a": [0, 1, 2], "b": ["0", "1", "2"]}


@pytest.mark.parametrize("result", [[1, 2], (1, 2), np.array([1, 2]), range(1, 3), deque([1, 2])], ids=shown)
def test_anything_with_a_length_and_items_is_a_column_of_results(result: Any) -> None:
    assert items(result, 2) == [1, 2]


def test_the_rows_of_an_array_are_results() -> None:
    first, second = items(np.eye(2), 2)

    assert (first.tolist(), second.tolist()) == ([1, 0], [0, 1])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([1], "it returned 1"),
        ([1, 2, 3], "it returned 3"),
        (None, "it returned a NoneType"),
        ("ab", "it returned a str"),
        (b"ab", "it returned a bytes"),
        ({"a": 1, "b": 2}, "it returned a dict"),
        ({1, 2}, "it returned a set"),
        (iter([1, 2]), "it returned a list_iterator"),
        (np.array(1), "it returned a ndarray"),
    ],
    ids=shown,
)
def test_what_is_no_column_of_results_is_an_error_that_says_so(result: Any, message: str) -> None:
    with pytest.raises(HandlerFailed) as failed:
        items(result, 2)

    assert str(failed.value).startswith("The handler has to return a list of 2 results")
    assert str(failed.value).endswith(message)


def test_a_wrong_number_of_results_fails_all_and_is_not_tried_again() -> None:
    harness = EngineHarness(lambda a: a[:-1])
    for name in "xyz":
        harness.submit(name, a=name)

    outcomes = harness.work()

    assert harness.runs() == [3]
    assert [type(outcome) for outcome in outcomes.values()] == [HandlerFailed] * 3
    assert len(set(map(id, outcomes.values()))) == 3


def test_an_exception_among_the_results_fails_its_call_alone() -> None:
    refusal = InvalidRequest("odd")
    harness = EngineHarness(lambda a: [refusal if n % 2 else n for n in a])
    for n in range(4):
        harness.submit(str(n), a=n)

    assert harness.work() == {"0": 0, "1": refusal, "2": 2, "3": refusal}
    assert harness.runs() == [4]


def test_positional_fields_become_columns_too() -> None:
    def handler(a: list[int], /, b: list[int]) -> list[int]:
        return [x - y for x, y in zip(a, b, strict=True)]

    harness = EngineHarness(handler)
    harness.submit("x", a=3, b=1)
    harness.submit("y", b=2, a=2)

    assert harness.work() == {"x": 2, "y": 0}


def test_a_coroutine_function_is_awaited() -> None:
    async def handler(a: list[int]) -> list[int]:
        await asyncio.sleep(0)
        return [n + 1 for n in a]

    harness = EngineHarness(handler)
    harness.submit("x", a=1)
    harness.submit("y", a=2)

    assert harness.work() == {"x": 2, "y": 3}
    assert harness.runs() == [2]


def test_a_handler_that_cancels_itself_fails_its_call() -> None:
    async def handler(a: list[int]) -> list[int]:
        raise asyncio.CancelledError

    harness = EngineHarness(handler)
    harness.submit("x", a=1)

    assert isinstance(harness.work()["x"], Exception)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 40))
def test_exactly_the_failing_calls_fail_and_all_others_get_their_own_results(
    failing: list[bool], max_size: int
) -> None:
    def handler(n: list[int]) -> list[int]:
        bad = [each for each in n if failing[each]]
        if bad:
            raise ValueError(bad[0])
        return [each * each for each in n]

    harness = EngineHarness(handler, max_size=max_size)
    for n in range(len(failing)):
        harness.submit(str(n), n=n)

    outcomes = harness.work()

    assert len(outcomes) == len(failing)
    for n, bad in enumerate(failing):
        outcome = outcomes[str(n)]
        assert outcome.args == (n,) if bad else outcome == n * n, (n, outcome)
    assert max(harness.runs()) <= max_size


def test_one_failing_call_costs_few_runs() -> None:
    def handler(n: list[int]) -> list[int]:
        if 17 in n:
            raise ValueError
        return n

    harness = EngineHarness(handler, max_size=64)
    for n in range(64):
        harness.submit(str(n), n=n)

    harness.work()

    assert len(harness.runs()) == 1 + 2 * 6


def test_a_call_that_is_stale_before_its_second_run_is_left_out_of_it() -> None:
    seen: list[list[int]] = []

    def handler(n: list[int]) -> list[int]:
        seen.append(n)
        if len(n) > 2:
            calls[0].abandoned = True
            calls[1].deadline = 0.0
            raise ValueError
        return n

    harness = EngineHarness(handler)
    calls = [harness.submit(str(n), n=n) for n in range(4)]

    outcomes = harness.work()

    assert seen == [[0, 1, 2, 3], [2, 3]]
    assert "0" not in outcomes
    assert outcomes["1"].status == 504
    assert (outcomes["2"], outcomes["3"]) == (2, 3)
    assert [event[1] for event in harness.observer.events if event[0] == "dropped"] == [
        "abandoned",
        "expired",
    ]


def test_the_log_lines_of_a_single_call_carry_its_request_id() -> None:
    harness = EngineHarness(lambda a: [current_request_id.get()] * len(a), max_size=2)
    for name in "xyz":
        harness.submit(name, a=1)

    assert harness.work() == {"x": "-", "y": "-", "z": "z"}
    assert current_request_id.get() == "-"
