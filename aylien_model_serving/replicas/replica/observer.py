"""What a replica notes of its engine's runs: for supervisor, for clients if it dies, and for the metrics."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from aylien_model_serving.executors.engine import QueuedCall
from aylien_model_serving.metrics.runners import RunnerInstruments
from aylien_model_serving.replicas.replica.request import ReplicaRequest
from aylien_model_serving.rpc.flight_recorder import FlightRecorder


class RunObserver:
    """Tells the flight recorder and the metrics what the engine does.

    Args:
        recorder: survives the replica.
        instruments: of this runner.
        settled: called when all calls of a batch have been given their outcomes.
    """

    def __init__(
        self, recorder: FlightRecorder, instruments: RunnerInstruments, settled: Callable[[], None]
    ) -> None:
        self._recorder = recorder
        self._instruments = instruments
        self.settled = settled
        self.sizes: Counter[int] = Counter()

    def starts(self, jobs: Sequence[QueuedCall]) -> None:
        self._recorder.starts([job.number for job in jobs if isinstance(job, ReplicaRequest)])
        now = time.monotonic()
        self._instruments.starts([now - job.arrived for job in jobs])

    def ended(self, jobs: Sequence[QueuedCall], seconds: float) -> None:
        self._recorder.ended()
        self.sizes[len(jobs)] += 1
        self._instruments.ended(len(jobs), seconds)

    def dropped(self, reason: str) -> None:
        self._instruments.dropped(reason)
