"""Runs operations without a network: a test gives the outcome of each request, and time is a number."""

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
    """A service that answers what a test says, and records what it was sent.

    Args:
        outcomes: a response or an error for each request, in order.
        seconds: that each request takes.
    """

    def __init__(self, *outcomes: ApiResponse | Exception, seconds: float = 0.0) -> None:
        self._outcomes = list(outcomes)
        self._seconds = seconds
        self.time = 1000.0
        self.clock = ClockAndRandom(now=lambda: self.time, jitter=lambda: 0.0)
        self.sent: list[SendRequest] = []
        self.sleeps: list[float] = []
        self.items: list[Any] = []
        self.states: list[Any] = []

    @property
    def requests(self) -> list[ApiRequest]:
        return [effect.request for effect in self.sent]

    def run(self, effects: Effects) -> Any:
        """Return what an operation returns."""
        value: Any = None
        failure: Exception | None = None
        while True:
            try:
                effect = effects.send(value) if failure is None else effects.throw(failure)
            except StopIteration as end:
                return end.value
            value, failure = self._perform(effect), None
            if isinstance(value, Exception):
                value, failure = None, value

    def _perform(self, effect: Any) -> Any:
        if isinstance(effect, SendRequest):
            self.sent.append(effect)
            self.time += self._seconds
            return self._outcomes.pop(0)
        if isinstance(effect, ReadBody):
            return next(effect.reader, None)
        if isinstance(effect, Sleep):
            self.sleeps.append(effect.seconds)
            self.time += effect.seconds
        elif isinstance(effect, YieldItem):
            self.items.append(effect.item)
        elif isinstance(effect, ReportState):
            self.states.append(effect.state)
        return None


def streamed(pieces: Iterable[bytes | Exception]) -> ApiResponse:
    """Return a response whose body comes in pieces."""
    return ApiResponse(200, EVENTS, reader=iter(pieces))
