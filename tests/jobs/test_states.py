"""The table of a job's states, and what each event makes of a job."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import JobRecord
from aylien_model_serving.jobs.states import (
    ENDED,
    RUNNING,
    STATUSES,
    TRANSITIONS,
    IllegalTransition,
    Status,
    move,
)
from tests.jobs.stores import LEASE, NOW, REPLY, new_job

#: How a job gets into each state.
WAYS: dict[Status, list[Status]] = {
    "queued": [],
    "processing": ["processing"],
    "streaming": ["processing", "streaming"],
    "finished": ["processing", "finished"],
    "failed": ["processing", "failed"],
    "cancelled": ["cancelled"],
}


def job_that_is(status: Status, **changes: object) -> JobRecord:
    job = transitions.created(new_job(), NOW)
    for following in WAYS[status]:
        job = go(job, following)
    return replace(job, **changes)


def go(job: JobRecord, status: Status) -> JobRecord:
    match status:
        case "queued":
            return transitions.released(job, NOW)
        case "processing":
            return transitions.claimed(job, "me", LEASE, NOW)
        case "streaming":
            return transitions.streaming(job)
        case "finished":
            return transitions.finished(job, REPLY, NOW)
        case "failed":
            return transitions.failed(job, "why", NOW, again=False)
        case "cancelled":
            return transitions.cancelled(job, NOW)


@pytest.mark.parametrize(("current", "following"), list(itertools.product(STATUSES, STATUSES)))
def test_an_event_leads_where_the_table_leads_and_nowhere_else(current: Status, following: Status) -> None:
    job = job_that_is(current)

    if following in TRANSITIONS[current]:
        assert go(job, following).status == move(current, following) == following
    else:
        with pytest.raises(IllegalTransition, match=f"{current} can't become {following}"):
            go(job, following)


def test_a_state_lasts_or_runs_or_waits() -> None:
    assert set(STATUSES) == ENDED | RUNNING | {"queued"}
    assert not ENDED & RUNNING
    assert {"finished", "failed", "cancelled"} == ENDED


def test_only_a_running_job_has_a_lease() -> None:
    for status in STATUSES:
        job = job_that_is(status)

        assert (job.lease_owner is not None) == (job.lease_until is not None) == (status in RUNNING)
        assert (job.finished_at is not None) == (job.expires_at is not None) == (status in ENDED)


@given(st.floats())
def test_a_fraction_stays_within_0_and_1(fraction: float) -> None:
    assert 0.0 <= transitions.reported(job_that_is("processing"), fraction, None).fraction <= 1.0


@given(st.text(st.characters(), max_size=20))
def test_a_handlers_words_can_always_be_written(text: str) -> None:
    transitions.reported(job_that_is("processing"), 0.5, text).message.encode()  # type: ignore[union-attr]


def test_a_handlers_words_are_cut() -> None:
    failed = transitions.failed(job_that_is("processing"), "x" * 1_000_000, NOW, again=False)

    assert failed.error == "x" * transitions.LONGEST_TEXT


def test_the_pauses_before_further_attempts_double_to_a_limit() -> None:
    jobs = [job_that_is("processing", attempts=attempts, retries=2000) for attempts in (1, 2, 3, 7, 2000)]

    pauses = [(transitions.failed(job, "why", NOW, again=True).not_before or 0) - NOW for job in jobs]

    assert pauses == [1.0, 2.0, 4.0, 60.0, 60.0]


def test_a_webhook_is_given_up_after_about_an_hour() -> None:
    job = replace(job_that_is("finished"), webhook="https://example.com", webhook_due=NOW)
    now, tries = NOW, 0
    while job.webhook_due is not None:
        now, tries = job.webhook_due, tries + 1
        job = transitions.webhook_failed(job, now)

    assert tries == transitions.WEBHOOK_TRIES
    assert 3000 < now - NOW < 4000
