"""The order in which queued calls reach their handler."""

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
