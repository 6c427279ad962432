"""The story of a call as a job of the engine."""

import dataclasses

from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.errors import Unavailable
from tests.dispatch.pipelines import Service, call, told


def story_of(body: bytes, seen: list[str]) -> EngineCall:
    def same(n: int) -> int:
        return n

    error_responses = ErrorResponses(False, lambda method, status: seen.append(current_request_id.get()))
    endpoint = dataclasses.replace(Service(same).endpoint, error_responses=error_responses)
    return EngineCall(call(body), endpoint, None, lambda result, error: None)


def test_a_call_is_opened_run_elsewhere_and_ended() -> None:
    steps = story_of(b'{"n": 1}', [])

    assert steps.open() is None
    assert steps.arguments == {"n": 1}
    assert steps.end(2, None).body == b"2"


def test_what_cant_be_read_is_refused_at_once() -> None:
    refusal = story_of(b"{", []).open()

    assert refusal is not None
    assert told(refusal)["code"] == "malformed_body"


def test_whatever_fails_is_told_under_the_requests_id() -> None:
    seen: list[str] = []
    failed, refused = story_of(b'{"n": 1}', seen), story_of(b'{"n": 1}', seen)
    failed.open()
    failed.end(None, ValueError("inside"))

    reply = refused.refuse(Unavailable())

    assert (reply.status, told(reply)["request_id"]) == (503, "id-1")
    assert seen == ["id-1", "id-1"]
    assert current_request_id.get() == "-"
