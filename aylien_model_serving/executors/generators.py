"""The items that a handler makes one at a time, for callers that block and for event loops.

The handler's slot stays taken until the last item is made or the stream is closed, whichever comes first.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from aylien_model_serving.core import call_scope
from aylien_model_serving.handlers import exits
from aylien_model_serving.process import native_threads

_END: Any = object()

_Generator = Generator[Any, None, None] | AsyncGenerator[Any, None]


#: Types of most results, which need not be looked at any closer.
DATA = frozenset({dict, list, str, int, float, bool, bytes, type(None)})


def is_stream(result: Any) -> bool:
    """Return whether a result is made item by item: a generator or another iterator, but no open file."""
    return isinstance(result, (Iterator, AsyncIterator)) and not isinstance(result, io.IOBase)


def _as_generator(items: Iterator[Any] | AsyncIterator[Any]) -> _Generator:
    """Return an iterator as a generator, which can be closed."""
    if isinstance(items, (Generator, AsyncGenerator)):
        return items
    return _each(items) if isinstance(items, Iterator) else _each_async(items)


def _each(items: Iterator[Any]) -> Generator[Any, None, None]:
    yield from items


async def _each_async(items: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    async for item in items:
        yield item


class GeneratorItems:
    """Iterates a generator, each step of it within the context of the request.

    Args:
        items: what the handler returned.
        release: gives the handler's slot back; called once.
        in_native_thread: whether the generator of a blocking caller, a greenlet, runs on a native thread.
    """

    def __init__(
        self,
        items: Iterator[Any] | AsyncIterator[Any],
        release: Callable[[], None],
        in_native_thread: bool,
    ) -> None:
        self._generator = _as_generator(items)
        self._release = release
        is_async = isinstance(self._generator, AsyncGenerator)  # runs on an event loop's thread anyway
        self._in_native_thread = in_native_thread and not is_async
        self._context = contextvars.copy_context()
        self._call = self._context.run(call_scope.adopt)
        self._has_ended = False
        self._closed = False

    def __iter__(self) -> GeneratorItems:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        try:
            item = self._run(self._next_item)
        except BaseException as error:
            self._has_ended = isinstance(error, Exception)
            self.close()
            raise
        if item is _END:
            self._has_ended = True
            self.close()
            raise StopIteration
        return item

    async def __aiter__(self) -> AsyncIterator[Any]:
        """Yield the items to an event loop, and close the generator however the loop ends.

        One thread makes them all and closes the generator: a generator can't be closed while it runs.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="model-serving-stream")
        try:
            while True:
                if isinstance(self._generator, AsyncGenerator):
                    with call_scope.within(self._context[call_scope.current]):  # the task is the server's
                        item = await _next_item_async(self._generator)
                else:
                    item = await self._on(thread, self._next_item)
                if item is _END:
                    self._has_ended = True
                    return
                yield item
        except Exception:
            self._has_ended = True
            raise
        finally:
            await self._close_async(thread)
            thread.shutdown(wait=False)

    async def _on(self, thread: Executor, function: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(thread, self._context.run, function)

    def _next_item(self) -> Any:
        if isinstance(self._generator, AsyncGenerator):
            return native_threads.run_coroutine(_next_item_async(self._generator))
        try:
            return next(self._generator, _END)
        except Exception:
            raise
        except BaseException as error:
            exits.reraise(error)

    def _run(self, function: Callable[[], Any]) -> Any:
        if self._in_native_thread:
            return native_threads.call(self._context.run, function)
        return self._context.run(function)

    def close(self) -> None:
        """Close the generator and give its slot back."""
        if self._closed:
            return
        self._closed = True
        self._abandon_unfinished()
        try:
            self._run(self._close_generator)
        finally:
            self._release()

    def _abandon_unfinished(self) -> None:
        """Tell a generator that is closed before its end, and what works for it, that nobody waits."""
        if not self._has_ended:
            self._call.abandon()

    def _close_generator(self) -> None:
        if isinstance(self._generator, AsyncGenerator):
            native_threads.run_coroutine(_close_async(self._generator))
        else:
            try:
                self._generator.close()
            except Exception:
                raise
            except BaseException as error:
                exits.reraise(error)

    async def _close_async(self, thread: Executor) -> None:
        if self._closed:
            return
        self._closed = True
        self._abandon_unfinished()
        try:
            if isinstance(self._generator, AsyncGenerator):
                await _close_async(self._generator)
            else:
                await self._on(thread, self._close_generator)
        finally:
            self._release()


async def _next_item_async(generator: AsyncGenerator[Any, None]) -> Any:
    return await exits.awaited(anext(generator, _END))


async def _close_async(generator: AsyncGenerator[Any, None]) -> None:
    await exits.awaited(generator.aclose())
