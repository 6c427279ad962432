"""Server-sent events of a service's snapshots, taken once a second for all clients of this process.

A stream occupies a thread, so that it ends after a while, and there are few at a time. A client without a
stream gets one snapshot and reconnects after a second, which looks the same. Clients keep the history
themselves: each request may reach another process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from aylien_model_serving.process import lifecycle, native_threads

#: Seconds between two snapshots.
PERIOD = 1.0

#: Seconds that a stream lasts; less than the time that servers give requests in flight at shutdown.
STREAM_SECONDS = 20.0

#: Streams of one process at a time; an ASGI server's have a thread each, of the 16 that serve Flask.
MAX_STREAMS = 4


class Feed:
    """The events of one service, as one process sends them.

    Args:
        take: returns a snapshot's JSON, on one line.
        clock: monotonic seconds.
        sleep: waits for a number of seconds.
        streams: the places of streams, where several feeds have them in common.
    """

    def __init__(
        self,
        take: Callable[[], bytes],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = lambda seconds: time.sleep(seconds),
        streams: threading.Semaphore | None = None,
    ) -> None:
        self._take = take
        self._clock = clock
        self._sleep = sleep
        self._streams = streams or threading.Semaphore(MAX_STREAMS)
        self._lock = native_threads.ProcessLock()
        self._latest: tuple[float, bytes] | None = None

    def latest(self) -> bytes:
        """Return the event of a snapshot that is at most a second old."""
        with self._lock:
            now = self._clock()
            if self._latest is None or now - self._latest[0] >= PERIOD:
                data = b"retry: %d\ndata: %b\n\n" % (PERIOD * 1000, self._take())
                self._latest = now, data
            return self._latest[1]

    def events(self, first: bytes, *, streaming: bool) -> Iterator[bytes]:
        """Yield a stream's events.

        Args:
            first: the first of them.
            streaming: whether others may follow, where waiting blocks no other request.
        """
        yield first
        if not streaming or not self._streams.acquire(blocking=False):
            return
        try:
            until = self._clock() + STREAM_SECONDS
            while self._clock() < until and not lifecycle.is_draining():
                self._sleep(PERIOD)
                yield self.latest()
        finally:
            self._streams.release()
