"""Counts that all processes of a machine share: windows, room, and processes that die."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import tracemalloc
from hashlib import blake2b
from pathlib import Path

import pytest

from aylien_model_serving.limiting.machine_counts import SIZE, MachineCounts
from aylien_model_serving.limiting.rates import Rate
from tests.limiting.clock import Clock

MINUTE = Rate(10, 60, "minute")


def key_of(text: object) -> bytes:
    return blake2b(str(text).encode(), digest_size=16).digest()


def allowed(counts: MachineCounts, calls: int, key: bytes = key_of("client"), rate: Rate = MINUTE) -> int:
    hits = [counts.hit(rate, key) for _ in range(calls)]
    return sum(hit is not None and hit.is_allowed for hit in hits)


def test_a_client_gets_its_calls_and_no_more() -> None:
    counts = MachineCounts(clock=Clock(600))

    assert [counts.hit(MINUTE, key_of("a")).remaining for _ in range(10)] == list(range(9, -1, -1))  # type: ignore[union-attr]
    assert allowed(counts, 5, key_of("a")) == 0
    assert allowed(counts, 5, key_of("b")) == 5


def test_the_window_slides() -> None:
    clock = Clock(600)
    counts = MachineCounts(clock=clock)
    allowed(counts, 10)

    clock.now = 659.9
    at_the_end = allowed(counts, 5)
    clock.now = 690
    in_the_middle = allowed(counts, 10)
    clock.now = 1000

    assert (at_the_end, in_the_middle) == (0, 5)
    assert allowed(counts, 20) == 10


@pytest.mark.parametrize("start", [600.0, 601.5, 630.0, 659.0])
def test_a_refused_client_may_call_after_as_many_seconds_as_it_is_told(start: float) -> None:
    clock = Clock(start)
    counts = MachineCounts(clock=clock)
    allowed(counts, 10)
    refused = counts.hit(MINUTE, key_of("client"))
    assert refused is not None

    clock.now = start + refused.reset - 1.001
    too_early = allowed(counts, 1)
    clock.now = start + refused.reset

    assert (refused.is_allowed, refused.remaining, too_early) == (False, 0, 0)
    assert allowed(counts, 1) == 1


def test_refused_calls_do_not_count() -> None:
    clock = Clock(600)
    counts = MachineCounts(clock=clock)
    allowed(counts, 500)

    clock.now = 690

    assert allowed(counts, 100) == 5


def test_many_clients_take_no_more_memory() -> None:
    counts = MachineCounts(clock=Clock(600))
    tracemalloc.start()
    try:
        for number in range(10_000):
            counts.hit(MINUTE, key_of(number))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert grown < 200_000  # other threads of this process allocate, too
    assert len(counts._memory) == SIZE


def test_clients_that_called_most_are_forgotten_last() -> None:
    counts = MachineCounts(clock=Clock(600))
    allowed(counts, 10, key_of("busy"))

    for number in range(50_000):
        counts.hit(MINUTE, key_of(number))

    assert allowed(counts, 1, key_of("busy")) == 0


def hit_often(file: Path, calls: int, found: multiprocessing.Queue[int]) -> None:
    counts = MachineCounts(file, clock=Clock(600))
    found.put(allowed(counts, calls, rate=Rate(1000, 60, "minute")))


@pytest.mark.processes
def test_processes_count_together(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    found: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=hit_often, args=(tmp_path / "limits", 700, found)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert sum(found.get() for _ in processes) == 1000


@pytest.mark.processes
def test_a_lock_that_is_not_given_back_lets_calls_pass_uncounted(tmp_path: Path) -> None:
    counts = MachineCounts(tmp_path / "limits")
    ready, end = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        other = os.open(tmp_path / "limits", os.O_RDWR)
        fcntl.lockf(other, fcntl.LOCK_EX)
        os.write(ready[1], b"x")
        os.read(end[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    held = counts.hit(MINUTE, key_of("a"))
    os.write(end[1], b"x")
    os.waitpid(child, 0)

    assert held is None
    assert counts.hit(MINUTE, key_of("a")) is not None


def test_a_folder_that_is_not_there_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        MachineCounts(tmp_path / "no" / "limits")
