"""When a handler counts as quick."""

from aylien_model_serving.executors.latency import QUICK_SECONDS, SLOW_SECONDS, LatencyTracker


def verdicts(*seconds: float) -> list[bool]:
    pace = LatencyTracker()
    found = []
    for value in seconds:
        pace.note(value)
        found.append(pace.quick)
    return found


def test_a_handler_is_slow_until_it_has_shown_itself_quick() -> None:
    assert not LatencyTracker().quick
    assert verdicts(QUICK_SECONDS / 2) == [True]
    assert verdicts(SLOW_SECONDS * 2) == [False]


def test_a_change_of_the_verdict_is_told_once() -> None:
    pace = LatencyTracker()

    told = [pace.note(seconds) for seconds in (1e-5, 1e-5, 1.0, 1.0)]

    assert told == [True, False, True, False]


def test_a_handler_between_the_two_bounds_keeps_its_side() -> None:
    between = (QUICK_SECONDS + SLOW_SECONDS) / 2

    assert verdicts(between, between) == [False, False]
    assert verdicts(QUICK_SECONDS / 2, *[between] * 50) == [True] * 51


def test_one_slow_call_among_many_quick_ones_is_forgotten() -> None:
    found = verdicts(1e-5, SLOW_SECONDS * 10, *[1e-5] * 50)

    assert found[1] is False
    assert found[-1] is True
