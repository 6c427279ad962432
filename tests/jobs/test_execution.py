"""One attempt of a job: what is left of it once it has ended."""

from __future__ import annotations

import gc
import weakref
from typing import Any
from unittest.mock import Mock

import flask
import pytest

from aylien_model_serving.codecs.response import Response
from aylien_model_serving.jobs import transitions
from aylien_model_serving.jobs.job import ClaimedJob
from aylien_model_serving.jobs.worker.execution import JobExecution
from aylien_model_serving.rpc import protocol
from tests.dispatch.pipelines import Service, call
from tests.jobs.stores import new_job

NOW = 1_700_000_000.0
RUNNING = transitions.claimed(transitions.created(new_job(), NOW), "me", 10.0, NOW)


def double(n: int) -> int:
    return 2 * n


def execution(leases: Any, handler: Any = double) -> JobExecution:
    encoded = b"".join(protocol.encode_call(1, call(b'{"n": 1}'), False))
    return JobExecution(ClaimedJob(RUNNING, encoded), Service(handler).endpoint, leases, None, lambda _: None)


def ended_with(result: Any) -> Any:
    """Return the leases of a job whose handler has returned this."""
    leases = Mock()
    begun = execution(leases, undecided)
    begun.prepare()
    begun.finish(result, None)
    return leases


def undecided(n: int) -> Any: ...


def test_a_job_keeps_the_result_of_a_response() -> None:
    _, reply = ended_with(Response({"a": 1}, status=201)).finish.call_args.args

    assert (reply.status, reply.body) == (201, b'{"a":1}')


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (Response(body="text"), "The handler's answer is no JSON, which is what a job keeps"),
        (Response({"error": "no such text"}, status=404), "no such text"),
        (({"error": "no such text"}, 404), "no such text"),
        (Response(body="no such text", status=404), "The handler answered with the status 404"),
        (flask.Response(iter(["a", "b"])), "The handler's answer is no JSON, which is what a job keeps"),
    ],
)
def test_a_response_that_no_job_can_keep_fails_it_for_good(result: Any, error: str) -> None:
    leases = ended_with(result)

    leases.fail.assert_called_once_with(RUNNING, error, again=False)
    leases.finish.assert_not_called()


def test_a_handlers_progress_is_written_while_it_runs() -> None:
    leases = Mock()
    leases.report.return_value = False
    begun = execution(leases)

    begun.progress.set_status(0.5, "half")

    leases.report.assert_called_once_with(RUNNING, 0.5, "half")
    assert not begun.progress.is_stopped


def test_an_attempt_that_has_ended_is_gone_without_the_collector() -> None:
    begun = execution(Mock())
    begun.prepare()
    left = weakref.ref(begun)

    gc.disable()
    try:
        begun.finish(2, None)
        del begun
        found = left()
    finally:
        gc.enable()

    assert found is None
