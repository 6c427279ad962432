"""Calls of several items: each item joins a batch by itself, and the call is answered whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.errors import (
    DeadlineExceeded,
    FieldMismatch,
    InvalidRequest,
    TooManyItems,
    Unavailable,
)
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.executors.splitting import ItemCall
from tests.executors.engines import EngineHarness


def doubled(items: list[int]) -> list[Any]:
    return [InvalidRequest(f"{item} is odd") if item % 2 else 2 * item for item in items]


def harness_of(
    handler: Any = doubled, max_queue: int | None = None, threads: int = 1, **options: Any
) -> EngineHarness:
    return EngineHarness(
        handler, max_queue=max_queue, threads=threads, batching=BatchOptions(split="items", **options)
    )


def test_items_of_several_calls_share_batches_and_each_call_is_answered_in_order() -> None:
    harness = harness_of(max_size=4)
    harness.submit("x", items=[2, 4, 6])
    harness.submit("y", items=(8, 10, 12))

    assert harness.work() == {"x": [4, 8, 12], "y": [16, 20, 24]}
    assert harness.runs() == [4, 2]


@given(st.lists(st.lists(st.integers(0, 99), max_size=9), max_size=9), st.integers(1, 8))
def test_however_items_fall_into_batches_each_call_gets_its_own_results(
    calls: list[list[int]], max_size: int
) -> None:
    harness = harness_of(lambda items: [3 * item for item in items], max_size=max_size)
    for number, items in enumerate(calls):
        harness.submit(str(number), items=items)

    assert harness.work() == {str(n): [3 * item for item in items] for n, items in enumerate(calls)}
    assert sum(harness.runs()) == sum(map(len, calls))
    assert max(harness.runs(), default=0) <= max_size


def test_the_other_fields_of_a_call_come_with_each_of_its_items() -> None:
    harness = harness_of(lambda items, scale: [one * by for one, by in zip(items, scale, strict=True)])
    harness.submit("x", items=[1, 2], scale=10)
    harness.submit("y", items=[3], scale=100)

    assert harness.work() == {"x": [10, 20], "y": [300]}
    assert harness.runs() == [3]


def test_a_call_without_items_is_answered_without_a_run() -> None:
    harness = harness_of()
    harness.submit("x", items=[])

    assert harness.outcomes == {"x": []}
    assert harness.observer.events == [("finished", "x"), "settled"]
    assert harness.work() == {"x": []}


def test_an_item_that_fails_fails_its_call_and_no_other() -> None:
    harness = harness_of()
    harness.submit("x", items=[2, 3, 5])
    harness.submit("y", items=[4])

    outcomes = harness.work()

    assert (str(outcomes["x"]), outcomes["y"]) == ("3 is odd", [8])


def test_what_is_left_of_a_call_that_has_failed_does_not_run() -> None:
    harness = harness_of(max_size=2)
    harness.submit("x", items=[1, 2, 4, 6, 8])

    assert str(harness.work()["x"]) == "1 is odd"
    assert harness.runs() == [2]


def test_an_item_that_makes_its_batch_fail_is_found_and_fails_its_call_alone() -> None:
    def handler(items: list[int]) -> list[int]:
        if 3 in items:
            raise ValueError("three")
        return items

    harness = harness_of(handler)
    harness.submit("x", items=[1, 2])
    harness.submit("y", items=[3, 4])

    outcomes = harness.work()

    assert outcomes["x"] == [1, 2]
    assert isinstance(outcomes["y"], ValueError)


def test_a_call_that_was_abandoned_runs_no_item() -> None:
    harness = harness_of()
    harness.submit("x", items=[2, 4]).abandoned = True

    assert harness.work() == {}
    assert harness.runs() == []


def test_a_call_is_late_as_a_whole() -> None:
    harness = harness_of()
    harness.submit("x", deadline=0.0, items=[2, 4])

    assert isinstance(harness.work()["x"], DeadlineExceeded)
    assert harness.runs() == []


def test_as_many_items_wait_as_calls_would() -> None:
    harness = harness_of(max_queue=4)
    harness.submit("x", items=[2, 4, 6])

    with pytest.raises(Unavailable):
        harness.submit("y", items=[2, 4])
    harness.submit("z", items=[8])

    assert harness.engine.waiting() == 4
    assert harness.work() == {"x": [4, 8, 12], "z": [16]}


def test_a_call_that_never_fits_into_the_queue_is_told_so() -> None:
    harness = harness_of(max_queue=4)

    with pytest.raises(TooManyItems, match="items: there are 5 items, and up to 4 may be"):
        harness.submit("x", items=[0] * 5)


@pytest.mark.parametrize("value", [None, "abc", b"abc", {"a": 1}, 3])
def test_what_is_no_list_of_items_is_refused(value: Any) -> None:
    with pytest.raises(FieldMismatch, match="items: a list of items is expected"):
        harness_of().submit("x", items=value)


def test_groups_and_sizes_are_those_of_items() -> None:
    batches: list[list[str]] = []

    def handler(items: list[str]) -> list[str]:
        batches.append(items)
        return items

    harness = harness_of(
        handler, group_by=lambda items: items[0], size_of=lambda items: len(items), max_total=5
    )
    harness.submit("x", items=["aa", "b", "aaa", "a"])

    assert harness.work() == {"x": ["aa", "b", "aaa", "a"]}
    assert batches == [["aa", "aaa"], ["b"], ["a"]]


def test_the_items_of_a_suspect_run_one_by_one() -> None:
    harness = harness_of()
    harness.submit("x", suspect=True, items=[2, 4])

    assert harness.work() == {"x": [4, 8]}
    assert harness.runs() == [1, 1]


def test_an_item_belongs_to_its_call() -> None:
    seen: list[QueuedCall] = []
    harness = harness_of()
    harness.observer.starts = seen.extend  # type: ignore[method-assign]
    call = harness.submit("x", items=[2, 4])
    harness.work()

    assert [type(item) for item in seen] == [ItemCall] * 2
    assert [item.whole for item in seen] == [call, call]
    assert call.whole is call
