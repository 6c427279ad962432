"""The request pipeline, without any web framework."""

import time
from typing import Any

import pytest

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.dispatch.pipeline import answer
from aylien_model_serving.dispatch.steps import Execute
from aylien_model_serving.errors import InvalidRequest, Unavailable
from examples import example_schema_pb2
from tests.dispatch.pipelines import Service, call, decoded


def test_a_call_is_decoded_validated_run_and_encoded() -> None:
    service = Service(lambda text, n=1: {"text": text * n})

    reply = service.send(b'{"text": "ab", "n": 2}')

    assert (reply.status, reply.media_type, reply.body) == (200, "application/json", b'{"text":"abab"}')
    assert reply.headers == []


def test_the_pipeline_yields_the_step_that_takes_time() -> None:
    steps = answer(Service(lambda n: n).endpoint, call(b'{"n": 1}', deadline=7.0))

    step = next(steps)

    assert isinstance(step, Execute)
    assert (step.arguments, step.call.deadline) == ({"n": 1}, 7.0)
    with pytest.raises(StopIteration) as end:
        steps.send("sent")
    assert end.value.value.body == b'"sent"'


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_body"),
        (b"", 400, "malformed_body"),
        (b"{}", 400, "field_mismatch"),
        (b'{"n": "a"}', 400, "schema_mismatch"),
        (b'{"n": 1}', 400, "invalid_request"),
        (b'{"n": 2}', 500, "internal_error"),
        (b'{"n": 3}', 500, "internal_error"),
        (b'{"n": 4}', 500, "invalid_answer"),
        (b'{"n": 5}', 503, "unavailable"),
    ],
)
def test_whatever_fails_becomes_an_error_reply(body: bytes, status: int, code: str) -> None:
    def handler(n: int) -> Any:
        if n == 4:
            return object()
        raise {1: InvalidRequest("no"), 2: TypeError("secret"), 3: KeyError("secret")}.get(n, Unavailable())

    service = Service(handler)

    reply = service.send(body)

    assert reply.status == status
    assert (decoded(reply)["code"], decoded(reply)["request_id"]) == (code, "id-1")
    assert b"secret" not in reply.body
    assert service.faults == ([("POST", status)] if status >= 500 else [])


def test_the_handler_does_not_run_for_an_invalid_call() -> None:
    calls: list[int] = []
    service = Service(lambda n: calls.append(n))

    service.send(b'{"m": 1}')

    assert calls == []


def test_a_reply_is_encoded_as_the_client_prefers() -> None:
    service = Service(lambda title: {"language": "en"}, schema=example_schema_pb2)

    reply = service.send(b'{"title": "a"}', accept="application/x-protobuf")

    assert reply.media_type == "application/x-protobuf"
    assert example_schema_pb2.Response.FromString(reply.body).language == "en"


def test_a_reply_of_the_handler_is_passed_through() -> None:
    own = Reply(418, b"short and stout", "text/plain")

    assert Service(lambda: own).send(b"{}") is own


def test_a_deadline_that_has_passed_is_a_504() -> None:
    reply = Service(lambda: 1).send(b"{}", deadline=time.monotonic() - 1)

    assert (reply.status, decoded(reply)["code"]) == (504, "deadline_exceeded")
