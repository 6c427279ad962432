"""When a handler counts as quick, and when as slow."""

from aylien_model_serving.executors.latency import QUICK_SECONDS, SLOW_SECONDS, LatencyTracker


def classes_after(*seconds: float) -> list[bool]:
    tracker = LatencyTracker()
    classes = []
    for value in seconds:
        tracker.record(value)
        classes.append(tracker.quick)
    return classes


def test_a_handler_is_slow_until_measured_as_quick() -> None:
    assert not LatencyTracker().quick
    assert classes_after(QUICK_SECONDS / 2) == [True]
    assert classes_after(SLOW_SECONDS * 2) == [False]


def test_a_change_of_the_class_is_reported_once() -> None:
    tracker = LatencyTracker()

    changes = [tracker.record(seconds) for seconds in (1e-5, 1e-5, 1.0, 1.0)]

    assert changes == [True, False, True, False]


def test_a_handler_between_the_two_bounds_keeps_its_class() -> None:
    between = (QUICK_SECONDS + SLOW_SECONDS) / 2

    assert classes_after(between, between) == [False, False]
    assert classes_after(QUICK_SECONDS / 2, *[between] * 50) == [True] * 51


def test_one_slow_call_among_many_quick_ones_is_forgotten() -> None:
    classes = classes_after(1e-5, SLOW_SECONDS * 10, *[1e-5] * 50)

    assert classes[1] is False
    assert classes[-1] is True
