"""Rests of the garbage collector: how long they are, and that they end."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from aylien_model_serving.process import collector
from aylien_model_serving.process.collector import resting

TIMEOUT = 10.0  # seconds


@pytest.fixture(autouse=True)
def _brief_rests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make rests brief, and have none begin before the last one has ended."""
    wait_for_collector()
    monkeypatch.setattr(collector, "LINGER", 0.05)
    yield
    wait_for_collector()


def wait_for_collector() -> None:
    until = time.monotonic() + TIMEOUT
    while not gc.isenabled():
        assert time.monotonic() < until, "the collector rests for ever"
        time.sleep(0.005)


def test_the_collector_rests_while_a_value_is_made() -> None:
    with resting():
        time.sleep(0.2)  # several times as long as a rest that nobody needs
        assert not gc.isenabled()

    wait_for_collector()


def test_it_rests_a_moment_longer_so_that_a_quick_handler_is_done_with_the_value() -> None:
    with resting():
        pass

    assert not gc.isenabled()
    wait_for_collector()


def test_the_moment_begins_when_the_value_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "LINGER", 0.4)

    with resting():
        time.sleep(0.3)
    made = time.monotonic()
    wait_for_collector()

    assert time.monotonic() - made >= 0.3


def test_a_rest_ends_after_a_failure_too() -> None:
    with pytest.raises(ValueError, match="inside"), resting():
        raise ValueError("inside")

    wait_for_collector()


def test_rests_do_not_follow_one_another_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "LONGEST", 0.1)

    with resting():
        wait_for_collector()


def test_one_who_makes_a_value_does_not_end_the_rest_of_another() -> None:
    with resting():
        with resting():
            pass
        time.sleep(0.2)
        assert not gc.isenabled()

    wait_for_collector()


def test_a_collector_that_somebody_has_switched_off_stays_off() -> None:
    gc.disable()
    try:
        with resting():
            pass
        time.sleep(0.2)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # since Python 3.12
def test_a_forked_child_has_its_collector() -> None:
    with resting():
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.isenabled() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent
from aylien_model_serving.process import collector

def make():
    for _ in range(3):
        with collector.resting():
            gevent.sleep(0)

for _ in range(20):
    collector._begin_in_child()
    done = gevent.joinall([gevent.spawn(make) for _ in range(8)], timeout=20)
    assert len(done) == 8
"""


@pytest.mark.processes
def test_greenlets_may_make_large_values_at_the_same_time() -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", UNDER_GEVENT], capture_output=True, text=True, timeout=60
    )

    assert (ended.returncode, ended.stderr) == (0, "")
