"""The pipeline with a reply cache: hits, errors, and equal calls that arrive together."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.dispatch.cache import FlightEnd, Personal
from aylien_model_serving.dispatch.pipeline import answer
from aylien_model_serving.dispatch.steps import Execute, FlightWait
from aylien_model_serving.errors import DeadlineExceeded, InvalidRequest
from tests.dispatch.pipelines import TIMEOUT, Service, call


def test_the_second_of_two_equal_calls_is_answered_from_the_cache() -> None:
    calls: list[int] = []

    def handler(n: int, m: int = 0) -> dict[str, int]:
        calls.append(n)
        return {"n": n}

    service = Service(handler, cached=True)

    replies = [
        service.send(b'{"n": 1, "m": 2}'),
        service.send(b' { "m":2, "n":1 } '),
        service.send(b'{"n": 2}'),
    ]

    assert [reply.headers for reply in replies] == [
        [("X-Cache", "miss")],
        [("X-Cache", "hit")],
        [("X-Cache", "miss")],
    ]
    assert [reply.body for reply in replies] == [b'{"n":1}', b'{"n":1}', b'{"n":2}']
    assert calls == [1, 2]
    assert service.lookups == [("p", "miss"), ("p", "hit"), ("p", "miss")]


def test_errors_are_never_stored() -> None:
    outcomes: list[Any] = [
        InvalidRequest("no"),
        ValueError("broken"),
        object(),
        Reply(404, b"no"),
        {"fine": 1},
    ]

    def handler() -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    service = Service(handler, cached=True)

    assert [service.send(b"{}").status for _ in range(5)] == [400, 500, 500, 404, 200]
    assert len(service.backend.entries) == 1
    assert dict(service.send(b"{}").headers) == {"X-Cache": "hit"}


def test_a_personal_reply_is_not_shared_with_those_that_wait() -> None:
    service = Service(lambda: None, cached=True)
    leader, follower = answer(service.endpoint, call(b"{}")), answer(service.endpoint, call(b"{}"))
    assert isinstance(next(leader), Execute)
    waiting = next(follower)
    assert isinstance(waiting, FlightWait)

    with pytest.raises(StopIteration) as end:
        leader.send(Reply(200, b"{}", headers=[("Set-Cookie", "session=mine")]))

    assert ("Set-Cookie", "session=mine") in end.value.value.headers
    assert waiting.wait() is Personal.REPLY
    assert isinstance(follower.send(Personal.REPLY), Execute)
    follower.close()


def send_together(service: Service, bodies: list[bytes], run_under_way: threading.Event) -> list[Reply]:
    """Send each body from a thread of its own, the first one first; return when all are answered."""
    replies: list[Reply] = []
    threads = [
        threading.Thread(target=lambda body=body: replies.append(service.send(body))) for body in bodies
    ]
    threads[0].start()
    assert run_under_way.wait(TIMEOUT)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    return replies


class Gate:
    """A handler that waits until all equal requests have joined its flight."""

    def __init__(self, waiting: int, outcome: Callable[[], Any]) -> None:
        self.started, self.calls = threading.Event(), 0
        self.outcome, self.waiting = outcome, waiting
        self.joined = threading.Semaphore(0)

    def __call__(self, n: int) -> Any:
        self.calls += 1
        self.started.set()
        for _ in range(self.waiting):
            assert self.joined.acquire(timeout=TIMEOUT)
        return self.outcome()


def record_joins(service: Service, gate: Gate) -> None:
    assert service.endpoint.reply_cache is not None
    single_flight = service.endpoint.reply_cache.single_flight
    join = single_flight.join

    def recorded(key: str) -> Future[FlightEnd] | None:
        flight = join(key)
        if flight is not None:
            gate.joined.release()
        return flight

    single_flight.join = recorded  # type: ignore[method-assign]  # the one moment that only the test needs to see


def test_equal_calls_that_arrive_together_run_the_handler_once() -> None:
    gate = Gate(5, lambda: {"fine": 1})
    service = Service(gate, cached=True)
    record_joins(service, gate)

    replies = send_together(service, [b'{"n": 1}'] * 6, gate.started)

    assert gate.calls == 1
    assert [reply.body for reply in replies] == [b'{"fine":1}'] * 6
    assert sorted(result for _, result in service.lookups) == ["hit"] * 5 + ["miss"]


def test_an_error_goes_to_all_that_waited_and_is_not_stored() -> None:
    def broken() -> Any:
        raise InvalidRequest("no")

    gate = Gate(2, broken)
    service = Service(gate, cached=True)
    record_joins(service, gate)

    replies = send_together(service, [b'{"n": 1}'] * 3, gate.started)
    gate.waiting, gate.outcome = 0, lambda: {"fine": 1}

    assert [reply.status for reply in replies] == [400] * 3
    assert gate.calls == 1
    assert service.send(b'{"n": 1}').status == 200
    assert gate.calls == 2


def test_when_the_leader_times_out_the_others_try_again() -> None:
    def give_up_once() -> Any:
        gate.waiting, gate.outcome = 0, lambda: {"fine": 1}
        raise DeadlineExceeded

    gate = Gate(2, give_up_once)
    service = Service(gate, cached=True)
    record_joins(service, gate)

    replies = send_together(service, [b'{"n": 1}'] * 3, gate.started)

    assert sorted(reply.status for reply in replies) == [200, 200, 504]
    assert gate.calls == 2


def test_a_call_that_is_abandoned_lets_the_others_try_again() -> None:
    service = Service(lambda n: n, cached=True)
    leader, follower = (answer(service.endpoint, call(b'{"n": 1}')) for _ in range(2))
    next(leader)
    waiting = next(follower)
    assert isinstance(waiting, FlightWait)

    leader.close()

    assert waiting.wait() is None
    assert isinstance(follower.send(None), Execute)
    follower.close()
    assert service.send(b'{"n": 1}').status == 200


def test_a_call_waits_for_another_no_longer_than_its_deadline() -> None:
    service = Service(lambda n: n, cached=True)
    leader = answer(service.endpoint, call(b'{"n": 1}'))
    next(leader)

    reply = service.send(b'{"n": 1}', deadline=time.monotonic() + 0.01)

    assert reply.status == 504
    leader.close()


def test_a_timeout_error_of_the_handler_goes_to_all_and_is_no_missed_deadline() -> None:
    def time_out() -> Any:
        raise TimeoutError("the database did not answer")

    gate = Gate(2, time_out)
    service = Service(gate, cached=True)
    record_joins(service, gate)

    replies = send_together(service, [b'{"n": 1}'] * 3, gate.started)

    assert [reply.status for reply in replies] == [500] * 3
