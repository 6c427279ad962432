"""The run of one operation: which effect is next, what came of the last one, which bodies are open.

Pure: the drivers perform the effects.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aylien_model_serving.client.effects import (
    ApiResponse,
    Effects,
    ReadBody,
    ReportState,
    SendRequest,
    Sleep,
    YieldItem,
)
from aylien_model_serving.client.jobs import JobState

StateCallback = Callable[[JobState], None]


class RunState:
    """The state of an operation that is being run.

    Args:
        effects: the operation.
        on_state: called with each state of a job.
    """

    def __init__(self, effects: Effects, on_state: StateCallback | None = None) -> None:
        self._effects = effects
        self._on_state = on_state
        self._value: Any = None
        self._failure: Exception | None = None
        self._open_readers: list[Any] = []
        self.result: Any = None

    def next_effect(self) -> SendRequest | ReadBody | Sleep | YieldItem | None:
        """Resume the operation, and return the next effect that a driver has to perform; None at the end.

        Raises:
            Exception: what the operation raises.
        """
        while True:
            value, failure, self._value, self._failure = self._value, self._failure, None, None
            try:
                effect = self._effects.send(value) if failure is None else self._effects.throw(failure)
            except StopIteration as end:
                self._finish(end.value)
                return None
            if not isinstance(effect, ReportState):
                return effect
            if self._on_state is not None:
                self._on_state(effect.state)

    def succeeded(self, value: Any) -> None:
        """Keep what the last effect returned."""
        self._value = value
        if isinstance(value, ApiResponse) and value.reader is not None:
            self._open_readers.append(value.reader)

    def failed(self, failure: Exception) -> None:
        """Keep what the last effect raised."""
        self._failure = failure

    def stop(self) -> list[Any]:
        """End the operation where it is, and return the readers that are to be closed."""
        self._effects.close()
        return self._open_readers

    def _finish(self, result: Any) -> None:
        """Keep what the operation returned; a streamed response is its caller's to close."""
        self.result = result
        if isinstance(result, ApiResponse):
            self._open_readers = [reader for reader in self._open_readers if reader is not result.reader]
