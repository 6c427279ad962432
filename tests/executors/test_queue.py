"""The order in which queued calls reach their handler."""

import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from aylien_model_serving.executors.queue import CallQueue, QueuedCall


def queued(deadline: float | None = None, suspect: bool = False, **arguments: Any) -> QueuedCall:
    return QueuedCall(arguments, deadline, "-", on_finish=lambda result, error: None, suspect=suspect)


def queue_of(*calls: QueuedCall) -> CallQueue:
    queue = CallQueue()
    for each in calls:
        queue.append(each)
    return queue


def test_the_oldest_calls_are_taken_first_and_no_more_than_are_wanted() -> None:
    calls = [queued(a=number) for number in range(5)]
    queue = queue_of(*calls)

    assert queue.take(3, 0.0) == calls[:3]
    assert queue.take(3, 0.0) == calls[3:]


def test_a_batch_holds_calls_of_the_same_fields_in_whatever_order() -> None:
    plain, full, turned = queued(a=1), queued(a=1, b=2), queued(b=2, a=1)
    queue = queue_of(full, plain, turned)

    assert queue.take(9, 0.0) == [full, turned]
    assert queue.take(9, 0.0) == [plain]


def test_a_suspect_is_taken_alone() -> None:
    one, suspect, two = queued(a=1), queued(a=1, suspect=True), queued(a=1)
    queue = queue_of(one, suspect, two)

    assert [queue.take(9, 0.0) for _ in range(2)] == [[one, two], [suspect]]


def test_stale_calls_are_set_aside_and_take_no_place_in_a_batch() -> None:
    late, gone, alive = queued(deadline=1.0), queued(), queued(deadline=3.0)
    gone.abandoned = True
    queue = queue_of(late, gone, alive)

    assert queue.take(1, 2.0) == [alive]
    assert queue.take_stale() == [late, gone]
    assert queue.take_stale() == []


def test_stale_calls_make_room_without_a_run() -> None:
    late, alive = queued(deadline=1.0), queued()
    queue = queue_of(late, alive)

    queue.set_stale_aside(2.0)

    assert len(queue) == 1
    assert queue.first is alive
    assert queue.has_stale()


kinds = st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from([None, 1.0, 3.0]))


@given(st.lists(kinds, max_size=30), st.integers(1, 8))
def test_every_call_is_taken_once_and_those_alike_in_their_order(
    kinds: list[tuple[str, bool, float | None]], most: int
) -> None:
    calls = [queued(deadline, suspect, **{name: 1}) for name, suspect, deadline in kinds]
    queue = queue_of(*calls)

    batches = []
    while queue:
        batches.append(queue.take(most, 2.0))
    stale = queue.take_stale()

    taken = [each for batch in batches for each in batch]
    assert sorted(map(id, taken + stale)) == sorted(map(id, calls))
    assert all(each.deadline == 1.0 for each in stale)
    for batch in batches:
        assert len(batch) <= most
        assert len({tuple(each.arguments) for each in batch}) <= 1
        assert len(batch) == 1 or not any(each.suspect for each in batch)
    for name in "ab":
        alike = [each for each in calls if name in each.arguments and each not in stale and not each.suspect]
        assert [each for each in taken if each in alike] == alike


def in_group(group: str, size: float = 0.0) -> QueuedCall:
    call = queued(a=1)
    call.group, call.size = group, size
    return call


def test_a_batch_holds_calls_of_one_group_and_the_oldest_calls_group_goes_first() -> None:
    calls = [in_group(group) for group in "abacab"]
    queue = queue_of(*calls)

    batches = [queue.take(2, 0.0) for _ in range(4)]

    assert batches == [[calls[0], calls[2]], [calls[1], calls[5]], [calls[3]], [calls[4]]]


def test_a_batch_ends_before_the_call_whose_size_would_exceed_the_total() -> None:
    calls = [in_group("a", size) for size in (3, 4, 4, 1)]
    queue = CallQueue(8)
    for each in calls:
        queue.append(each)

    assert [queue.take(9, 0.0) for _ in range(2)] == [calls[:2], calls[2:]]


def test_a_call_that_is_larger_than_the_total_runs_alone() -> None:
    calls = [in_group("a", size) for size in (1, 20, 1)]
    queue = CallQueue(8)
    for each in calls:
        queue.append(each)

    assert [queue.take(9, 0.0) for _ in range(3)] == [[call] for call in calls]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9)), max_size=30), st.integers(1, 8))
def test_every_group_has_its_turn_by_its_oldest_call_and_keeps_its_order(
    kinds: list[tuple[str, int]], most: int
) -> None:
    calls = [in_group(group, size) for group, size in kinds]
    queue, waiting = CallQueue(10), list(calls)
    for each in calls:
        queue.append(each)

    while queue:
        batch = queue.take(most, 0.0)

        alike = [each for each in waiting if each.group == waiting[0].group]
        assert batch == alike[: len(batch)]
        assert sum(each.size for each in batch) <= 10 or len(batch) == 1
        rest = alike[len(batch) :]
        assert not rest or len(batch) == most or sum(each.size for each in [*batch, rest[0]]) > 10
        waiting = [each for each in waiting if each not in batch]

    assert waiting == []


def test_calls_of_thousands_of_groups_cost_no_more_than_those_of_hundreds() -> None:
    def lines_run(calls: int) -> int:
        queue = queue_of(*(in_group(str(number)) for number in range(calls)))
        counted = 0

        def count(frame: Any, event: str, argument: Any) -> Any:
            nonlocal counted
            counted += 1
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            while queue:
                queue.take(32, 0.0)
        finally:
            sys.settrace(before)
        return counted

    assert lines_run(2000) <= 10.5 * lines_run(200)
