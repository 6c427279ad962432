"""An engine whose test does the work itself, and what it was told."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from aylien_model_serving.executors.batch_policy import BatchOptions
from aylien_model_serving.executors.engine import Engine, QueuedCall
from aylien_model_serving.handlers.signatures import Signature

PATIENCE = 10.0  # seconds after which a test that waits has failed


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again: unlike a lock, this works between gevent's hub and threads of its pool."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Noted:
    """An observer that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def starts(self, jobs: Sequence[QueuedCall]) -> None:
        self.told.append(("starts", len(jobs)))

    def ended(self, jobs: Sequence[QueuedCall], seconds: float) -> None:
        assert 0 <= seconds < PATIENCE
        self.told.append(("ended", len(jobs)))

    def settled(self) -> None:
        self.told.append("settled")

    def dropped(self, reason: str) -> None:
        self.told.append(("dropped", reason))


class Bench:
    """An engine, and the outcomes of what is submitted to it, by request id."""

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        max_size: int | None = 32,
        max_queue: int | None = None,
        threads: int = 1,
    ) -> None:
        self.observer = Noted()
        self.outcomes: dict[str, Any] = {}
        self.engine = Engine(
            handler,
            Signature.of(handler),
            batching=None if max_size is None else BatchOptions(max_size),
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
            self.observer.told.append(("finished", name))

        job = QueuedCall(arguments, deadline, name, finish=finish, suspect=suspect)
        self.engine.submit(job)
        return job

    def work(self) -> dict[str, Any]:
        """Run all that waits on this thread, and return the outcomes."""
        self.engine.close(0)
        self.engine.work()
        assert self.engine.close(0)
        return self.outcomes

    def runs(self) -> list[int]:
        """Return the sizes of the batches that ran."""
        return [note[1] for note in self.observer.told if note[0] == "starts"]
