"""Records an engine's runs: for the supervisor, for callers whose replica dies, and for the metrics.

Knows the engine's events; what is done with the records is for their readers.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from aylien_model_serving.executors.engine import QueuedCall
from aylien_model_serving.replicas.replica.request import ReplicaRequest
from aylien_model_serving.rpc.control_messages import Load
from aylien_model_serving.rpc.flight_recorder import FlightRecorder


class RunInstruments(Protocol):
    """What records the runs of an engine; see `metrics.runners`."""

    def starts(self, waits: Sequence[float]) -> None: ...

    def ended(self, size: int, seconds: float) -> None: ...

    def dropped(self, reason: str) -> None: ...

    def set_healthy(self, healthy: bool) -> None: ...


class RunObserver:
    """Passes the engine's events on to the flight recorder and the metrics.

    Args:
        recorder: whose file survives the replica.
        instruments: the metrics of this runner.
        settled: called when all calls of a batch have their outcomes.
    """

    def __init__(
        self, recorder: FlightRecorder, instruments: RunInstruments, settled: Callable[[], None]
    ) -> None:
        self._recorder = recorder
        self._instruments = instruments
        self.settled = settled
        self.sizes: Counter[int] = Counter()
        self._calls = 0
        self._waited = 0.0
        self._busy = 0.0
        self._began: dict[int, float] = {}

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        wholes = dict.fromkeys(call.whole for call in calls)
        self._recorder.begin_run([call.number for call in wholes if isinstance(call, ReplicaRequest)])
        self._begin(calls)

    def steps(self, calls: Sequence[QueuedCall], joined: Sequence[QueuedCall]) -> None:
        """Record a step of calls that stay for several, of which some have waited until here."""
        self._recorder.begin_run([call.number for call in calls if isinstance(call, ReplicaRequest)])
        self._begin(joined)

    def _begin(self, calls: Sequence[QueuedCall]) -> None:
        """Record the begin of a run, until which calls have waited."""
        now = time.monotonic()
        waits = [now - call.arrived for call in calls]
        self._instruments.starts(waits)
        self._calls += len(waits)
        self._waited += sum(waits)
        self._began[threading.get_ident()] = now

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        self._recorder.end_run()
        self._began.pop(threading.get_ident(), None)
        self._busy += seconds
        self.sizes[len(calls)] += 1
        self._instruments.ended(len(calls), seconds)

    def load(self, waiting: int, running: int) -> Load:
        """Return the load of the replica, with these calls in its queue and in its handler."""
        now = time.monotonic()
        return Load(
            calls=self._calls,
            runs=sum(list(self.sizes.values())),
            busy=self._busy + sum(now - began for began in list(self._began.values())),
            waited=self._waited,
            waiting=waiting,
            running=running,
        )

    def dropped(self, reason: str) -> None:
        self._instruments.dropped(reason)
