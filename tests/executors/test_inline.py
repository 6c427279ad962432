"""The runner of a process of its own: one handler, so many calls at once."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from aylien_model_serving.core.messages import Call
from aylien_model_serving.errors import DeadlineExceeded
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads

PATIENCE = 10.0  # seconds after which a test that waits has failed


class Noted:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.paces: list[bool] = []

    def ran(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def speed_changed(self, quick: bool) -> None:
        self.paces.append(quick)


def runner_of(
    handler: Callable[..., Any], threads: int | None = 1, observer: Noted | None = None
) -> InlineExecutor:
    return InlineExecutor(handler, Signature.of(handler), threads, observer or Noted())


def call_until(deadline: float | None) -> Call:
    return Call("POST", "/", "", {}, b"", {}, "id-1", deadline)


def run_blocking(runner: InlineExecutor, arguments: dict[str, Any], deadline: float | None = None) -> Any:
    return runner.run(arguments, call_until(deadline))


def run_on_loop(runner: InlineExecutor, arguments: dict[str, Any], deadline: float | None = None) -> Any:
    return native_threads.run_coroutine(
        asyncio.wait_for(runner.run_async(arguments, call_until(deadline)), PATIENCE)
    )


RUNS = pytest.mark.parametrize("run", [run_blocking, run_on_loop])


@RUNS
def test_the_result_of_the_handler_is_returned(run: Callable[..., Any]) -> None:
    assert run(runner_of(lambda a, b=2: (a, b)), {"a": 1}) == (1, 2)


@RUNS
def test_positional_fields_reach_the_handler(run: Callable[..., Any]) -> None:
    def handler(a: int, /, b: int) -> tuple[int, int]:
        return a, b

    assert run(runner_of(handler), {"b": 2, "a": 1}) == (1, 2)


@RUNS
@pytest.mark.parametrize("threads", [1, 2, None])
def test_what_the_handler_raises_is_raised_and_leaves_the_runner_usable(
    run: Callable[..., Any], threads: int | None
) -> None:
    def handler(fail: bool) -> str:
        if fail:
            raise KeyError("inside")
        return "fine"

    runner = runner_of(handler, threads)

    for _ in range(3):
        with pytest.raises(KeyError, match="inside"):
            run(runner, {"fail": True})
    assert run(runner, {"fail": False}) == "fine"


@RUNS
def test_a_coroutine_function_is_awaited(run: Callable[..., Any]) -> None:
    async def handler(a: int) -> int:
        await asyncio.sleep(0)
        return a + 1

    assert run(runner_of(handler), {"a": 1}) == 2


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@RUNS
def test_the_handler_sees_the_variables_of_its_caller(run: Callable[..., Any]) -> None:
    token = VARIABLE.set("mine")
    try:
        assert run(runner_of(VARIABLE.get), {}) == "mine"
    finally:
        VARIABLE.reset(token)


@RUNS
def test_every_run_is_observed_also_one_that_fails(run: Callable[..., Any]) -> None:
    observer = Noted()

    def handler(fail: bool) -> None:
        if fail:
            raise KeyError

    runner = runner_of(handler, observer=observer)
    run(runner, {"fail": False})
    with pytest.raises(KeyError):
        run(runner, {"fail": True})

    assert len(observer.seconds) == 2
    assert all(0 <= seconds < PATIENCE for seconds in observer.seconds)


def test_a_quick_handler_is_found_to_be_one() -> None:
    observer = Noted()
    runner = runner_of(lambda: None, observer=observer)

    for _ in range(50):
        runner.run({}, call_until(None))

    assert observer.paces[0] is True


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again: unlike a lock, this works between gevent's hub and threads of its pool."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Crowded:
    """A handler that notes how many of its calls ran at one time, and holds each until it is let go."""

    def __init__(self) -> None:
        self.inside: list[int] = []
        self.most = 0
        self.let_go = False

    def __call__(self) -> None:
        self.inside.append(1)
        self.most = max(self.most, len(self.inside))
        wait_until(lambda: self.let_go)
        self.inside.pop()

    def holds(self, calls: int) -> bool:
        return len(self.inside) == calls


@pytest.mark.parametrize(("threads", "at_once"), [(1, 1), (3, 3), (None, 6)])
def test_no_more_calls_run_at_once_than_the_route_allows(threads: int | None, at_once: int) -> None:
    handler = Crowded()
    runner = runner_of(handler, threads)
    callers = [threading.Thread(target=runner.run, args=({}, call_until(None))) for _ in range(6)]

    for caller in callers:
        caller.start()
    wait_until(lambda: handler.holds(at_once))
    handler.let_go = True
    for caller in callers:
        caller.join(PATIENCE)

    assert handler.most == at_once
    assert not any(caller.is_alive() for caller in callers)


@RUNS
def test_a_call_whose_deadline_has_passed_does_not_reach_the_handler(run: Callable[..., Any]) -> None:
    calls: list[int] = []

    with pytest.raises(DeadlineExceeded):
        run(runner_of(lambda: calls.append(1)), {}, time.monotonic() - 1)

    assert calls == []


def test_a_call_that_waits_for_its_turn_gives_up_at_its_deadline() -> None:
    handler = Crowded()
    runner = runner_of(handler)
    first = threading.Thread(target=runner.run, args=({}, call_until(None)))
    first.start()
    wait_until(lambda: handler.holds(1))

    with pytest.raises(DeadlineExceeded):
        runner.run({}, call_until(time.monotonic() + 0.01))

    handler.let_go = True
    first.join(PATIENCE)
    assert handler.most == 1
    runner.run({}, call_until(time.monotonic() + PATIENCE))


def test_an_answer_that_comes_after_the_deadline_is_none() -> None:
    deadline = time.monotonic() + 0.02

    def handler() -> str:
        wait_until(lambda: time.monotonic() > deadline)
        return "late"

    with pytest.raises(DeadlineExceeded):
        runner_of(handler).run({}, call_until(deadline))


def test_the_loop_goes_on_while_a_handler_runs() -> None:
    handler = Crowded()
    runner = runner_of(handler)

    async def both() -> None:
        call = asyncio.ensure_future(runner.run_async({}, call_until(None)))
        while not handler.holds(1):
            await asyncio.sleep(0.001)
        handler.let_go = True
        await asyncio.wait_for(call, PATIENCE)

    native_threads.run_coroutine(both())

    assert handler.most == 1


def test_on_a_loop_too_no_more_calls_run_at_once_than_the_route_allows() -> None:
    handler = Crowded()
    runner = runner_of(handler, threads=2)

    async def many() -> None:
        calls = [asyncio.ensure_future(runner.run_async({}, call_until(None))) for _ in range(5)]
        while not handler.holds(2):
            await asyncio.sleep(0.001)
        handler.let_go = True
        await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)

    native_threads.run_coroutine(many())

    assert handler.most == 2


def test_on_a_loop_a_call_gives_up_at_its_deadline() -> None:
    async def handler() -> None:
        await asyncio.sleep(PATIENCE)

    with pytest.raises(DeadlineExceeded):
        run_on_loop(runner_of(handler), {}, time.monotonic() + 0.01)


@RUNS
def test_a_time_out_of_the_handlers_own_is_not_taken_for_the_deadline(run: Callable[..., Any]) -> None:
    async def handler() -> None:
        raise asyncio.TimeoutError

    with pytest.raises(asyncio.TimeoutError):
        run(runner_of(handler), {}, time.monotonic() + PATIENCE)


def test_an_inline_handler_is_always_ready() -> None:
    assert runner_of(lambda: None).ready()
