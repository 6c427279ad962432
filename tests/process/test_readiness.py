"""Waiting for descriptors, on threads and in greenlets."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from aylien_model_serving.process import readiness


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_what_can_be_read_is_ready_at_once(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"a")

    assert readiness.wait(pipe[0], 0)
    assert readiness.wait(pipe[0], 30)


def test_what_can_not_be_read_is_waited_for_until_the_time_is_over(pipe: tuple[int, int]) -> None:
    assert not readiness.wait(pipe[0], 0)
    assert not readiness.wait(pipe[0], -1)
    assert not readiness.wait(pipe[0], 0.01)


def test_a_write_ends_the_wait_of_another_thread(pipe: tuple[int, int]) -> None:
    timer = threading.Timer(0.05, os.write, (pipe[1], b"a"))
    timer.start()

    assert readiness.wait(pipe[0], 30)
    timer.join()


def test_room_to_write_is_waited_for(pipe: tuple[int, int]) -> None:
    assert readiness.wait(pipe[1], 1, to_write=True)

    os.set_blocking(pipe[1], False)
    os.write(pipe[1], bytes(1 << 20))
    assert not readiness.wait(pipe[1], 0.01, to_write=True)


GREENLETS = """
from gevent import monkey; monkey.patch_all()
import os, time, gevent
from aylien_model_serving.process import native_threads, readiness
out, into = os.pipe()
os.set_blocking(out, False)
ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.01)
ticking = gevent.spawn(tick)
assert not readiness.wait(out, 0.2)
assert len(ticks) > 3, ticks
assert not native_threads.call(readiness.wait, out, 0.05)
waiting = gevent.spawn(readiness.wait, out, 30)
gevent.sleep(0.05)
os.write(into, b"a")
assert waiting.get(timeout=30) is True
print("fine")
"""


@pytest.mark.processes
def test_other_greenlets_go_on_meanwhile() -> None:
    done = subprocess.run([sys.executable, "-c", GREENLETS], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_waiting_takes_no_longer_than_it_may(pipe: tuple[int, int]) -> None:
    since = time.monotonic()
    readiness.wait(pipe[0], 0.05)

    assert 0.04 < time.monotonic() - since < 20


@pytest.mark.parametrize("seconds", [2.0**31, 9e9])
def test_a_wait_may_be_longer_than_the_system_can_wait_at_a_time(
    pipe: tuple[int, int], seconds: float
) -> None:
    os.write(pipe[1], b"a")

    assert readiness.wait(pipe[0], seconds)
