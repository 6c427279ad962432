"""A call that the engine executes: prepared, run and encoded by others."""

import dataclasses
import gzip
from collections.abc import Sequence
from typing import Any

import flask
import pytest

from aylien_model_serving.codecs.response import Response
from aylien_model_serving.core.callers import current_caller
from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.core.reads import CALLER
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.executors.batches import HandlerInvoker
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.rpc import protocol
from tests.dispatch.pipelines import Service, call, decoded


def engine_call(body: bytes, seen: list[str]) -> EngineCall:
    def same(n: int) -> int:
        return n

    error_responses = ErrorResponses(False, lambda method, status: seen.append(current_request_id.get()))
    endpoint = dataclasses.replace(Service(same).endpoint, error_responses=error_responses)
    return EngineCall(call(body), endpoint, None)


def test_a_call_is_prepared_run_elsewhere_and_encoded() -> None:
    queued = engine_call(b'{"n": 1}', [])

    assert queued.prepare() is None
    assert queued.arguments == {"n": 1}
    assert queued.encode(2, None).body == b"2"


def test_a_compressed_body_is_unpacked_where_it_is_decoded_up_to_the_limit_that_came_along() -> None:
    for limit, status in ((8, None), (7, 413)):
        packed = call(gzip.compress(b'{"n": 1}'))
        packed.content_coding, packed.body_limit = "gzip", limit
        received, _ = protocol.decode_call(
            protocol.decode_frame(b"".join(protocol.encode_call(1, packed, False)))
        )
        queued = EngineCall(received, engine_call(b"", []).endpoint, None)

        refusal = queued.prepare()

        assert (refusal and refusal.status) == status
        assert status or queued.arguments == {"n": 1}


def test_a_body_that_cant_be_decoded_is_refused_at_once() -> None:
    refusal = engine_call(b"{", []).prepare()

    assert refusal is not None
    assert decoded(refusal)["code"] == "malformed_body"


@pytest.mark.parametrize(
    ("result", "status", "body"),
    [
        (Response({"a": 1}, status=201), 201, b'{"a":1}'),
        (flask.Response("text", 203), 203, b"text"),
        (({"error": "no"}, 404), 404, b'{"error":"no"}'),
    ],
)
def test_a_response_is_encoded_without_a_request_of_flasks(result: Any, status: int, body: bytes) -> None:
    def undecided(n: int) -> Any: ...

    queued = EngineCall(call(b'{"n": 1}'), Service(undecided).endpoint, None)
    queued.prepare()

    reply = queued.encode(result, None)

    assert (reply.status, reply.body) == (status, body)


def test_whatever_fails_is_logged_under_the_requests_id() -> None:
    seen: list[str] = []
    failed, refused = engine_call(b'{"n": 1}', seen), engine_call(b'{"n": 1}', seen)
    failed.prepare()
    failed.encode(None, ValueError("inside"))

    reply = refused.refuse(Unavailable())

    assert (reply.status, decoded(reply)["request_id"]) == (503, "id-1")
    assert seen == ["id-1", "id-1"]
    assert current_request_id.get() == "-"


class Observer:
    """Records nothing."""

    def starts(self, calls: Sequence[QueuedCall]) -> None: ...

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None: ...

    def dropped(self, reason: str) -> None: ...

    def steps(self, calls: Any, joined: Any) -> None: ...

    def settled(self) -> None: ...


def test_a_run_has_the_caller_of_its_call_and_tells_if_it_was_read() -> None:
    def handler(text: str) -> str:
        return current_caller() if text == "read" else text

    for text, reply in (("read", ("alice", (CALLER,))), ("other", ("other", ()))):
        given = call(b'{"text": "%b"}' % text.encode())
        given.caller = "alice"
        queued = EngineCall(given, Service(handler).endpoint, None)
        queued.prepare()
        runner = HandlerInvoker(handler, Signature.of(handler), False, Observer())

        (outcome,) = runner.run([queued])
        encoded = queued.encode(outcome.result, outcome.error)

        assert (decoded(encoded), encoded.varies_by) == reply
    assert current_caller() == ""
