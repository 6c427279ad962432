"""Exponential backoff."""

import pytest

from aylien_model_serving.process.backoff import Backoff


def test_the_first_restart_is_made_at_once_and_pauses_double_to_a_limit() -> None:
    backoff = Backoff(longest=1.0)

    assert [backoff.failed() for _ in range(7)] == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_failures_are_forgotten_after_ten_seconds_without_one() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.failed()

    assert backoff.failed(worked=9.9) > 0
    assert backoff.failed(worked=10.0) == 0.0


def test_the_longest_pause_is_thirty_seconds_however_many_failures_there_are() -> None:
    backoff = Backoff()

    assert max(backoff.failed() for _ in range(5000)) == 30.0
