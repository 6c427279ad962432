"""Batches within one process, for callers that block and for callers on an event loop."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aylien_model_serving.core.messages import Call, current_request_id
from aylien_model_serving.errors import DeadlineExceeded, Unavailable
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.batched import BatchedExecutor, LoopNotifier
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.process import native_threads
from tests.executors.engines import TIMEOUT, wait_until

ROOT = Path(__file__).parents[2]


class RecordingObserver:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def ran(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def speed_changed(self, quick: bool) -> None: ...


def call(deadline: float | None = None) -> Call:
    return Call("POST", "/", "", {}, b"", {}, "id-1", deadline)


def executor_of(
    handler: Callable[..., Any],
    max_size: int = 32,
    threads: int = 1,
    observer: RecordingObserver | None = None,
    max_queue: int | None = None,
) -> BatchedExecutor:
    return BatchedExecutor(
        handler,
        Signature.of(handler),
        BatchOptions(max_size),
        threads,
        observer or RecordingObserver(),
        max_queue,
    )


def run_blocking(executor: BatchedExecutor, arguments: dict[str, Any], deadline: float | None = None) -> Any:
    return executor.run(arguments, call(deadline))


def run_on_loop(executor: BatchedExecutor, arguments: dict[str, Any], deadline: float | None = None) -> Any:
    return native_threads.run_coroutine(
        asyncio.wait_for(executor.run_async(arguments, call(deadline)), TIMEOUT)
    )


def many_blocking(executor: BatchedExecutor, arguments: list[dict[str, Any]]) -> list[Any]:
    results: list[Any] = [None] * len(arguments)

    def call_one(index: int) -> None:
        try:
            results[index] = executor.run(arguments[index], call())
        except Exception as error:
            results[index] = error

    callers = [threading.Thread(target=call_one, args=(index,)) for index in range(len(arguments))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT)
    return results


def many_on_loop(executor: BatchedExecutor, arguments: list[dict[str, Any]]) -> list[Any]:
    async def gather() -> list[Any]:
        calls = [executor.run_async(each, call()) for each in arguments]
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), TIMEOUT)

    return native_threads.run_coroutine(gather())


RUNS = pytest.mark.parametrize("run", [run_blocking, run_on_loop])
MANY = pytest.mark.parametrize("many", [many_blocking, many_on_loop])


class BlockingHandler:
    """A batched handler that blocks in its batches until it is released."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.released = False

    def __call__(self, a: list[Any]) -> list[Any]:
        self.batches.append(a)
        wait_until(lambda: self.released)
        return a


@RUNS
def test_a_call_gets_its_own_result(run: Callable[..., Any]) -> None:
    observer = RecordingObserver()

    assert run(executor_of(lambda a: [n + 1 for n in a], observer=observer), {"a": 1}) == 2
    assert len(observer.seconds) == 1


@RUNS
def test_what_the_handler_raises_is_raised_and_leaves_the_executor_usable(run: Callable[..., Any]) -> None:
    def handler(a: list[int]) -> list[int]:
        if 0 in a:
            raise KeyError("inside")
        return a

    executor = executor_of(handler)

    for _ in range(3):
        with pytest.raises(KeyError, match="inside"):
            run(executor, {"a": 0})
    assert run(executor, {"a": 1}) == 1


@RUNS
def test_the_handler_sees_the_request_id_of_a_lone_call(run: Callable[..., Any]) -> None:
    assert run(executor_of(lambda a: [current_request_id.get()]), {"a": 1}) == "id-1"


@MANY
def test_calls_that_come_while_the_handler_runs_share_a_batch(many: Callable[..., Any]) -> None:
    handler = BlockingHandler()
    executor = executor_of(handler)
    first = threading.Thread(target=run_blocking, args=(executor, {"a": -1}))
    first.start()
    wait_until(lambda: handler.batches == [[-1]])
    engine, _ = executor._engine_of_process()

    def released() -> None:
        wait_until(lambda: engine.waiting() == 16)
        handler.released = True

    helper = threading.Thread(target=released)
    helper.start()
    results = many(executor, [{"a": n} for n in range(16)])
    first.join(TIMEOUT)
    helper.join(TIMEOUT)

    assert results == list(range(16))
    assert [len(batch) for batch in handler.batches] == [1, 16]


