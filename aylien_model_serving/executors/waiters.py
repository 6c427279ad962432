"""Who waits in this process: clients that follow a job or a stream, each of which may be idle for long.

They have places, and a server's threads are never all theirs: health checks and other requests go on.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from aylien_model_serving.core.held_chunks import HeldChunks
from aylien_model_serving.core.messages import Reply
from aylien_model_serving.errors import Unavailable
from aylien_model_serving.process import native_threads, server_threads

#: Places where one who waits holds no thread.
PLACES = 1000

#: Threads of a server from which on calls that wait are kept from taking them all.
_MANY_THREADS = 32

#: Seconds after which a client that found no place may try again.
_RETRY_SECONDS = 5


class Place:
    """A place that is taken until it is left; to be used by `with`, or left once by hand."""

    __slots__ = ("_taken",)

    def __init__(self, taken: set[Place]) -> None:
        self._taken = taken
        taken.add(self)

    def leave(self) -> None:
        """Give the place to the next one; a second call does nothing."""
        self._taken.discard(self)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Waiters:
    """The places of those who wait, in one process.

    Args:
        limit: how many there are; None for half of the server's threads, or `PLACES` where none is held; of
            a server's connections, which greenlets hold, a quarter is left.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._lock = native_threads.native_lock()
        self._on_threads: set[Place] = set()
        self._elsewhere: set[Place] = set()

    def enter(self, *, holds_thread: bool) -> Place:
        """Take a place.

        Args:
            holds_thread: whether the caller's thread waits; a greenlet is none.

        Raises:
            Unavailable: all are taken.
        """
        on_thread = holds_thread and not native_threads.is_patched()
        taken = self._on_threads if on_thread else self._elsewhere
        with self._lock:
            if len(taken) >= self._places(on_thread):
                raise Unavailable("Too many clients are waiting here", retry_after=_RETRY_SECONDS)
            return Place(taken)

    def enter_queue(self) -> AbstractContextManager[None]:
        """Take a place for a call that waits for its turn, or for another process, on a server's thread.

        A server of few threads needs them all, and keeps the other requests waiting itself.

        Raises:
            Unavailable: less than a quarter of the server's threads would be left to other requests.
        """
        threads = server_threads.count()
        if threads < _MANY_THREADS or native_threads.is_patched():
            return nullcontext()
        with self._lock:
            if len(self._on_threads) >= threads * 3 // 4:
                raise Unavailable("Too many requests are waiting already")
            return Place(self._on_threads)

    def _places(self, on_thread: bool) -> int:
        if self._limit is not None:
            return self._limit
        if on_thread:
            return max(1, server_threads.count() // 2)
        if native_threads.is_patched():
            return max(1, min(PLACES, server_threads.connections() * 3 // 4))
        return PLACES

    def admit(self, reply: Reply, *, holds_thread: bool) -> None:
        """Take a place for the client of a stream, until its chunks are closed.

        Raises:
            Unavailable: all are taken; the chunks are closed.
        """
        assert reply.chunks is not None
        try:
            place = self.enter(holds_thread=holds_thread)
        except Unavailable:
            reply.chunks.close()
            raise
        reply.chunks = HeldChunks(reply.chunks, place.leave)
