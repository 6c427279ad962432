"""A replica's line to its supervisor."""

from __future__ import annotations

import os
import socket

from aylien_model_serving.rpc import control_framing
from aylien_model_serving.rpc.control_messages import Command, Status


class SupervisorChannel:
    """The supervisor at the other end of a socket.

    Args:
        sock: the socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._inbox = control_framing.MessageDecoder(Command)

    def listen(self) -> list[Command]:
        """Wait for something to come, and return the orders in it; without a supervisor the process ends."""
        data = self.sock.recv(1 << 16)
        if not data:
            os._exit(1)
        return self._inbox.feed(data)

    def tell(self, status: Status) -> None:
        """Say how the replica is."""
        self.sock.sendall(control_framing.encode(status))
