"""Records an engine's runs: for the supervisor, for callers whose replica dies, and for the metrics.

Knows the engine's events; what is done with the records is for their readers.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

from aylien_model_serving.executors.engine import QueuedCall
from aylien_model_serving.metrics.runners import RunnerInstruments
from aylien_model_serving.replicas.replica.request import ReplicaRequest
from aylien_model_serving.rpc.flight_recorder import FlightRecorder


class RunObserver:
    """Passes the engine's events on to the flight recorder and the metrics.

    Args:
        recorder: whose file survives the replica.
        instruments: the metrics of this runner.
        settled: called when all calls of a batch have their outcomes.
    """

    def __init__(
        self, recorder: FlightRecorder, instruments: RunnerInstruments, settled: Callable[[], None]
    ) -> None:
        self._recorder = recorder
        self._instruments = instruments
        self.settled = settled
        self.sizes: Counter[int] = Counter()

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        self._recorder.begin_run([call.number for call in calls if isinstance(call, ReplicaRequest)])
        now = time.monotonic()
        self._instruments.starts([now - call.arrived for call in calls])

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        self._recorder.end_run()
        self.sizes[len(calls)] += 1
        self._instruments.ended(len(calls), seconds)

    def dropped(self, reason: str) -> None:
        self._instruments.dropped(reason)
