"""A call on its way through the gateway: what came from a web worker, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from aylien_model_serving.rpc import cluster_messages, protocol
from aylien_model_serving.rpc.headers import VALUES


class CallSource(Protocol):
    """The connection that a call came by."""

    def put(self, buffers: Sequence[protocol.Buffer]) -> None:
        """Add to what the next flush sends."""

    def flush(self) -> None:
        """Send what was put."""

    def forget(self, number: int) -> None:
        """Drop a call that has its reply."""


class GatewayCall:
    """One call.

    Args:
        frame: as it came.
        source: where its reply goes.
    """

    __slots__ = ("_deadline", "abandoned", "frame", "has_begun_stream", "losses", "room", "source")

    def __init__(self, frame: protocol.Frame, source: CallSource) -> None:
        self.frame = frame
        self.source = source
        left = frame.header.seconds_left
        self._deadline = None if left is None else time.monotonic() + left
        #: How many replicas were lost that had it.
        self.losses = 1 if frame.header.suspect else 0
        #: Whether nobody waits for it any more.
        self.abandoned = False
        #: Whether a part of its stream has been sent, which nobody makes a second time.
        self.has_begun_stream = False
        #: Items that its client takes beyond those that were sent.
        self.room = protocol.STREAM_CREDIT

    @property
    def method(self) -> str:
        """The method of the model that it calls; "" is the handler itself."""
        header = self.frame.header
        return str(header.path) if header.method == VALUES else ""

    @property
    def is_suspect(self) -> bool:
        """Whether it may be why a replica was lost: it goes alone."""
        return self.losses > 0

    def message(self, number: int) -> bytes:
        """Return the call for another machine, with the seconds that are left of its time by now.

        Args:
            number: the call's number within what is sent together.
        """
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        return cluster_messages.encode_call(number, self.frame, left, suspect=self.is_suspect)

    def send(self, buffers: Sequence[protocol.Buffer]) -> None:
        """Add frames of the reply to what the next flush sends."""
        self.source.put(buffers)

    def reply(self, buffers: Sequence[protocol.Buffer]) -> None:
        """Send the reply, or the end of it."""
        if not self.abandoned:
            self.source.put(buffers)
            self.source.flush()
            self.source.forget(self.frame.number)
