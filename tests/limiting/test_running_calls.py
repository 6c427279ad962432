"""How many calls run at once, over processes that end in any way."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from aylien_model_serving.limiting.running_calls import RunningCalls
from tests.limiting.test_machine_counts import key_of

KEY = key_of("client")


def test_as_many_calls_run_as_may() -> None:
    calls = RunningCalls()
    running = [calls.begin(KEY, 3) for _ in range(4)]
    first, *_ = running
    assert first is not None

    calls.end(first)

    assert (None in running[:3], running[3]) == (False, None)
    assert calls.begin(KEY, 3) is not None
    assert calls.begin(KEY, 3) is None
    assert calls.begin(key_of("other"), 3) is not None


def hold(file: Path, held: Event) -> None:
    calls = RunningCalls(file)
    calls.begin(KEY, 2)
    held.set()
    held.wait(60)
    multiprocessing.Event().wait(60)


@pytest.mark.processes
def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path / "running", held))
    process.start()
    assert held.wait(60)
    calls = RunningCalls(tmp_path / "running")

    mine = calls.begin(KEY, 2)
    beyond = calls.begin(KEY, 2)
    process.kill()
    process.join()

    assert (mine is not None, beyond) == (True, None)
    assert calls.begin(KEY, 2) is not None