@MANY
def test_only_the_failing_calls_fail(many: Callable[..., Any]) -> None:
    def handler(a: list[int]) -> list[int]:
        if any(n % 5 == 0 for n in a):
            raise ValueError
        return a

    results = many(executor_of(handler), [{"a": n} for n in range(20)])

    assert [type(result) for result in results] == [int if n % 5 else ValueError for n in range(20)]
    assert [result for result in results if isinstance(result, int)] == [n for n in range(20) if n % 5]


@RUNS
def test_a_call_whose_deadline_has_passed_does_not_reach_the_handler(run: Callable[..., Any]) -> None:
    seen: list[Any] = []

    def handler(a: list[int]) -> list[int]:
        seen.extend(a)
        return a

    executor = executor_of(handler)

    with pytest.raises(DeadlineExceeded):
        run(executor, {"a": 1}, time.monotonic() - 1)
    assert run(executor, {"a": 2}, time.monotonic() + TIMEOUT) == 2
    assert seen == [2]


@RUNS
def test_a_call_gives_up_at_its_deadline_while_the_handler_is_stuck(run: Callable[..., Any]) -> None:
    handler = BlockingHandler()
    executor = executor_of(handler)

    with pytest.raises(DeadlineExceeded):
        run(executor, {"a": 1}, time.monotonic() + 0.01)

    handler.released = True
    assert run(executor, {"a": 2}) == 2


@RUNS
def test_a_full_queue_refuses_calls(run: Callable[..., Any]) -> None:
    handler = BlockingHandler()
    executor = executor_of(handler, max_queue=1)
    callers = [threading.Thread(target=run_blocking, args=(executor, {"a": n})) for n in range(2)]
    engine, _ = executor._engine_of_process()
    callers[0].start()
    wait_until(lambda: engine.running() == 1)
    callers[1].start()
    wait_until(lambda: engine.waiting() == 1)

    with pytest.raises(Unavailable):
        run(executor, {"a": 2})

    handler.released = True
    for caller in callers:
        caller.join(TIMEOUT)
    assert handler.batches == [[0], [1]]


def test_a_cancelled_call_never_reaches_the_handler() -> None:
    handler = BlockingHandler()
    executor = executor_of(handler)

    async def scenario() -> list[Any]:
        first = asyncio.ensure_future(executor.run_async({"a": 0}, call()))
        while handler.batches != [[0]]:
            await asyncio.sleep(0.001)
        others = [asyncio.ensure_future(executor.run_async({"a": n}, call())) for n in (1, 2)]
        await asyncio.sleep(0)
        others[0].cancel()
        await asyncio.wait(others[:1])
        handler.released = True
        return list(await asyncio.gather(first, *others, return_exceptions=True))

    first, cancelled, other = native_threads.run_coroutine(scenario())

    assert (first, other) == (0, 2)
    assert isinstance(cancelled, asyncio.CancelledError)
    assert handler.batches == [[0], [2]]


def test_a_batch_wake_ups_a_loop_once() -> None:
    handler = BlockingHandler()
    executor = executor_of(handler)
    wake_ups: list[Any] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(executor.run_async({"a": -1}, call()))
        while not handler.batches:
            await asyncio.sleep(0.001)
        calls = [asyncio.ensure_future(executor.run_async({"a": n}, call())) for n in range(8)]
        await asyncio.sleep(0)
        wake_up = loop.call_soon_threadsafe

        def recording(callback: Callable[..., Any], *arguments: Any, **options: Any) -> asyncio.Handle:
            wake_ups.append(arguments[0])
            return wake_up(callback, *arguments, **options)

        loop.call_soon_threadsafe = recording  # type: ignore[method-assign, assignment]
        try:
            handler.released = True
            await asyncio.gather(first, *calls)
        finally:
            loop.call_soon_threadsafe = wake_up  # type: ignore[method-assign]

    native_threads.run_coroutine(asyncio.wait_for(scenario(), TIMEOUT))

    assert [len(deliveries) for deliveries in wake_ups] == [1, 8]


