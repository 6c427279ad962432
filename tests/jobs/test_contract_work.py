"""What every store does for those who work on jobs: leases, attempts, progress, ends."""

import pytest

from aylien_model_serving.jobs.errors import LeaseLost
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.jobs.transitions import LAST_CHANCE
from tests.jobs.stores import LEASE, NOW, REPLY, claim, claimed_id, enqueue, get, take_over


def test_a_heartbeat_keeps_the_lease(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)

    assert store.heartbeat(job_id, "me", LEASE, NOW + 9) is False

    assert claimed_id(store, NOW + 18, "other") is None
    taken = take_over(store, "other", NOW + 9 + LEASE)
    assert taken is not None
    assert taken.job.id == job_id


def test_the_owner_of_an_expired_lease_has_a_last_chance_to_renew_it(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)

    assert claimed_id(store, NOW + 7200, "other") is None
    store.heartbeat(job_id, "me", LEASE, NOW + 7200 + LAST_CHANCE)

    assert claimed_id(store, NOW + 7200 + LAST_CHANCE, "other") is None
    assert claimed_id(store, NOW + 7200 + LAST_CHANCE + LEASE, "other") is None
    assert get(store, job_id).overdue
    assert (get(store, job_id).attempts, get(store, job_id).kills) == (1, 0)


def test_a_job_whose_lease_expired_runs_again_and_belongs_to_the_next(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)

    taken = take_over(store, "other")

    assert taken is not None
    assert taken.call == b"call"
    assert (taken.job.attempts, taken.job.kills, taken.job.lease_owner) == (2, 1, "other")
    with pytest.raises(LeaseLost):
        store.finish(job_id, "me", REPLY, b"late", NOW + LEASE)
    store.finish(job_id, "other", REPLY, b"good", NOW + LEASE)
    assert store.result("s", job_id) == (REPLY, b"good")


def test_an_owner_that_is_late_may_go_on_if_no_other_claimed_the_job(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)

    store.heartbeat(job_id, "me", LEASE, NOW + 1000)

    assert claimed_id(store, NOW + 1001, "other") is None


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_job_that_ends_its_process_too_often_fails_and_the_next_one_is_claimed(
    store: Store, retries: int
) -> None:
    killer = enqueue(store, retries=retries)
    times, now = retries + 2, NOW
    claim(store)
    for _ in range(times - 1):
        now += LEASE
        assert take_over(store, "me", now)
        now += LAST_CHANCE
    good = enqueue(store)

    assert take_over(store, "me", now + LEASE, waiting=[good]) is None
    failed = get(store, killer)
    assert (failed.status, failed.kills, failed.attempts) == ("failed", times, times)
    assert failed.error == f"Its process ended {times} times while it worked on this job"


def test_a_failed_job_is_tried_again_after_a_pause_while_it_has_retries(store: Store) -> None:
    job_id = enqueue(store, retries=1)
    claim(store)
    store.report(job_id, "me", 0.5, "half", NOW)

    waiting = store.fail(job_id, "me", "why", NOW, again=True)

    assert (waiting.status, waiting.fraction, waiting.message, waiting.error) == ("queued", 0.0, None, None)
    assert waiting.not_before == NOW + 1
    assert store.next_due("s", ["r"], NOW) == NOW + 1
    assert claimed_id(store, NOW + 0.9) is None
    assert claimed_id(store, NOW + 1) == job_id
    ended = store.fail(job_id, "me", "why", NOW + 1, again=True)
    assert (ended.status, ended.error, ended.attempts, ended.kills) == ("failed", "why", 2, 0)


def test_a_job_that_pauses_does_not_hold_up_others(store: Store) -> None:
    urgent, other = enqueue(store, retries=1, priority=9), enqueue(store)
    claim(store)
    store.fail(urgent, "me", "why", NOW, again=True)

    assert claimed_id(store) == other


def test_a_failure_that_would_come_again_ends_the_job(store: Store) -> None:
    job_id = enqueue(store, retries=5)
    claim(store)

    assert store.fail(job_id, "me", "why", NOW, again=False).status == "failed"


def test_a_job_that_is_released_keeps_its_place_and_its_attempts(store: Store) -> None:
    first, _ = enqueue(store), enqueue(store)
    claim(store)

    released = store.release(first, "me", NOW)

    assert (released.status, released.attempts, released.started_at) == ("queued", 0, None)
    assert claimed_id(store) == first


def test_progress_is_kept_and_a_message_stays_until_another_one_comes(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)

    store.report(job_id, "me", 0.25, "frying", NOW)
    store.report(job_id, "me", 0.5, None, NOW)

    assert (get(store, job_id).fraction, get(store, job_id).message) == (0.5, "frying")


def test_a_job_in_the_queue_is_cancelled_at_once(store: Store) -> None:
    job_id = enqueue(store)

    cancelled = store.cancel("s", job_id, NOW)

    assert cancelled == get(store, job_id)
    assert (cancelled.status, cancelled.finished_at) == ("cancelled", NOW)
    assert claim(store) is None


def test_the_owner_of_a_running_job_learns_that_it_is_to_stop(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)

    asked = store.cancel("s", job_id, NOW)

    assert asked is not None
    assert (asked.status, asked.cancel_requested) == ("processing", True)
    assert store.heartbeat(job_id, "me", LEASE, NOW)
    assert store.report(job_id, "me", 0.5, None, NOW)
    assert store.streaming(job_id, "me", NOW)
    assert store.add_item(job_id, "me", 0, b"item")
    assert store.cancelled(job_id, "me", NOW).status == "cancelled"


@pytest.mark.parametrize("event", ["lost", "failed", "released"])
def test_a_job_that_is_to_stop_never_runs_again(store: Store, event: str) -> None:
    job_id = enqueue(store, retries=5)
    claim(store)
    store.cancel("s", job_id, NOW)

    if event == "failed":
        store.fail(job_id, "me", "why", NOW, again=True)
    elif event == "released":
        store.release(job_id, "me", NOW)

    assert take_over(store, "other") is None
    assert get(store, job_id).status == "cancelled"


def test_an_ended_job_stays_as_it_is(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)
    done = store.finish(job_id, "me", REPLY, b"", NOW)

    assert store.cancel("s", job_id, NOW + 1) == done
    for late in (
        lambda: store.finish(job_id, "me", REPLY, b"", NOW),
        lambda: store.fail(job_id, "me", "why", NOW, again=True),
        lambda: store.cancelled(job_id, "me", NOW),
        lambda: store.release(job_id, "me", NOW),
        lambda: store.heartbeat(job_id, "me", LEASE, NOW),
        lambda: store.report(job_id, "me", 0.1, "late", NOW),
        lambda: store.streaming(job_id, "me", NOW),
        lambda: store.add_item(job_id, "me", 0, b"late"),
    ):
        with pytest.raises(LeaseLost):
            late()
    assert get(store, job_id) == done


def test_a_stranger_can_do_nothing_to_a_job(store: Store) -> None:
    job_id = enqueue(store)
    with pytest.raises(LeaseLost):
        store.finish(job_id, "me", REPLY, b"", NOW)
    claim(store)

    with pytest.raises(LeaseLost):
        store.finish(job_id, "stranger", REPLY, b"", NOW)
