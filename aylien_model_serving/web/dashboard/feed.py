"""Server-sent events of a service's snapshots, made once a second for all who watch through this process.

A stream keeps a place that others may need, so that it ends after a while, and there are few at a time. Who
gets none has one snapshot and asks again after a second, which looks the same. What a watcher knows of the
past, it keeps itself: it may meet another process each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from aylien_model_serving.process import lifecycle, native_threads

#: Seconds between two snapshots.
PERIOD = 1.0

#: Seconds that a stream lasts; less than servers give requests in flight at their end.
STREAM_SECONDS = 20.0

#: Streams of one process at a time; an ASGI server's have a thread each, of the 16 that serve Flask.
MAX_STREAMS = 4


class Feed:
    """The events of one service, as one process tells them.

    Args:
        take: makes a snapshot's JSON, on one line.
        clock: seconds that only go on.
        sleep: waits for so many of them.
    """

    def __init__(
        self,
        take: Callable[[], bytes],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = lambda seconds: time.sleep(seconds),
    ) -> None:
        self._take = take
        self._clock = clock
        self._sleep = sleep
        self._places = threading.Semaphore(MAX_STREAMS)
        self._lock = native_threads.ProcessLock()
        self._latest: tuple[float, bytes] | None = None

    def latest(self) -> bytes:
        """Return the event of a snapshot that is not older than a second."""
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
            lasting: whether others may follow: where waiting keeps nobody else from being answered.
        """
        yield first
        if not streaming or not self._places.acquire(blocking=False):
            return
        try:
            until = self._clock() + STREAM_SECONDS
            while self._clock() < until and not lifecycle.is_draining():
                self._sleep(PERIOD)
                yield self.latest()
        finally:
            self._places.release()
