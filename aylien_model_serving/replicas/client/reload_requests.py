"""Asks a service's supervisor about the reload of a runner's weights, over a connection of its own.

Blocks for some seconds at most; under gevent other greenlets run meanwhile.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing

from aylien_model_serving.errors import Unavailable
from aylien_model_serving.replicas.client.supervisor_start import SupervisorAddress
from aylien_model_serving.rpc.control_framing import MessageDecoder, MessageError, encode
from aylien_model_serving.rpc.control_messages import (
    HostRequest,
    ReloadAnswer,
    ReloadRequest,
    ReplicaUpdate,
)

#: Seconds that the supervisor has to answer.
_SECONDS = 5.0

_CHUNK = 65536


def ask(address: SupervisorAddress, request: ReloadRequest) -> ReloadAnswer:
    """Return the supervisor's answer; nothing is started where there is none.

    Raises:
        Unavailable: it can't be reached, or does not answer.
    """
    deadline = time.monotonic() + _SECONDS
    decoder = MessageDecoder(ReplicaUpdate)
    try:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(address.socket)
            connection.sendall(encode(HostRequest(reload=request)))
            while data := connection.recv(_CHUNK):
                for update in decoder.feed(data):
                    if update.reload is not None:
                        return update.reload
                connection.settimeout(max(0.001, deadline - time.monotonic()))
    except (OSError, MessageError) as error:
        raise Unavailable("The supervisor of the runners does not answer") from error
    raise Unavailable("The supervisor of the runners has ended")
