"""A runner's weights are loaded again: what is asked, for how long, and what is made of the answers."""

import json
from typing import Any

import pytest

from aylien_model_serving.client import reloads
from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.errors import ConnectionLost, NotUnderstood, TimedOut
from aylien_model_serving.client.options import Options
from aylien_model_serving.errors import Conflict
from tests.client.script import JSON, Script

OPTIONS = Options()


def told(state: str, replaced: int, **members: Any) -> ApiResponse:
    found = {"id": "a", "runner": "a/b", "state": state, "replaced": replaced, "replicas": 2, "error": ""}
    return ApiResponse(200, JSON, json.dumps(found | members).encode())


def test_it_is_begun_once_and_asked_for_until_it_is_over() -> None:
    script = Script(told("running", 0), ConnectionLost("it broke"), told("running", 1), told("done", 2))

    found = script.run(reloads.run("a/b", OPTIONS, script.clock))

    assert (found.state, found.replaced, found.replicas) == ("done", 2, 2)
    assert [request.method for request in script.requests] == ["POST", "GET", "GET", "GET"]
    assert {request.path for request in script.requests} == {"/__runners/a%2Fb/reload"}


def test_a_lost_answer_to_its_begin_begins_no_other() -> None:
    script = Script(ConnectionLost("it broke"))

    with pytest.raises(ConnectionLost):
        script.run(reloads.run("a", OPTIONS, script.clock))
    assert len(script.requests) == 1


def test_who_waits_long_enough_is_told_how_far_it_is() -> None:
    script = Script(*[told("running", 1)] * 100, seconds=1)

    with pytest.raises(
        TimedOut, match="1 of 2 replicas were replaced within 60 seconds; the service goes on"
    ):
        script.run(reloads.run("a", OPTIONS, script.clock))


def test_the_last_question_has_the_time_that_an_answer_takes() -> None:
    script = Script(told("running", 0), told("running", 1), told("done", 2))

    found = script.run(reloads.run("a", Options(timeout=0.401), script.clock))

    assert found.state == "done"
    assert [sent.seconds for sent in script.sent[1:]] == pytest.approx([1.0, 1.0])


def test_one_that_goes_on_already_is_the_services_refusal() -> None:
    body = json.dumps({"error": "again", "code": "conflict", "request_id": "-"}).encode()
    script = Script(ApiResponse(409, JSON, body))

    with pytest.raises(Conflict, match="again"):
        script.run(reloads.run("a", OPTIONS, script.clock))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([told("running", 0), told("running", 0, id="b")], "Another reload has begun"),
        ([told("running", 0, replicas="many")], "tells of no reload"),
        ([ApiResponse(200, JSON, b"[]")], "tells of no reload"),
    ],
)
def test_what_tells_nothing_of_its_end_is_an_error(answers: list[ApiResponse], expected: str) -> None:
    script = Script(*answers)

    with pytest.raises(NotUnderstood, match=expected):
        script.run(reloads.run("a", OPTIONS, script.clock))