def test_a_closed_loop_is_ignored() -> None:
    closed = asyncio.new_event_loop()
    future = closed.create_future()
    closed.close()
    notifier = LoopNotifier(RecordingObserver())

    notifier.put(closed, (future, 1, None))
    notifier.settled()

    assert not future.done()


def test_no_thread_is_started_before_the_first_call() -> None:
    before = threading.active_count()

    executor = executor_of(lambda a: a)

    assert threading.active_count() == before
    assert executor.ready()
    assert not executor.is_immediate()


COMMON = """
import os, threading, time
from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.core.messages import Call
from aylien_model_serving.executors.batched import BatchedExecutor
from aylien_model_serving.handlers.signatures import Signature

class Observer:
    def ran(self, seconds): pass
    def speed_changed(self, quick): pass

def executor_of(handler, native=False):
    return BatchedExecutor(handler, Signature.of(handler), BatchOptions(8), 1, Observer(), native=native)

call = Call("POST", "/", "", {}, b"", {}, "id-1", time.monotonic() + 20)
"""

# gevent watches its children from the first fork on, and misses one that ends before it does.
WATCH_CHILDREN = "import gevent; gevent.get_hub().loop.install_sigchld()\n"

AFTER_A_FORK = """
executor = executor_of(lambda a: [os.getpid() for _ in a])
assert executor.run({"a": 1}, call) == os.getpid()
child = os.fork()
if child == 0:
    try:
        os._exit(0 if executor.run({"a": 1}, call) == os.getpid() else 1)
    finally:
        os._exit(2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert executor.run({"a": 1}, call) == os.getpid()
"""

ON_NATIVE_THREADS = """
import gevent
really_sleep = gevent.monkey.get_original("time", "sleep")
progress = []

def handler(a):
    while not progress:
        really_sleep(0.001)
    return [n * 2 for n in a]

executor = executor_of(handler, native=True)
greenlets = [gevent.spawn(executor.run, {"a": n}, call) for n in range(8)]
gevent.spawn_later(0.01, progress.append, 1)
gevent.joinall(greenlets, timeout=20)
assert [greenlet.value for greenlet in greenlets] == [n * 2 for n in range(8)]
"""

IN_GREENLETS = """
import gevent
lock = threading.Lock()

def handler(a):
    with lock:
        time.sleep(0.001)
        return [n * 2 for n in a]

def take():
    with lock:
        time.sleep(0.001)

executor = executor_of(handler)
others = [gevent.spawn(take) for _ in range(20)]
greenlets = [gevent.spawn(executor.run, {"a": n}, call) for n in range(20)]
gevent.joinall(greenlets + others, timeout=20)
assert [greenlet.value for greenlet in greenlets] == [n * 2 for n in range(20)]
"""


def execute(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.processes
def test_a_forked_process_has_threads_of_its_own() -> None:
    execute(COMMON + AFTER_A_FORK)


@pytest.mark.processes
def test_on_native_threads_a_batch_does_not_block_the_hub() -> None:
    execute("from gevent import monkey; monkey.patch_all()\n" + COMMON + ON_NATIVE_THREADS)


@pytest.mark.processes
def test_under_gevent_a_batch_may_share_locks_with_greenlets() -> None:
    execute("from gevent import monkey; monkey.patch_all()\n" + COMMON + IN_GREENLETS)


@pytest.mark.processes
def test_under_gevent_a_forked_process_has_greenlets_of_its_own() -> None:
    execute("from gevent import monkey; monkey.patch_all()\n" + WATCH_CHILDREN + COMMON + AFTER_A_FORK)
