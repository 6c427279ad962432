"""An argument that is a stream, as the handler gets it: an iterator, for `for` and `async for`.

Knows threads and event loops; which connection the items come by is in `worker_connection`.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.core.messages import Send
from aylien_model_serving.errors import InvalidRequest
from aylien_model_serving.rpc import protocol, values

#: Items that are taken before the caller is granted as many more.
_RENEWED = protocol.STREAM_CREDIT // 2


class InputItems:
    """The items of a caller's iterator, which makes them as they are taken.

    Args:
        number: the stream's.
        send: sends buffers to the caller.
    """

    def __init__(self, number: int, send: Send) -> None:
        self._number = number
        self._send = send
        self._items: deque[bytes] = deque()
        self._end: BaseException | None = None
        self._changed = threading.Condition()
        self._wakeups: list[Callable[[], object]] = []
        self._has_asked = False
        self._taken = 0

    def receive(self, frame: protocol.Frame) -> None:
        """Take a frame of the caller's: an item, or the end, after the items that are there."""
        if frame.kind == protocol.ITEM:
            with self._changed:
                self._items.append(frame.body)
                self._tell()
        elif frame.kind == protocol.END:
            self._stop(StopIteration())
        elif frame.kind == protocol.CANCEL:
            self._stop(InvalidRequest("The caller's iterator has failed"))

    def abandon(self) -> None:
        """Have who takes an item raise Cancelled, and the caller make no more."""
        self._items.clear()
        self.close()

    def close(self) -> None:
        """Have the caller make no more; a second call does nothing."""
        if self._stop(Cancelled()):
            self._send(protocol.encode_cancel(self._number))

    def _stop(self, end: BaseException) -> bool:
        """Return whether this is the first end; who waits for an item gets it."""
        with self._changed:
            is_first = self._end is None
            if is_first:
                self._end = end
                self._tell()
            return is_first

    def _tell(self) -> None:
        self._changed.notify()
        while self._wakeups:
            self._wakeups.pop()()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._ask()
        with self._changed:
            self._changed.wait_for(self._has_news)
            item = self._pop()
        return self._decoded(item)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        self._ask()
        with self._changed:
            wakeup = None if self._has_news() else self._new_wakeup()
        if wakeup is not None:
            await wakeup
        with self._changed:
            try:
                item = self._pop()
            except StopIteration:
                raise StopAsyncIteration from None
        return self._decoded(item)

    def _has_news(self) -> bool:
        return bool(self._items) or self._end is not None

    def _new_wakeup(self) -> asyncio.Future[None]:
        """Return what is done when there are news, from whichever thread."""
        loop = asyncio.get_running_loop()
        wakeup = loop.create_future()
        self._wakeups.append(partial(_wake, loop, wakeup))
        return wakeup

    def _pop(self) -> bytes:
        """Return the next item, or raise what ends the items."""
        if self._items:
            return self._items.popleft()
        assert self._end is not None
        raise self._end

    def _decoded(self, item: bytes) -> Any:
        self._taken += 1
        if self._taken == _RENEWED and self._end is None:
            self._taken = 0
            self._send(protocol.encode_credit(self._number, _RENEWED))
        return values.decode(item)

    def _ask(self) -> None:
        """Have the caller begin, when the first item is asked for."""
        if not self._has_asked:
            self._has_asked = True
            self._send(protocol.encode_credit(self._number, protocol.STREAM_CREDIT))


def _wake(loop: asyncio.AbstractEventLoop, wakeup: asyncio.Future[None]) -> None:
    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(_settle, wakeup)


def _settle(wakeup: asyncio.Future[None]) -> None:
    if not wakeup.done():
        wakeup.set_result(None)
