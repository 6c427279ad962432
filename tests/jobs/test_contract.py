"""What every store does: jobs that come, wait and are taken."""

import pytest

from aylien_model_serving.errors import IdempotencyKeyReused, TooManyRequests
from aylien_model_serving.jobs.errors import QueueFull
from aylien_model_serving.jobs.store import Store
from tests.jobs.stores import NOW, REPLY, claim, claimed_id, enqueue, get, new_job


def test_a_job_is_kept_as_it_came(store: Store) -> None:
    new = new_job(priority=3, retries=2, timeout=5.0, webhook="https://example.com", idempotency_key="k")

    job, created = store.enqueue(new, NOW)

    assert created
    assert store.get("s", new.id) == job
    for name in ("id", "service", "route", "priority", "retries", "timeout", "keep", "webhook"):
        assert getattr(job, name) == getattr(new, name)
    assert (job.status, job.fraction, job.attempts) == ("queued", 0.0, 0)
    assert job.created_at == job.queued_at == NOW


def test_a_job_goes_from_the_queue_to_its_end(store: Store) -> None:
    job_id = enqueue(store)

    claimed = claim(store, NOW + 1)
    assert claimed is not None
    assert claimed.call == b"call"
    assert claimed.job == get(store, job_id)
    assert (claimed.job.status, claimed.job.attempts, claimed.job.started_at) == ("processing", 1, NOW + 1)
    done = store.finish(job_id, "me", REPLY, b"body", NOW + 2)

    assert done == get(store, job_id)
    assert (done.status, done.fraction) == ("finished", 1.0)
    assert (done.finished_at, done.expires_at) == (NOW + 2, NOW + 102)
    assert store.result("s", job_id) == (REPLY, b"body")


def test_a_result_can_be_read_as_often_as_one_likes_and_is_there_at_the_end_alone(store: Store) -> None:
    job_id = enqueue(store)

    assert store.result("s", job_id) is None
    claim(store)
    store.finish(job_id, "me", REPLY, b"", NOW)
    assert [store.result("s", job_id) for _ in range(3)] == [(REPLY, b"")] * 3


@pytest.mark.parametrize("unknown", ["", "0" * 32, "' OR 1=1 --", "\ud800", "é", "\0", "x" * 100_000])
def test_what_is_not_there_is_not_found(store: Store, unknown: str) -> None:
    enqueue(store)

    assert store.get("s", unknown) is None
    assert store.result("s", unknown) is None
    assert store.items("s", unknown, -1, 9) == []
    assert store.cancel("s", unknown, NOW) is None


def test_services_see_their_own_jobs_alone(store: Store) -> None:
    job_id = enqueue(store)

    assert claim(store, NOW, "me", "t") is None
    assert store.get("t", job_id) is None
    assert store.cancel("t", job_id, NOW) is None
    assert store.page("t", limit=9) == []
    assert store.counts("t") == {}
    assert store.next_due("t", ["r"], NOW) is None
    assert get(store, job_id).status == "queued"


def test_a_claim_takes_jobs_of_the_asked_routes_alone(store: Store) -> None:
    enqueue(store, route="other")

    assert claim(store) is None
    assert claim(store, NOW, "me", "s", "r", "other") is not None


def test_the_highest_priority_goes_first_and_the_oldest_among_equals(store: Store) -> None:
    low, a, high, b = (enqueue(store, priority=priority) for priority in (-1, 0, 7, 0))

    assert [claimed_id(store) for _ in range(5)] == [high, a, b, low, None]


def test_routes_compete_by_priority_and_age(store: Store) -> None:
    jobs = [enqueue(store, route=route, priority=priority) for priority in (0, 1) for route in "ab"]

    taken = [claim(store, NOW, "me", "s", "b", "a") for _ in jobs]

    assert [each.job.id for each in taken if each] == [jobs[2], jobs[3], jobs[0], jobs[1]]


def test_a_full_queue_takes_no_further_job_until_one_is_taken(store: Store) -> None:
    for _ in range(2):
        enqueue(store, queue_size=2)
    enqueue(store, queue_size=2, route="other")

    with pytest.raises(QueueFull, match="2 jobs wait") as caught:
        enqueue(store, queue_size=2)
    assert isinstance(caught.value, TooManyRequests)
    assert dict(caught.value.headers())["Retry-After"]
    claim(store)
    enqueue(store, queue_size=2)


def test_an_equal_idempotency_key_gives_the_kept_job_back_even_when_the_queue_is_full(store: Store) -> None:
    first, _ = store.enqueue(new_job(idempotency_key="k", queue_size=1), NOW)

    again, created = store.enqueue(new_job(idempotency_key="k", queue_size=1), NOW + 1)

    assert (again, created) == (first, False)


def test_an_idempotency_key_belongs_to_a_caller_of_a_service(store: Store) -> None:
    owners = [("s", ""), ("s", "a"), ("s", "b"), ("t", "a")]

    made = [
        store.enqueue(new_job(service=service, caller=caller, idempotency_key="k"), NOW)[1]
        for service, caller in owners
    ]

    assert made == [True, True, True, True]


@pytest.mark.parametrize("caller", ["", "a"])
@pytest.mark.parametrize("other", [{"route": "q"}, {"fingerprint": "g"}])
def test_an_idempotency_key_of_another_call_is_refused_while_its_job_is_kept(
    store: Store, caller: str, other: dict[str, str]
) -> None:
    first = {"caller": caller, "idempotency_key": "k", "fingerprint": "f"}
    job_id = enqueue(store, **first)

    with pytest.raises(IdempotencyKeyReused):
        store.enqueue(new_job(**{**first, **other}), NOW)

    assert store.enqueue(new_job(**first), NOW)[0].id == job_id
    store.cancel("s", job_id, NOW)
    assert store.enqueue(new_job(**{**first, **other}), NOW + 100)[1] is True


def test_a_job_is_shown_to_its_caller_and_to_those_who_see_all(store: Store) -> None:
    ids = {name: enqueue(store, caller=name) for name in ("", "a", "b")}

    assert [job.id for job in store.page("s", caller="a", limit=9)] == [ids["a"]]
    assert len(store.page("s", limit=9)) == 3
    for name, job_id in ids.items():
        for other in ("a", "b", "c"):
            assert (store.get("s", job_id, other) is not None) == (name == other)
        assert get(store, job_id).caller == name
    assert store.cancel("s", ids["a"], NOW, "b") is None
    assert get(store, ids["a"]).status == "queued"
    assert store.cancel("s", ids["a"], NOW, "a") is not None
    assert store.cancel("s", ids["b"], NOW) is not None


def test_an_idempotency_key_is_free_once_its_job_has_expired(store: Store) -> None:
    job_id = enqueue(store, idempotency_key="k")
    store.cancel("s", job_id, NOW)

    assert store.enqueue(new_job(idempotency_key="k"), NOW + 99)[1] is False
    assert store.enqueue(new_job(idempotency_key="k"), NOW + 100)[1] is True
    assert store.get("s", job_id) is None


def test_a_closed_store_opens_again(store: Store) -> None:
    store.close()
    store.close()

    job_id = enqueue(store)

    assert claimed_id(store) == job_id
