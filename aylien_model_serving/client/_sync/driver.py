"""Tells the client's stories by blocking: sends, sleeps, reads on."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any

import httpx

from aylien_model_serving.client._sync.pool import ProcessPools
from aylien_model_serving.client.effects import ApiResponse, Effects, ReadBody, SendRequest, Sleep, YieldItem
from aylien_model_serving.client.errors import TimedOut
from aylien_model_serving.client.options import positive_seconds
from aylien_model_serving.client.run_state import RunState, StateCallback
from aylien_model_serving.client.transport import (
    from_httpx,
    is_streamed,
    request_of,
    set_read_timeout,
    translate_errors,
)


class BodyReader:
    """A body that is read piece by piece.

    Args:
        response: httpx's, whose head has come.
        address: of the service, for messages.
        give_back: closes the response and sets its connection free; called once nobody reads any more.
    """

    def __init__(self, response: httpx.Response, address: str, give_back: Callable[[], None]) -> None:
        self._response = response
        self._address = address
        self._give_back: Callable[[], None] | None = give_back
        self._pieces: Iterator[bytes] | None = None

    def read(self, seconds: float) -> bytes | None:
        """Return what comes next, and None at the end, which closes it as a failure does."""
        if self._pieces is None:
            set_read_timeout(self._response, seconds)
            self._pieces = self._response.iter_bytes()
        piece = None
        with translate_errors(self._address, seconds):
            try:
                piece = next(self._pieces, None)
            finally:
                if piece is None:
                    self.close()
        return piece

    def close(self) -> None:
        """Stop to read; a second call does nothing."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Driver:
    """Tells stories on the calling thread.

    Args:
        address: of the service.
        connections: to it.
        connect_timeout: seconds that one try to connect may take.

    Raises:
        ValueError: the seconds are none.
    """

    def __init__(self, address: str, connections: ProcessPools, connect_timeout: float) -> None:
        self.address = address
        self.connections = connections
        self._connect_timeout = positive_seconds("connect_timeout", connect_timeout)

    def run(self, story: Effects, see: StateCallback | None = None) -> Any:
        """Return what a story comes to.

        Args:
            story: the story.
            see: is shown the states of jobs.
        """
        run_state = RunState(story, see)
        with closing(self._tell(run_state)) as given:
            for _ in given:
                pass
        return run_state.outcome

    def iterate(self, story: Effects, see: StateCallback | None = None) -> Generator[Any, None, None]:
        """Return an iterator over what a story gives; see `run`."""
        return self._tell(RunState(story, see))

    def _tell(self, run_state: RunState) -> Generator[Any, None, None]:
        try:
            while (step := run_state.step()) is not None:
                if isinstance(step, YieldItem):
                    yield step.item
                    continue
                try:
                    run_state.came(self._do(step))
                except Exception as error:
                    run_state.failed(error)
        finally:
            for reader in run_state.leave():
                reader.close()

    def _do(self, step: SendRequest | ReadBody | Sleep) -> Any:
        """Do what takes time, and return what came of it."""
        if isinstance(step, SendRequest):
            return self._ask(step)
        if isinstance(step, ReadBody):
            return step.reader.read(step.seconds)
        return time.sleep(step.seconds)

    def _ask(self, step: SendRequest) -> ApiResponse:
        until = time.monotonic() + step.seconds
        lanes = self.connections.lanes()
        lane = lanes.take(step.seconds)
        with ExitStack() as ends, translate_errors(self.address, step.seconds):
            ends.callback(lanes.give, lane)
            response = self._send(lane, SendRequest(step.request, _left(until)))
            ends.callback(response.close)
            if is_streamed(response):
                return from_httpx(response, b"", BodyReader(response, self.address, ends.pop_all().close))
            set_read_timeout(response, _left(until))
            return from_httpx(response, b"".join(_pieces(response, until)))

    def _send(self, lane: httpx.Client, step: SendRequest) -> httpx.Response:
        with ExitStack() as files:
            request = request_of(lane, self.address, step, self._connect_timeout, files)
            return lane.send(request, stream=True)


def _pieces(response: httpx.Response, until: float) -> Iterator[bytes]:
    """Yield a body; httpx's seconds are those between two pieces, so the time is looked at too."""
    for piece in response.iter_bytes():
        _left(until)
        yield piece


def _left(until: float) -> float:
    """Return the seconds that are left.

    Raises:
        TimedOut: there are none.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimedOut("The answer was not there in full when the time was over")
    return left
