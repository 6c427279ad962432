"""The items that a generator handler makes, one at a time, for callers that block and for event loops.

The handler's slot stays taken until the last item is made or the stream is closed, whichever comes first.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from concurrent.futures import Executor, ThreadPoolExecutor
from types import AsyncGeneratorType, GeneratorType
from typing import Any

from aylien_model_serving.handlers import exits
from aylien_model_serving.process import native_threads

_END: Any = object()


#: Types of a handler's result that is made item by item.
STREAMS = (GeneratorType, AsyncGeneratorType)


class GeneratorItems:
    """Iterates a generator, each step of it within the context of the request.

    Args:
        generator: what the handler returned.
        release: gives the handler's slot back; called once.
        in_native_thread: whether the generator of a blocking caller, a greenlet, runs on a native thread.
    """

    def __init__(
        self,
        generator: Generator[Any, None, None] | AsyncGenerator[Any, None],
        release: Callable[[], None],
        in_native_thread: bool,
    ) -> None:
        self._generator = generator
        self._release = release
        is_async = isinstance(generator, AsyncGenerator)  # runs on an event loop's thread anyway
        self._in_native_thread = in_native_thread and not is_async
        self._context = contextvars.copy_context()
        self._closed = False

    def __iter__(self) -> GeneratorItems:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        try:
            item = self._run(self._next_item)
        except BaseException:
            self.close()
            raise
        if item is _END:
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
                    item = await _next_item_async(self._generator)
                else:
                    item = await self._on(thread, self._next_item)
                if item is _END:
                    return
                yield item
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
        try:
            self._run(self._close_generator)
        finally:
            self._release()

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
