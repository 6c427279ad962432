"""The end of a service whose supervisor does nothing about it, since it is frozen: a replica ends it.

Knows the owner's process and the supervisor's; nothing of what is hosted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable

from aylien_model_serving.process import owner

#: Seconds after the owner's end in which a supervisor ends its replicas and itself.
_SUPERVISOR_SECONDS = 1.9

#: Has a function called, on the server's thread, when a descriptor can be read.
Watch = Callable[[int, Callable[[], None]], None]


def begin(pid: int, watch: Watch, forget: Callable[[int], object]) -> None:
    """Kill the supervisor if it is still there a while after the owner's end; its replicas go with it.

    Args:
        pid: the owner.
        watch: watches a descriptor.
        forget: stops that.
    """
    supervisor = os.getppid()
    try:
        descriptor = owner.open_pidfd(pid)
    except ProcessLookupError:
        _end_later(supervisor)
        return
    if descriptor is None:
        return

    def on_end() -> None:
        forget(descriptor)
        os.close(descriptor)
        _end_later(supervisor)

    watch(descriptor, on_end)


def _end_later(supervisor: int) -> None:
    timer = threading.Timer(_SUPERVISOR_SECONDS, _end, args=(supervisor,))
    timer.daemon = True
    timer.start()


def _end(supervisor: int) -> None:
    if os.getppid() == supervisor:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGKILL)
