"""Tells stories without a network: what comes of a question is written down before, and time is a number."""

from collections.abc import Iterable
from typing import Any

from aylien_model_serving.client.effects import (
    ApiRequest,
    ApiResponse,
    Effects,
    ReadBody,
    ReportState,
    SendRequest,
    Sleep,
    YieldItem,
)
from aylien_model_serving.client.options import ClockAndRandom

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


class Script:
    """A service that answers what a test says, and notes what it was asked.

    Args:
        outcomes: an answer or an error for each question, in order.
        seconds: that each question takes.
    """

    def __init__(self, *outcomes: ApiResponse | Exception, seconds: float = 0.0) -> None:
        self._outcomes = list(outcomes)
        self._seconds = seconds
        self.time = 1000.0
        self.clock = ClockAndRandom(now=lambda: self.time, jitter=lambda: 0.0)
        self.asked: list[SendRequest] = []
        self.pauses: list[float] = []
        self.given: list[Any] = []
        self.told: list[Any] = []

    @property
    def requests(self) -> list[ApiRequest]:
        return [ask.request for ask in self.asked]

    def tell(self, story: Effects) -> Any:
        """Return what a story comes to."""
        came: Any = None
        failure: Exception | None = None
        while True:
            try:
                step = story.send(came) if failure is None else story.throw(failure)
            except StopIteration as end:
                return end.value
            came, failure = None, None
            if isinstance(step, SendRequest):
                self.asked.append(step)
                self.time += self._seconds
                came = self._outcomes.pop(0)
            elif isinstance(step, ReadBody):
                came = next(step.reader, None)
            elif isinstance(step, Sleep):
                self.pauses.append(step.seconds)
                self.time += step.seconds
            elif isinstance(step, YieldItem):
                self.given.append(step.item)
            elif isinstance(step, ReportState):
                self.told.append(step.state)
            if isinstance(came, Exception):
                came, failure = None, came


def streamed(pieces: Iterable[bytes | Exception]) -> ApiResponse:
    """Return an answer whose body comes in pieces."""
    return ApiResponse(200, EVENTS, reader=iter(pieces))
