"""An engine whose work is done by the test's own thread, and a record of what happened."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.engine import Engine, QueuedCall
from aylien_model_serving.handlers.signatures import Signature

TIMEOUT = 10.0  # seconds after which a test that waits has failed


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll: unlike a lock, this works between gevent's hub and threads of its pool."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class RecordingEngineObserver:
    """An observer that records events, in order."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        self.events.append(("starts", len(calls)))

    def steps(self, calls: Sequence[QueuedCall], joined: Sequence[QueuedCall]) -> None:
        self.events.append(("steps", len(calls)))

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        assert 0 <= seconds < TIMEOUT
        self.events.append(("ended", len(calls)))

    def settled(self) -> None:
        self.events.append("settled")

    def dropped(self, reason: str) -> None:
        self.events.append(("dropped", reason))


class EngineHarness:
    """An engine, and the outcomes of what is submitted to it, by request id."""

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        max_size: int | None = 32,
        max_queue: int | None = None,
        threads: int = 1,
        batching: BatchOptions | None = None,
    ) -> None:
        self.observer = RecordingEngineObserver()
        self.outcomes: dict[str, Any] = {}
        self.engine = Engine(
            handler,
            Signature.of(handler),
            batching=None if max_size is None else batching or BatchOptions(max_size),
            threads=threads,
            max_queue=max_queue,
            observer=self.observer,
        )

    def submit(
        self, name: str, /, deadline: float | None = None, suspect: bool = False, **arguments: Any
    ) -> QueuedCall:
        def finish(result: Any, error: Exception | None) -> None:
            assert name not in self.outcomes
            self.outcomes[name] = result if error is None else error
            self.observer.events.append(("finished", name))

        call = QueuedCall(arguments, deadline, name, on_finish=finish, suspect=suspect)
        self.engine.submit(call)
        return call

    def work(self) -> dict[str, Any]:
        """Run all that waits on this thread, and return the outcomes."""
        self.engine.close(0)
        self.engine.work()
        assert self.engine.close(0)
        return self.outcomes

    def runs(self) -> list[int]:
        """Return the sizes of the batches that ran."""
        return [event[1] for event in self.observer.events if event[0] == "starts"]
