"""Work on large bodies: when it is handed over, and in which context."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from contextvars import ContextVar
from typing import Any

import numpy as np
import pytest

from aylien_model_serving.process import large_work, native_threads
from aylien_model_serving.process.large_work import LARGE, THREADS, is_large

TIMEOUT = 10.0  # seconds


@pytest.mark.parametrize(
    "value",
    [
        "a" * LARGE,
        bytes(LARGE),
        {"text": "a" * LARGE},
        [0.5] * LARGE,
        {"rows": [[0.5] * 100] * LARGE},
        {"a": {"b": {"rows": [0.5] * LARGE}}},
        {str(number): 1 for number in range(LARGE)},
        np.zeros(LARGE),
        {"array": np.zeros(LARGE)},
        [{"label": "", "score": 1.0}] * LARGE,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_takes_long_to_write_down_is_large(value: Any) -> None:
    assert is_large(value)


@pytest.mark.parametrize(
    "value", [None, 1, "a", {}, [], {"a": [1, 2]}, [[]], object(), np.zeros(3), {"deep": [[[[[]]]]]}]
)
def test_what_is_quickly_written_down_is_not_large(value: Any) -> None:
    assert not is_large(value)


def test_work_sees_its_callers_context() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("the caller's")

    assert large_work.submit(variable.get).result(TIMEOUT) == "the caller's"


def test_few_threads_do_all_the_work() -> None:
    names = {large_work.submit(lambda: threading.current_thread().name).result(TIMEOUT) for _ in range(20)}

    assert len(names) <= THREADS


def test_what_handed_over_work_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("what went wrong")

    with caplog.at_level(logging.ERROR, large_work.logger.name):
        large_work.hand_over(fail)
        for _ in range(THREADS):  # the pool's threads are behind it then
            large_work.submit(threading.Event().wait, 0.05).result(TIMEOUT)

    assert "what went wrong" in caplog.text


TAKE_TURNS = """
from gevent import monkey; monkey.patch_all()
import gevent
from aylien_model_serving.process import large_work, native_threads

running, most = [], 0

def work():
    global most
    with large_work.turn(20) as has_turn:
        assert has_turn
        running.append(1)
        most = max(most, len(running))
        gevent.sleep(0.01)
        running.pop()

gevent.joinall([gevent.spawn(work) for _ in range(8)], timeout=20, raise_error=True)
assert most == large_work.THREADS, most
with large_work.turn(0), large_work.turn(0), large_work.turn(0) as has_turn:
    assert not has_turn
with large_work.turn(0) as has_turn:
    assert has_turn
print("in turn")
"""


def test_few_greenlets_do_large_work_at_once() -> None:
    program = [sys.executable, "-c", TAKE_TURNS]

    ended = subprocess.run(program, check=True, capture_output=True, text=True, timeout=60)

    assert ended.stdout == "in turn\n"


@pytest.mark.skipif(native_threads.is_patched(), reason="its threads are greenlets")
def test_threads_need_no_turn() -> None:
    with large_work.turn(0), large_work.turn(0), large_work.turn(0) as has_turn:
        assert has_turn
