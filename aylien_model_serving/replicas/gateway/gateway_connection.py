"""The gateway's end of one web worker's connection: calls are handed to the relay as they came."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from aylien_model_serving.core.messages import Reply
from aylien_model_serving.executors import STATUS
from aylien_model_serving.replicas.gateway.gateway_call import GatewayCall
from aylien_model_serving.replicas.replica.frame_socket import FrameSocket, WantWrite
from aylien_model_serving.rpc import protocol
from aylien_model_serving.rpc.headers import CallHeader


class CallTaker(Protocol):
    """What calls are handed to, on the server's thread."""

    def take(self, call: GatewayCall) -> None:
        """Take a call; its reply goes to its source."""

    def cancel(self, call: GatewayCall) -> None:
        """Take note that nobody waits for a call any more."""

    def grant(self, call: GatewayCall, items: int) -> None:
        """Take note that the client takes so many further items of a call's stream."""


class GatewayConnection(FrameSocket):
    """Reads calls on the server's thread; replies are written on the relay's.

    Args:
        sock: the accepted socket, which does not block.
        want_write: called when the socket takes no more at the moment.
        relay: gets the calls.
        get_status: returns the reply to a call for the gateway's own status.
    """

    def __init__(
        self, sock: socket.socket, want_write: WantWrite, relay: CallTaker, get_status: Callable[[], Reply]
    ) -> None:
        super().__init__(sock, want_write)
        self._relay = relay
        self._get_status = get_status
        self._calls: dict[int, GatewayCall] = {}

    def _dispatch(self, frame: protocol.Frame) -> None:
        if frame.kind == protocol.CALL:
            self._answer(frame)
        elif frame.kind == protocol.CANCEL:
            call = self._calls.pop(frame.number, None)
            if call is not None:
                self._relay.cancel(call)
        elif frame.kind == protocol.CREDIT:
            call = self._calls.get(frame.number)
            if call is not None:
                self._relay.grant(call, frame.header)

    def _answer(self, frame: protocol.Frame) -> None:
        if self.drains:
            self.put(protocol.encode_refused(frame.number))
            return
        header: CallHeader = frame.header
        if header.method == STATUS:
            self.put(protocol.encode_reply(frame.number, self._get_status()))
            return
        call = self._calls[frame.number] = GatewayCall(frame, self)
        self._relay.take(call)

    def forget(self, number: int) -> None:
        """Drop a call that has its reply."""
        self._calls.pop(number, None)

    @property
    def is_idle(self) -> bool:
        return not self._calls and self.is_sent

    def close(self) -> None:
        """Cancel the calls in flight, and close the socket."""
        for call in list(self._calls.values()):
            self._relay.cancel(call)
        super().close()
