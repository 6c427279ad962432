"""The inline executor: one handler, a limited number of calls at once."""

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.executors.inline import LOOK_EVERY, InlineExecutor
from aylien_model_serving.executors.latency import QUICK_SECONDS, LatencyTracker
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads

TIMEOUT = 10.0  # seconds after which a test that waits has failed


class RecordingObserver:
    """An observer that records what is reported to it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.speeds: list[bool] = []

    def ran(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def speed_changed(self, quick: bool) -> None:
        self.speeds.append(quick)


def executor_of(
    handler: Callable[..., Any], threads: int | None = 1, observer: RecordingObserver | None = None
) -> InlineExecutor:
    return InlineExecutor(handler, Signature.of(handler), threads, observer or RecordingObserver())


def call_until(deadline: float | None) -> Call:
    return Call("POST", "/", "", {}, b"", {}, "id-1", deadline)


def run_blocking(executor: InlineExecutor, arguments: dict[str, Any], deadline: float | None = None) -> Any:
    return executor.run(arguments, call_until(deadline))


def run_on_loop(executor: InlineExecutor, arguments: dict[str, Any], deadline: float | None = None) -> Any:
    return native_threads.run_coroutine(
        asyncio.wait_for(executor.run_async(arguments, call_until(deadline)), TIMEOUT)
    )


RUNS = pytest.mark.parametrize("run", [run_blocking, run_on_loop])


@RUNS
def test_the_result_of_the_handler_is_returned(run: Callable[..., Any]) -> None:
    assert run(executor_of(lambda a, b=2: (a, b)), {"a": 1}) == (1, 2)


@RUNS
def test_positional_fields_reach_the_handler(run: Callable[..., Any]) -> None:
    def handler(a: int, /, b: int) -> tuple[int, int]:
        return a, b

    assert run(executor_of(handler), {"b": 2, "a": 1}) == (1, 2)


@RUNS
@pytest.mark.parametrize("threads", [1, 2, None])
def test_what_the_handler_raises_is_raised_and_leaves_the_executor_usable(
    run: Callable[..., Any], threads: int | None
) -> None:
    def handler(fail: bool) -> str:
        if fail:
            raise KeyError("inside")
        return "fine"

    executor = executor_of(handler, threads)

    for _ in range(3):
        with pytest.raises(KeyError, match="inside"):
            run(executor, {"fail": True})
    assert run(executor, {"fail": False}) == "fine"


@RUNS
def test_a_coroutine_function_is_awaited(run: Callable[..., Any]) -> None:
    async def handler(a: int) -> int:
        await asyncio.sleep(0)
        return a + 1

    assert run(executor_of(handler), {"a": 1}) == 2


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@RUNS
def test_the_handler_sees_the_variables_of_its_caller(run: Callable[..., Any]) -> None:
    token = VARIABLE.set("mine")
    try:
        assert run(executor_of(VARIABLE.get), {}) == "mine"
    finally:
        VARIABLE.reset(token)


@RUNS
def test_every_run_is_observed_also_one_that_fails(run: Callable[..., Any]) -> None:
    observer = RecordingObserver()

    def handler(fail: bool) -> None:
        if fail:
            raise KeyError

    executor = executor_of(handler, observer=observer)
    run(executor, {"fail": False})
    with pytest.raises(KeyError):
        run(executor, {"fail": True})

    assert len(observer.seconds) == 2
    assert all(0 <= seconds < TIMEOUT for seconds in observer.seconds)


def run_many(executor: InlineExecutor, times: int) -> None:
    async def many() -> None:
        for _ in range(times):
            await executor.run_async({}, call_until(None))

    native_threads.run_coroutine(many())


def test_on_a_loop_a_handler_that_waits_for_nothing_is_measured_as_quick() -> None:
    executor = executor_of(lambda: sum(range(10)))

    run_many(executor, 100)

    assert executor._latency.quick


@pytest.mark.skipif(native_threads.is_patched(), reason="a greenlet that waits lets its thread go on")
def test_a_handler_that_waits_is_never_quick() -> None:
    reading, writing = os.pipe()

    def handler() -> bytes:
        threading.Timer(0.0001, os.write, (writing, b"x")).start()
        return os.read(reading, 1)

    executor = executor_of(handler)
    executor._latency.mean = QUICK_SECONDS / 10

    run_many(executor, 3)

    assert not executor._latency.quick
    assert executor._latency._without_wait == 0
    os.close(reading)
    os.close(writing)


@pytest.mark.skipif(native_threads.is_patched(), reason="a greenlet's thread is the loop's")
@pytest.mark.parametrize("beside_loop", [False, True])
def test_a_quick_handler_that_had_to_wait_runs_on_the_loop_where_it_may(beside_loop: bool) -> None:
    threads: list[int] = []
    executor = executor_of(lambda: threads.append(threading.get_ident()))
    executor._latency.quick = True
    slots = executor._slots
    assert slots is not None

    async def wait_and_run() -> bool:
        slots.take(None)
        waiting = asyncio.ensure_future(executor.run_async({}, call_until(None), beside_loop=beside_loop))
        await asyncio.sleep(0)
        slots.give_back()
        await asyncio.wait_for(waiting, TIMEOUT)
        return threads == [threading.get_ident()]

    assert native_threads.run_coroutine(wait_and_run()) is not beside_loop
    assert slots.has_free()


def test_a_quick_handler_is_looked_at_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = executor_of(lambda: None)
    executor._latency.quick = True
    looks: list[bool] = []
    monkeypatch.setattr(LatencyTracker, "saw", lambda _, has_waited: bool(looks.append(has_waited)))

    for _ in range(2 * LOOK_EVERY):
        executor.run({}, call_until(None))

    assert len(looks) == 2


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll: unlike a lock, this works between gevent's hub and threads of its pool."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class CountingHandler:
    """A handler that counts its concurrent calls, and blocks in each until it is released."""

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.most = 0
        self.released = False

    def __call__(self) -> None:
        self.inside.append(1)
        self.most = max(self.most, len(self.inside))
        wait_until(lambda: self.released)
        self.inside.pop()

    def holds(self, calls: int) -> bool:
        return len(self.inside) == calls


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (3, 3), (None, 6)])
def test_no_more_calls_run_at_once_than_the_route_allows(threads: int | None, at_once: int) -> None:
    handler = CountingHandler()
    executor = executor_of(handler, threads)
    callers = [threading.Thread(target=executor.run, args=({}, call_until(None))) for _ in range(6)]

    for caller in callers:
        caller.start()
    wait_until(lambda: handler.holds(at_once))
    handler.released = True
    for caller in callers:
        caller.join(TIMEOUT)

    assert handler.most == at_once
    assert not any(caller.is_alive() for caller in callers)


@RUNS
def test_a_call_whose_deadline_has_passed_does_not_reach_the_handler(run: Callable[..., Any]) -> None:
    calls: list[int] = []

    with pytest.raises(DeadlineExceeded):
        run(executor_of(lambda: calls.append(1)), {}, time.monotonic() - 1)

    assert calls == []


def test_a_call_that_waits_for_a_slot_gives_up_at_its_deadline() -> None:
    handler = CountingHandler()
    executor = executor_of(handler)
    first = threading.Thread(target=executor.run, args=({}, call_until(None)))
    first.start()
    wait_until(lambda: handler.holds(1))

    with pytest.raises(DeadlineExceeded):
        executor.run({}, call_until(time.monotonic() + 0.01))

    handler.released = True
    first.join(TIMEOUT)
    assert handler.most == 1
    executor.run({}, call_until(time.monotonic() + TIMEOUT))


def test_a_result_that_comes_after_the_deadline_is_discarded() -> None:
    deadline = time.monotonic() + 0.02

    def handler() -> str:
        wait_until(lambda: time.monotonic() > deadline)
        return "late"

    with pytest.raises(DeadlineExceeded):
        executor_of(handler).run({}, call_until(deadline))


def test_the_loop_is_not_blocked_while_a_handler_runs() -> None:
    handler = CountingHandler()
    executor = executor_of(handler)

    async def both() -> None:
        call = asyncio.ensure_future(executor.run_async({}, call_until(None)))
        while not handler.holds(1):
            await asyncio.sleep(0.001)
        handler.released = True
        await asyncio.wait_for(call, TIMEOUT)

    native_threads.run_coroutine(both())

    assert handler.most == 1


def test_on_a_loop_too_no_more_calls_run_at_once_than_the_route_allows() -> None:
    handler = CountingHandler()
    executor = executor_of(handler, threads=2)

    async def many() -> None:
        calls = [asyncio.ensure_future(executor.run_async({}, call_until(None))) for _ in range(5)]
        while not handler.holds(2):
            await asyncio.sleep(0.001)
        handler.released = True
        await asyncio.wait_for(asyncio.gather(*calls), TIMEOUT)

    native_threads.run_coroutine(many())

    assert handler.most == 2


def test_on_a_loop_a_call_gives_up_at_its_deadline() -> None:
    async def handler() -> None:
        await asyncio.sleep(TIMEOUT)

    with pytest.raises(DeadlineExceeded):
        run_on_loop(executor_of(handler), {}, time.monotonic() + 0.01)


@RUNS
def test_a_timeout_error_of_the_handler_is_not_taken_for_the_deadline(run: Callable[..., Any]) -> None:
    async def handler() -> None:
        raise asyncio.TimeoutError

    with pytest.raises(asyncio.TimeoutError):
        run(executor_of(handler), {}, time.monotonic() + TIMEOUT)


def test_an_inline_handler_is_always_ready() -> None:
    assert executor_of(lambda: None).ready()
