"""Waiting for a descriptor: where gevent runs the caller, other greenlets go on meanwhile.

Knows gevent if it is loaded.
"""

from __future__ import annotations

import math
import select
from typing import Any

from aylien_model_serving.process import native_threads

#: Milliseconds that poll(2) can wait: a client may be willing to wait longer.
_LONGEST_POLL = 2**31 - 1


def wait(descriptor: int, seconds: float, *, to_write: bool = False) -> bool:
    """Wait until a descriptor can be read, or written to, and return whether it can.

    Args:
        descriptor: a pipe or a socket, in non-blocking mode.
        seconds: how long to wait.
        to_write: whether to wait until it can be written to.
    """
    if seconds > 0 and native_threads.is_patched() and _runs_on_hub():
        return _wait_on_hub(descriptor, seconds, to_write)
    poll: Any = native_threads.original("select", "poll")()
    poll.register(descriptor, select.POLLOUT if to_write else select.POLLIN)
    return bool(poll.poll(min(math.ceil(max(0.0, seconds) * 1000), _LONGEST_POLL)))


def _runs_on_hub() -> bool:
    """Return whether the calling thread has a hub; those of gevent's pool have none unless asked for."""
    from gevent._hub_local import get_hub_if_exists

    return get_hub_if_exists() is not None


def _wait_on_hub(descriptor: int, seconds: float, to_write: bool) -> bool:
    from gevent import socket

    wait_for = socket.wait_write if to_write else socket.wait_read
    try:
        wait_for(descriptor, timeout=max(0.0, seconds), timeout_exc=TimeoutError())
    except TimeoutError:
        return False
    return True
