"""Simulated autoscalers decide as a HorizontalPodAutoscaler does."""

from __future__ import annotations

import pytest

from bench.scale.scalers import Autoscaler, Sample, concurrency, cpu, gauges, waiting


def asking(*wanted: float, least: int = 1, most: int = 1000) -> Autoscaler:
    """Return an autoscaler whose metric asks for these numbers of pods, one after the other."""
    left = iter(wanted)
    return Autoscaler(lambda samples, slots: next(left), slots=1, least=least, most=most)


def test_pods_are_at_most_doubled_or_four_more_at_a_time() -> None:
    assert asking(500).decide([], 40) == 80
    assert asking(500).decide([], 2) == 6


def test_a_tenth_more_or_less_changes_nothing() -> None:
    assert asking(109).decide([], 100) == 100
    assert asking(112).decide([], 100) == 112


def test_pods_end_once_fewer_have_sufficed_for_five_minutes() -> None:
    scaler = asking(10, *[4] * 20)

    sizes = [scaler.decide([], 10) for _ in range(21)]

    assert sizes[:20] == [10] * 20
    assert sizes[20] == 4


def test_there_are_never_fewer_or_more_than_allowed() -> None:
    assert asking(0.0, least=3).decide([], 4) == 3
    assert asking(90, most=50).decide([], 49) == 50


BUSY = [Sample(ready=10, running=10, waiting=200)] * 12
QUIET = [Sample(ready=10, running=7, waiting=0)] * 12


def test_the_cpu_of_busy_pods_says_nothing_of_waiting_calls() -> None:
    assert cpu(BUSY, 1) == pytest.approx(10 / 0.7)
    assert concurrency(BUSY, 1) == pytest.approx(210 / 0.7)
    assert gauges(BUSY, 1) == waiting(BUSY, 1) == 50


def test_waiting_calls_alone_would_end_pods_that_suffice() -> None:
    assert waiting(QUIET, 1) == 0
    assert gauges(QUIET, 1) == pytest.approx(10)
    assert cpu(QUIET, 1) == pytest.approx(10)


def test_a_metric_is_as_old_as_its_way_is_long() -> None:
    sudden = [*QUIET, *BUSY[:2]]

    assert cpu(sudden, 1) == pytest.approx(10)
    assert waiting(sudden, 1) == 0
    assert waiting([*sudden, BUSY[0]], 1) == 50
    assert concurrency(sudden, 1) > 20
