"""What every store returns and removes: items, pages, expired jobs, webhooks."""

import time

import pytest

from aylien_model_serving.jobs.errors import LeaseLost
from aylien_model_serving.jobs.states import IllegalTransition
from aylien_model_serving.jobs.store import BATCH, Store
from tests.jobs.stores import LEASE, NOW, REPLY, claim, enqueue, get, take_over


def test_items_are_read_page_by_page_while_they_are_made_and_after(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)
    store.streaming(job_id, "me", NOW)
    for index in range(3):
        store.add_item(job_id, "me", index, b"item %d" % index)

    assert get(store, job_id).status == "streaming"
    assert store.items("s", job_id, -1, 2) == [(0, b"item 0"), (1, b"item 1")]
    store.finish(job_id, "me", REPLY, b"", NOW)
    assert store.items("s", job_id, 1, 9) == [(2, b"item 2")]
    assert store.items("t", job_id, -1, 9) == []


def test_another_attempt_makes_the_items_again(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)
    store.streaming(job_id, "me", NOW)
    store.add_item(job_id, "me", 0, b"old")

    take_over(store, "other")

    assert store.items("s", job_id, -1, 9) == []
    with pytest.raises(LeaseLost):
        store.add_item(job_id, "me", 1, b"late")


def test_items_belong_to_a_stream(store: Store) -> None:
    job_id = enqueue(store)
    claim(store)

    with pytest.raises(IllegalTransition, match="processing has no items"):
        store.add_item(job_id, "me", 0, b"early")
    store.streaming(job_id, "me", NOW)
    with pytest.raises(IllegalTransition):
        store.streaming(job_id, "me", NOW)


def test_pages_show_the_last_jobs_first_and_stay_in_place_when_others_come(store: Store) -> None:
    jobs = [enqueue(store, NOW - index) for index in range(5)]

    first = store.page("s", limit=2)
    enqueue(store)
    second = store.page("s", limit=2, before=first[-1].number)
    third = store.page("s", limit=2, before=second[-1].number)

    assert [job.id for job in first + second + third] == jobs[::-1]
    assert store.page("s", limit=2, before=third[-1].number) == []


def test_pages_and_counts_are_by_route_and_state(store: Store) -> None:
    done, waiting, other = enqueue(store), enqueue(store), enqueue(store, route="q")
    claim(store)
    store.finish(done, "me", REPLY, b"", NOW)

    def ids(**given: str) -> list[str]:
        return [job.id for job in store.page("s", limit=9, **given)]  # type: ignore[arg-type]

    assert ids(status="queued") == [other, waiting]
    assert ids(route="r") == [waiting, done]
    assert ids(route="r", status="finished") == [done]
    assert ids(route="q", status="finished") == []
    assert store.counts("s") == {"r": {"finished": 1, "queued": 1}, "q": {"queued": 1}}


def test_the_next_claim_makes_sense_when_a_job_waits_or_a_pause_or_a_lease_is_over(store: Store) -> None:
    assert store.next_due("s", ["r"], NOW) is None
    enqueue(store)
    assert store.next_due("s", ["q", "r"], NOW) == NOW
    claim(store)
    assert store.next_due("s", ["r"], NOW) == NOW + LEASE
    assert store.next_due("s", ["q"], NOW) is None


def test_expired_jobs_are_removed_with_all_that_belongs_to_them(store: Store) -> None:
    job_id, kept = enqueue(store), enqueue(store)
    claim(store)
    store.streaming(job_id, "me", NOW)
    store.add_item(job_id, "me", 0, b"item")
    store.finish(job_id, "me", REPLY, b"body", NOW)

    assert store.sweep(NOW + 99.9) == 0
    assert store.sweep(NOW + 100) == 1

    assert store.get("s", job_id) is None
    assert store.result("s", job_id) is None
    assert store.items("s", job_id, -1, 9) == []
    assert [job.id for job in store.page("s", limit=9)] == [kept]


def test_expired_jobs_are_not_shown_before_they_are_removed(store: Store) -> None:
    long_ago = time.time() - 100
    job_id, kept = enqueue(store, long_ago, webhook=None), enqueue(store, webhook="https://example.com")
    claim(store, long_ago)
    store.streaming(job_id, "me", long_ago)
    store.add_item(job_id, "me", 0, b"item")
    store.finish(job_id, "me", REPLY, b"body", long_ago)
    store.cancel("s", kept, long_ago)

    assert store.get("s", job_id) is None
    assert store.result("s", job_id) is None
    assert store.items("s", job_id, -1, 9) == []
    assert store.cancel("s", job_id, time.time()) is None
    assert [job.id for job in store.page("s", limit=9)] == [kept], "its webhook was not delivered"
    assert get(store, kept).status == "cancelled"
    assert store.sweep(time.time()) == 1


def test_a_sweep_is_bounded(store: Store) -> None:
    for _ in range(BATCH + 1):
        store.cancel("s", enqueue(store), NOW)

    assert [store.sweep(NOW + 100) for _ in range(3)] == [BATCH, 1, 0]


def test_a_webhook_is_due_at_the_end_and_until_it_was_delivered(store: Store) -> None:
    job_id = enqueue(store, webhook="https://example.com")
    enqueue(store)
    assert store.webhooks_due("s", 9, 30.0, NOW) == []
    store.cancel("s", job_id, NOW)

    assert [job.id for job in store.webhooks_due("s", 9, 30.0, NOW)] == [job_id]
    assert store.webhooks_due("s", 9, 30.0, NOW + 29) == []
    assert store.webhooks_due("t", 9, 30.0, NOW + 30) == []
    assert [job.id for job in store.webhooks_due("s", 9, 30.0, NOW + 30)] == [job_id]
    store.webhook_failed(job_id, NOW + 31)
    assert store.webhooks_due("s", 9, 30.0, NOW + 32) == []
    assert len(store.webhooks_due("s", 9, 30.0, NOW + 33)) == 1
    assert store.sweep(NOW + 1000) == 0
    store.webhook_done(job_id)
    assert store.webhooks_due("s", 9, 30.0, NOW + 1000) == []
    assert store.sweep(NOW + 1000) == 1


def test_webhooks_are_claimed_the_longest_due_first(store: Store) -> None:
    jobs = [enqueue(store, webhook="https://example.com") for _ in range(3)]
    for wait, job_id in zip((2, 0, 1), jobs, strict=True):
        store.cancel("s", job_id, NOW + wait)

    due = store.webhooks_due("s", 2, 30.0, NOW + 5)

    assert [job.id for job in due] == [jobs[1], jobs[2]]


def test_a_webhook_that_was_delivered_already_takes_no_harm(store: Store) -> None:
    job_id = enqueue(store, webhook="https://example.com")
    store.webhook_done(job_id)
    store.webhook_failed("unknown", NOW)

    assert get(store, job_id).webhook_tries == 0


def test_bodies_may_be_large_and_hold_any_bytes(store: Store) -> None:
    call, body = bytes(range(256)) * 8192, b"\0" * (3 << 20)
    job_id = enqueue(store, call=call)

    claimed = claim(store)
    store.finish(job_id, "me", REPLY, body, NOW)

    assert claimed is not None
    assert claimed.call == call
    assert store.result("s", job_id) == (REPLY, body)
