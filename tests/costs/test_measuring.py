"""What outgrows its input is seen in the measurements, on any machine."""

from __future__ import annotations

import pytest

from tests.costs import reference
from tests.costs.measuring import LONG_ENOUGH, Work, growth, seconds_of
from tests.costs.test_costs import GROWTH, LARGE_GROWTH, LONG, LONGEST, SHORT, SLACK

#: Steps of work for a kilobyte that take some milliseconds for a hundred.
_STEPS = 2000


def in_proportion(size: int) -> Work:
    return lambda: sum(1 for _ in range(_STEPS * (size // 1024)))


def squared(size: int) -> Work:
    """Return work of the same length for 64 KiB, and four times of it for twice the size."""
    return lambda: sum(1 for _ in range(_STEPS * (size // 1024) ** 2 // 64))


def test_work_in_proportion_to_its_input_is_told_from_work_in_its_square() -> None:
    assert growth(in_proportion, *SHORT, GROWTH) < GROWTH
    assert growth(squared, *SHORT, GROWTH) > GROWTH


def test_work_in_the_square_of_its_input_is_told_where_larger_inputs_are_refused() -> None:
    def refused_from_a_size_on(size: int) -> Work:
        return squared(size) if size < LONG[1] // 8 else in_proportion(0)

    assert growth(refused_from_a_size_on, 64 * 1024, LONG[1], LARGE_GROWTH) > LARGE_GROWTH


def test_seconds_are_those_of_the_machine_that_limits_are_written_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = in_proportion(SHORT[0])
    here = seconds_of(work, 5)

    monkeypatch.setattr(reference, "NOMINAL", 10 * reference.NOMINAL)

    assert seconds_of(work, 5) == pytest.approx(10 * here, rel=0.5)


def test_what_is_compared_is_shorter_than_what_is_allowed() -> None:
    assert LONG_ENOUGH <= SLACK * LONGEST
