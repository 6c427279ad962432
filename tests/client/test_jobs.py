"""A job is waited for, and while it restarts its service too, but never without end."""

import json
from typing import Any

import pytest

from aylien_model_serving.client import jobs, retry
from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.errors import (
    ConnectionLost,
    JobCancelled,
    JobFailed,
    NotUnderstood,
    TimedOut,
    Unreachable,
)
from aylien_model_serving.client.options import Options
from aylien_model_serving.errors import NotFound
from tests.client.script import JSON, Script, streamed

OPTIONS = Options()
UNAVAILABLE = ApiResponse(503, {"retry-after": "1"})


def status_response(status: str, **members: Any) -> ApiResponse:
    return ApiResponse(200, JSON, json.dumps({"job_id": "j", "status": status, **members}).encode())


def event(name: str, **members: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'job_id': 'j', 'status': name, **members})}\n\n".encode()


def item(value: object) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def test_the_end_of_a_job_is_waited_for_in_long_polls_whose_states_are_reported() -> None:
    script = Script(
        status_response("queued"),
        status_response("processing", progress=0.5),
        status_response("finished", result=7),
        seconds=10,
    )

    state = script.run(jobs.wait_for_end("j", 3600, OPTIONS, script.clock, show_progress=False))

    assert jobs.result_of(state) == 7
    assert [state.progress for state in script.states] == [0, 0.5, 0]
    assert {request.path for request in script.requests} == {"/status/j"}
    assert script.requests[0].query == (("wait", "10.000"),)


def test_progress_that_is_shown_is_polled_often() -> None:
    script = Script(status_response("finished"))

    script.run(jobs.wait_for_end("j", 3600, OPTIONS, script.clock, show_progress=True))

    assert script.requests[0].query == (("wait", "0.500"),)


def test_a_job_that_takes_longer_than_the_timeout_is_reported_with_its_state() -> None:
    script = Script(*[status_response("processing", progress=0.4)] * 20, seconds=1)

    with pytest.raises(TimedOut, match=r"j is processing, 40% done after 5 s; it goes on"):
        script.run(jobs.wait_for_end("j", 5, OPTIONS, script.clock, show_progress=False))

    assert script.time <= 1006


def test_a_service_that_notices_the_end_of_the_time_first_is_reported_as_a_job_that_goes_on() -> None:
    at_the_deadline = Script(status_response("processing"), ApiResponse(504), seconds=2.5)

    with pytest.raises(TimedOut, match=r"j is processing.* after 5 s; it goes on"):
        at_the_deadline.run(jobs.wait_for_end("j", 5, OPTIONS, at_the_deadline.clock, show_progress=False))


def test_a_service_without_long_polls_is_polled_with_pauses() -> None:
    script = Script(*[status_response("queued")] * 100)

    with pytest.raises(TimedOut):
        script.run(jobs.wait_for_end("j", 5, OPTIONS, script.clock, show_progress=False))

    assert len(script.sent) < 40


@pytest.mark.parametrize(
    "failure", [Unreachable(), ConnectionLost(), UNAVAILABLE, *map(ApiResponse, (429, 502, 503, 504))]
)
def test_a_service_that_restarts_is_waited_for(failure: ApiResponse | Exception) -> None:
    script = Script(
        status_response("queued"), *[failure] * 5, status_response("finished", result="done"), seconds=1
    )

    state = script.run(jobs.wait_for_end("j", 3600, OPTIONS, script.clock, show_progress=False))

    assert state.result == "done"


def test_a_service_where_too_many_wait_is_asked_without_a_wait() -> None:
    script = Script(
        ApiResponse(503, {"retry-after": "5"}), status_response("finished", result="done"), seconds=1
    )

    script.run(jobs.wait_for_end("j", 3600, OPTIONS, script.clock, show_progress=False))

    assert [bool(request.query) for request in script.requests] == [True, False]


def test_a_service_that_does_not_come_back_is_given_up() -> None:
    script = Script(*[Unreachable("nobody")] * 100)

    with pytest.raises(Unreachable, match="nobody"):
        script.run(jobs.wait_for_end("j", 3600, OPTIONS, script.clock, show_progress=False))

    assert script.time - 1000 <= retry.RECONNECT_SECONDS


def test_a_job_that_is_not_known_is_not_waited_for() -> None:
    script = Script(
        ApiResponse(404, JSON, b'{"error":"There is no job","code":"not_found","request_id":"r"}')
    )

    with pytest.raises(NotFound, match="There is no job"):
        script.run(jobs.wait_for_end("j", 3600, OPTIONS, script.clock, show_progress=False))


def test_a_failed_and_a_cancelled_job_have_no_result() -> None:
    with pytest.raises(JobFailed, match="no fries") as raised:
        jobs.result_of(jobs.parse_state({"job_id": "j", "status": "failed", "error": "no fries"}))
    assert raised.value.job_id == "j"

    with pytest.raises(JobCancelled):
        jobs.result_of(jobs.parse_state({"job_id": "j", "status": "cancelled"}))


@pytest.mark.parametrize(
    "wrong", [None, [], {}, {"job_id": "j"}, {"job_id": "j", "status": "x", "progress": "?"}]
)
def test_json_that_is_no_job_is_not_understood(wrong: Any) -> None:
    with pytest.raises(NotUnderstood):
        jobs.parse_state(wrong)


def test_items_are_yielded_once_though_the_connection_breaks() -> None:
    first = streamed([event("progress"), item("a"), item("b")])
    again = streamed([b": still at it\n\n", item("a"), item("b") + item("c"), event("finished", result=3)])
    script = Script(Unreachable(), first, UNAVAILABLE, again)

    state = script.run(jobs.iterate_items("j", OPTIONS, script.clock))

    assert script.items == ["a", "b", "c"]
    assert (state.status, state.result) == ("finished", 3)
    assert len(script.sleeps) == 3


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_items_are_requested_again_while_a_proxy_finds_no_service(status: int) -> None:
    script = Script(ApiResponse(status), streamed([item("a"), event("finished", result=1)]))

    script.run(jobs.iterate_items("j", OPTIONS, script.clock))

    assert script.items == ["a"]


@pytest.mark.parametrize(
    "wrong", [b"data: <html>\n\n", b"event: finished\ndata: {\n\n", b"event: error\ndata: 1\n\n"]
)
def test_a_stream_of_a_job_that_is_no_json_is_not_understood(wrong: bytes) -> None:
    script = Script(streamed([wrong]))

    with pytest.raises(NotUnderstood):
        script.run(jobs.iterate_items("j", OPTIONS, script.clock))


def test_a_stream_that_never_ends_well_is_given_up() -> None:
    script = Script(*(streamed([]) for _ in range(100)))

    with pytest.raises(ConnectionLost, match="ended before the job"):
        script.run(jobs.iterate_items("j", OPTIONS, script.clock))


def test_a_list_of_jobs_is_read_page_by_page_up_to_what_is_wanted() -> None:
    list_jobs = {
        "jobs": [{"job_id": str(number), "status": "queued", "route": "fries"} for number in range(100)]
    }
    pages = [ApiResponse(200, JSON, json.dumps(list_jobs | {"next": 7}).encode()) for _ in range(2)]
    script = Script(*pages)

    states = script.run(jobs.list_jobs("queued", 150, OPTIONS, script.clock))

    assert states[0].route == "fries"
    assert [dict(request.query) for request in script.requests] == [
        {"status": "queued", "limit": "100"},
        {"status": "queued", "limit": "50", "before": "7"},
    ]
