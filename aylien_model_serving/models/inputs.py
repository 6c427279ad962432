"""Arguments that are streams: iterators of the caller, whose items go to the model as it takes them.

Nothing is made before the model asks for its first item, so that a call which no replica has begun can go to
another one. From then on there are at most `protocol.STREAM_CREDIT` items that the model has not taken.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.core.messages import Call, Chunks, InputStream, Reply, Send
from aylien_model_serving.dispatch.values_answer import ERROR_MARK
from aylien_model_serving.executors.generators import DATA, is_stream
from aylien_model_serving.process import native_threads
from aylien_model_serving.rpc import protocol, values
from aylien_model_serving.rpc.stream_credit import StreamCredit

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

#: The numbers of this process's streams, which no call has: those of calls have 64 bits, but not the highest.
_numbers = itertools.count(1 << 63)

_END: Any = object()


class LoopItems:
    """The items of an async iterator, for a thread: each is made on the iterator's own event loop.

    Args:
        items: the iterator.
        loop: where it runs; the process's own loop on a thread of its own, if there is none.
    """

    def __init__(self, items: AsyncIterator[Any], loop: asyncio.AbstractEventLoop | None) -> None:
        self._items = items
        self._loop = native_threads.own_loop() if loop is None else loop
        self._next: Future[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._next = self._submit(_next(self._items))
        item = self._next.result()
        if item is _END:
            raise StopIteration
        return item

    def cancel(self) -> None:
        """Have who waits for an item wait no longer; that raises CancelledError in the iterator."""
        if self._next is not None:
            self._next.cancel()

    def close(self) -> None:
        """Have the loop close the iterator, if it is a generator, and wait for nothing."""
        self._submit(_close(self._items))

    def _submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop is closed
            coroutine.close()
            raise


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items, _END)


async def _close(items: AsyncIterator[Any]) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()


class Input:
    """An argument that is a stream.

    Args:
        items: what the caller gave.
    """

    def __init__(self, items: Iterator[Any]) -> None:
        self.number = next(_numbers)
        self.has_begun = False
        self.error: BaseException | None = None
        self._items = items
        self._context = contextvars.copy_context()
        self._credit = StreamCredit(0)
        self._send: Send = _ignore
        self._detach: Callable[[], object] = _nothing
        self._lock = threading.Lock()
        self._is_closed = False

    def attach(self, send: Send, detach: Callable[[], object]) -> None:
        """Have items sent by a connection, in place of the one before.

        Args:
            send: sends buffers to the replica, from any thread.
            detach: has the connection drop this stream.
        """
        self._detach()
        self._send, self._detach = send, detach

    def grant(self, items: int) -> None:
        """Send so many further items, from a thread that starts with the first of them."""
        self._credit.grant(items)
        with self._lock:
            starts = not (self.has_begun or self._is_closed)
            self.has_begun = self.has_begun or starts
        if starts:
            threading.Thread(
                target=self._context.run, args=(self._feed,), name="model-serving-input", daemon=True
            ).start()

    def close(self) -> None:
        """Make no further items; a second call does nothing."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            is_fed = self.has_begun
        if was_closed:
            return
        self._detach()
        self._credit.end()
        if not is_fed:
            self._close_items()
        elif isinstance(self._items, LoopItems):
            self._items.cancel()

    def _feed(self) -> None:
        try:
            while self._credit.take():
                item = next(self._items, _END)
                if item is _END:
                    self._send(protocol.encode_end(self.number))
                    return
                self._send(protocol.encode_item(self.number, b"".join(values.encode(item))))
        except BaseException as error:  # the caller gets it, whatever it is
            self.error = error
            self._send(protocol.encode_cancel(self.number))
        finally:
            self._close_items()

    def _close_items(self) -> None:
        close = getattr(self._items, "close", _nothing)
        try:
            with suppress(Cancelled):
                close()
        except Exception:
            logger.exception("An iterator that was sent to a model can't be closed")


def take_from(fields: dict[str, Any], loop: asyncio.AbstractEventLoop | None) -> list[InputStream]:
    """Return the arguments that are streams; what names them to the replica takes their places.

    Args:
        fields: the arguments by name.
        loop: on which async iterators make their items, as `LoopItems` has it.
    """
    taken: list[InputStream] = []
    for name, value in fields.items():
        if type(value) not in DATA and is_stream(value):
            stream = Input(LoopItems(value, loop) if isinstance(value, AsyncIterator) else value)
            fields[name] = values.reference(stream.number)
            taken.append(stream)
    return taken


class Inputs:
    """The arguments of a call that are streams: they end with its reply, or with its reply's chunks.

    Args:
        call: the call.
    """

    def __init__(self, call: Call) -> None:
        self._streams: Sequence[InputStream] = () if call.inner is None else call.inner.inputs
        self._outlive_block = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if not self._outlive_block:
            self.close()

    def close(self) -> None:
        """Make no further items."""
        for stream in self._streams:
            stream.close()

    def check(self) -> None:
        """Raise what an iterator of the caller has raised."""
        for stream in self._streams:
            if stream.error is not None:
                raise stream.error

    def of(self, reply: Reply) -> Reply:
        """Return the call's reply; if it has failed, raise what an iterator of the caller has raised."""
        if self._streams and reply.chunks is not None:
            self._outlive_block = True
            reply.chunks = _FedChunks(reply.chunks, self)
        elif reply.status >= 400:
            self.check()
        return reply


class _FedChunks:
    """The items of a model that takes streams of its caller meanwhile.

    Args:
        chunks: the model's items.
        inputs: what the caller sends.
    """

    def __init__(self, chunks: Chunks, inputs: Inputs) -> None:
        self._chunks = chunks
        self._inputs = inputs

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._chunks:
                yield self._checked(chunk)
        finally:
            self.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._chunks:
                yield self._checked(chunk)
        finally:
            self.close()

    def _checked(self, chunk: bytes) -> bytes:
        if chunk.startswith(ERROR_MARK):
            self._inputs.check()
        return chunk

    def close(self) -> None:
        self._chunks.close()
        self._inputs.close()


def _ignore(buffers: object) -> None:
    """No connection has the stream yet."""


def _nothing() -> None:
    """There is nothing to close."""
