"""When a handler counts as quick, and when as slow; what a run is expected to take."""

from aylien_model_serving.executors.latency import (
    FIRST_LOOKS,
    LONG_SECONDS,
    MOST_LOOKS,
    QUICK_SECONDS,
    SLOW_SECONDS,
    LatencyTracker,
    RunTime,
)

QUICK = QUICK_SECONDS / 2


def looked_at(tracker: LatencyTracker, seconds: float, times: int, *, has_waited: bool = False) -> list[bool]:
    """Return what each of some calls on a thread changed."""
    return [tracker.record(seconds) or tracker.saw(has_waited) for _ in range(times)]


def quick_tracker() -> LatencyTracker:
    tracker = LatencyTracker()
    looked_at(tracker, QUICK, FIRST_LOOKS)
    assert tracker.quick
    return tracker


def test_a_handler_is_quick_after_several_short_calls_without_a_wait() -> None:
    tracker = LatencyTracker()

    changes = looked_at(tracker, QUICK, FIRST_LOOKS + 1)

    assert changes == [False] * (FIRST_LOOKS - 1) + [True, False]


def test_calls_that_nobody_looked_at_make_no_handler_quick() -> None:
    tracker = LatencyTracker()

    for _ in range(100):
        assert not tracker.record(QUICK)

    assert not tracker.quick


def test_a_handler_whose_calls_take_long_is_slow() -> None:
    tracker = LatencyTracker()
    looked_at(tracker, SLOW_SECONDS * 2, 100)

    assert not tracker.quick


def test_a_handler_that_waits_is_slow_however_short_its_calls_are() -> None:
    tracker = LatencyTracker()
    looked_at(tracker, QUICK, 100, has_waited=True)

    assert not tracker.quick


def test_a_handler_that_waits_once_in_a_while_is_hardly_ever_quick() -> None:
    tracker = LatencyTracker()
    quick = 0
    for number in range(20_000):
        looked_at(tracker, QUICK, 1, has_waited=number % 50 == 0)
        quick += tracker.quick

    assert quick < 200
    assert tracker._needed == MOST_LOOKS


def test_one_wait_makes_a_quick_handler_slow_and_it_has_to_prove_itself_longer() -> None:
    tracker = quick_tracker()

    assert tracker.saw(True)

    looked_at(tracker, QUICK, FIRST_LOOKS)
    assert not tracker.quick
    looked_at(tracker, QUICK, FIRST_LOOKS)
    assert tracker.quick


def test_one_long_call_makes_a_quick_handler_slow() -> None:
    tracker = quick_tracker()

    assert tracker.record(LONG_SECONDS)
    assert not tracker.quick


def test_a_handler_between_the_two_bounds_keeps_its_class() -> None:
    between = (QUICK_SECONDS + SLOW_SECONDS) / 2
    quick, slow = quick_tracker(), LatencyTracker()

    looked_at(quick, between, 50)
    looked_at(slow, between, 50)

    assert quick.quick
    assert not slow.quick


def test_a_long_run_alone_is_not_expected_again() -> None:
    run_time = RunTime()
    run_time.ran(10.0)
    run_time.ran(0.1)

    assert run_time.expected() == 0.1
