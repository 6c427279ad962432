"""The heartbeat of a replica, with times that are passed in."""

import itertools
import math

import pytest

from aylien_model_serving.replicas.supervisor.heartbeat import Heartbeat


def beats(heartbeat: Heartbeat, number: int) -> list[bool]:
    """Return what so many beats ask, each when it is due."""
    return [heartbeat.beat(heartbeat.due) for _ in range(number)]


def started(unresponsive_after: float | None = 10.0, now: float = 100.0) -> Heartbeat:
    heartbeat = Heartbeat(unresponsive_after)
    heartbeat.schedule(now)
    return heartbeat


def test_a_replica_is_asked_once_until_it_answers() -> None:
    heartbeat = started()

    asked = beats(heartbeat, 3)
    heartbeat.on_answer()
    again = beats(heartbeat, 2)

    assert asked == [True, False, False]
    assert again == [True, False]


def test_a_replica_is_unresponsive_once_a_question_is_as_old_as_that() -> None:
    heartbeat = started(10.0)

    beats(heartbeat, 1)
    asked_at = heartbeat.due - 1.0
    beats(heartbeat, 9)
    before = (heartbeat.is_unresponsive, heartbeat.silence)
    beats(heartbeat, 1)

    assert before == (False, 9.0)
    assert (heartbeat.is_unresponsive, heartbeat.silence) == (True, 10.0)
    assert heartbeat.due - 1.0 - asked_at == pytest.approx(10.0)


def test_an_answer_ends_the_silence() -> None:
    heartbeat = started()
    beats(heartbeat, 20)

    heartbeat.on_answer()

    assert (heartbeat.is_unresponsive, heartbeat.silence) == (False, 0.0)


def test_a_beat_that_is_not_due_changes_nothing() -> None:
    heartbeat = started()
    due = heartbeat.due

    assert not heartbeat.beat(due - 0.01)
    assert heartbeat.due == due


@pytest.mark.parametrize("away", [60.0, 3600.0])
def test_a_supervisor_that_was_stopped_itself_blames_no_replica(away: float) -> None:
    heartbeat = started()
    beats(heartbeat, 1)

    heartbeat.beat(heartbeat.due + away)

    assert heartbeat.silence == 1.0


@pytest.mark.parametrize("unresponsive_after", [0.05, 0.3, 10.0, 3600.0])
@pytest.mark.parametrize("late", [0.0, 0.1, 0.4])
def test_beats_keep_their_interval_though_each_is_late(unresponsive_after: float, late: float) -> None:
    heartbeat = started(unresponsive_after, now=1234.567)
    interval = unresponsive_after / 10
    dues = []

    for _ in range(200):
        dues.append(heartbeat.due)
        heartbeat.beat(heartbeat.due + late * interval)

    gaps = [later - earlier for earlier, later in itertools.pairwise(dues)]
    assert gaps == pytest.approx([interval] * 199)


def test_replicas_beat_together_whenever_they_were_started() -> None:
    dues = [started(10.0, now).due for now in (100.0, 100.2, 100.49)]

    assert dues == [101.0] * 3


def test_without_a_limit_no_beat_is_due() -> None:
    heartbeat = started(None)

    assert heartbeat.due == math.inf
    assert not heartbeat.beat(1e9)
    assert (heartbeat.is_unresponsive, heartbeat.silence) == (False, 0.0)
