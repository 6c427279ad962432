"""What a replica tells of its load, by the events of its engine."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from aylien_model_serving.executors.engine import QueuedCall
from aylien_model_serving.metrics.runners import RunnerInstruments
from aylien_model_serving.replicas.replica.observer import RunObserver
from aylien_model_serving.rpc.flight_recorder import FlightRecorder


class NoInstruments:
    """Instruments that nobody reads."""

    def starts(self, waits: Sequence[float]) -> None: ...

    def ended(self, size: int, seconds: float) -> None: ...


@pytest.fixture
def observer(tmp_path: Path) -> Iterator[RunObserver]:
    with closing(FlightRecorder(str(tmp_path / "record"), slots=1, capacity=4)) as recorder:
        yield RunObserver(recorder, cast(RunnerInstruments, NoInstruments()), lambda: None)


def calls_of(number: int, waited: float) -> list[QueuedCall]:
    """Return calls that have waited for so many seconds."""
    found = [QueuedCall({}, None, "-", on_finish=lambda result, error: None) for _ in range(number)]
    for call in found:
        call.arrived = time.monotonic() - waited
    return found


def test_calls_runs_and_times_are_added_up(observer: RunObserver) -> None:
    for _ in range(2):
        batch = calls_of(3, waited=2.0)
        observer.starts(batch)
        observer.ended(batch, 0.5)

    load = observer.load(waiting=7, running=1)

    assert (load.calls, load.runs, load.waiting, load.running) == (6, 2, 7, 1)
    assert (load.busy, load.waited) == (1.0, pytest.approx(12.0, abs=0.5))


def test_a_call_that_stays_for_several_steps_is_one(observer: RunObserver) -> None:
    first, second = calls_of(2, waited=1.0)

    for calls, joined in (([first], [first]), ([first, second], [second]), ([first, second], [])):
        observer.steps(calls, joined)
        observer.ended(calls, 0.1)

    load = observer.load(0, 0)
    assert (load.calls, load.runs) == (2, 3)
    assert load.waited == pytest.approx(2.0, abs=0.5)


def test_a_run_in_progress_is_busy(observer: RunObserver) -> None:
    observer.starts(calls_of(1, waited=0.0))

    first = observer.load(0, 1).busy
    time.sleep(0.002)

    assert observer.load(0, 1).busy > first
