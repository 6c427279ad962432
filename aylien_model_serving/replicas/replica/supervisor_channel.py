"""A replica's channel to its supervisor: commands in, status out. Knows nothing of what they are for."""

from __future__ import annotations

import os
import socket
import threading

from aylien_model_serving.rpc import control_framing
from aylien_model_serving.rpc.control_messages import Command, Status
from aylien_model_serving.rpc.spec import Spec


class SupervisorChannel:
    """The socket to the supervisor.

    Args:
        sock: the connected socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._lock = threading.Lock()
        self._decoder = control_framing.MessageDecoder(Command)

    def first_command(self) -> tuple[Spec, Command]:
        """Wait for the command that says what to host, and return that and the command."""
        while True:
            for command in self.receive():
                if command.spec is not None:
                    return command.spec, command

    def receive(self) -> list[Command]:
        """Wait for data, and return the commands in it; without a supervisor the process exits."""
        data = self.sock.recv(1 << 16)
        if not data:
            os._exit(1)
        return self._decoder.feed(data)

    def report(self, status: Status) -> None:
        """Send the replica's status; threads may do so."""
        with self._lock:
            self.sock.sendall(control_framing.encode(status))
