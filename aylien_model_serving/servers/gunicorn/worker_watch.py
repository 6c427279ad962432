"""A thread of the operating system beside a worker: it ends what a stop would wait for, and the worker itself
once its master is gone.

The worker's own thread may be in a handler, in a read of half a request, or in gevent's hub: this one looks
at signals, at the master and at connections all the same. It knows no greenlet and no other thread.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from aylien_model_serving.process import native_threads, owner

#: Seconds that answers in flight get once the master is gone.
ORPHAN_SECONDS = 1.2

#: Seconds between two looks at the connections of a worker that stops.
_TICK_SECONDS = 0.1

#: Seconds between two looks at the master where the system has no pidfd.
_POLL_SECONDS = 0.2


class WorkerWatch:
    """Watches the master of the process that makes this, on a thread that ends with the process.

    Args:
        master: the process id of the master.
    """

    def __init__(self, master: int) -> None:
        #: Whether the worker's own thread has seen that the master is gone.
        self.is_orphaned = False
        self._master = master
        self._tick: Callable[[], None] | None = None
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)
        self._is_stopping = False
        self._orphaned_at: float | None = None
        self._pidfd = _pidfd(master)
        self._earlier = -1
        native_threads.start(self._run)

    def take_signals(self, tick: Callable[[], None]) -> None:
        """Learn of SIGTERM also while the main thread is busy; for the main thread.

        An event loop learns of signals in the same way (`signal.set_wakeup_fd`), and has to be the only one.

        Args:
            tick: called again and again from the worker's stop on, on the thread.
        """
        self._tick = tick
        self._earlier = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def stop(self) -> None:
        """Say that the worker stops, as when it has answered as many requests as it is to."""
        if not self._is_stopping:
            self._write(self._writer, bytes([signal.SIGTERM]))

    def _run(self) -> None:
        poll = native_threads.original("select", "poll")()
        poll.register(self._reader, select.POLLIN)
        if self._pidfd is not None:
            poll.register(self._pidfd, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll(self._timeout())}
            if self._reader in ready:
                self._read_signals()
            if self._orphaned_at is None and self._lost_master(ready):
                if self._pidfd is not None:
                    poll.unregister(self._pidfd)
                self._orphaned_at = time.monotonic()
                os.kill(os.getpid(), signal.SIGTERM)
                self._is_stopping = True
            if self._is_stopping and self._tick is not None:
                self._tick()
            if self._orphaned_at is not None and time.monotonic() > self._orphaned_at + ORPHAN_SECONDS:
                os.kill(os.getpid(), signal.SIGKILL)

    def _timeout(self) -> int | None:
        """Return the milliseconds until something is due; None where events alone matter."""
        if self._is_stopping:
            return int(_TICK_SECONDS * 1000)
        return None if self._pidfd is not None else int(_POLL_SECONDS * 1000)

    def _lost_master(self, ready: set[int]) -> bool:
        return self._pidfd in ready or os.getppid() != self._master

    def _read_signals(self) -> None:
        """Read the numbers of signals, and pass them on to whoever was told of them before."""
        try:
            numbers = os.read(self._reader, 1024)
        except BlockingIOError:
            return
        self._is_stopping = self._is_stopping or signal.SIGTERM in numbers
        if self._earlier >= 0:
            self._write(self._earlier, numbers)

    @staticmethod
    def _write(descriptor: int, numbers: bytes) -> None:
        with suppress(OSError):  # full: who reads it wakes up anyway
            os.write(descriptor, numbers)


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that can be read once a process has exited; None where there is none of it."""
    try:
        return owner.open_pidfd(pid)
    except ProcessLookupError:
        return None
