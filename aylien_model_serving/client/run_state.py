"""Where a story stands while it is told: what both drivers keep of it.

Pure: what takes time is the driver's.
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
    """A story on its way.

    Args:
        story: the story.
        see: is shown the states of jobs.
    """

    def __init__(self, story: Effects, see: StateCallback | None = None) -> None:
        self._story = story
        self._see = see
        self._came: Any = None
        self._failure: Exception | None = None
        self._opened: list[Any] = []
        self.outcome: Any = None

    def step(self) -> SendRequest | ReadBody | Sleep | YieldItem | None:
        """Go on to the next step that a driver has to do something for; None at the end.

        Raises:
            Exception: what the story raises.
        """
        while True:
            came, failure, self._came, self._failure = self._came, self._failure, None, None
            try:
                step = self._story.send(came) if failure is None else self._story.throw(failure)
            except StopIteration as end:
                self._end(end.value)
                return None
            if not isinstance(step, ReportState):
                return step
            if self._see is not None:
                self._see(step.state)

    def came(self, value: Any) -> None:
        """Keep what came of the last step."""
        self._came = value
        if isinstance(value, ApiResponse) and value.reader is not None:
            self._opened.append(value.reader)

    def failed(self, failure: Exception) -> None:
        """Keep how the last step failed."""
        self._failure = failure

    def leave(self) -> list[Any]:
        """End the story where it is, and return the bodies that are to be closed."""
        self._story.close()
        return self._opened

    def _end(self, outcome: Any) -> None:
        """Keep what the story came to; a live answer is its caller's to close."""
        self.outcome = outcome
        if isinstance(outcome, ApiResponse):
            self._opened = [reader for reader in self._opened if reader is not outcome.reader]
