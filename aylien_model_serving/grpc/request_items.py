"""The messages of an RPC that takes a stream of them, as its handler gets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aylien_model_serving.codecs.message_items import Decode
from aylien_model_serving.models.inputs import LoopItems


class RequestItems:
    """Takes a message from the client when the handler asks for one; made on the server's event loop.

    Args:
        messages: of the RPC.
    """

    def __init__(self, messages: AsyncIterator[bytes]) -> None:
        self._messages = messages
        self._loop = asyncio.get_running_loop()
        self._on_thread = LoopItems(messages, self._loop)

    def for_thread(self, decode: Decode) -> Iterator[Any]:
        """Return what is decoded of each message, for a handler on a thread."""
        return map(decode, self._on_thread)

    async def for_loop(self, decode: Decode) -> AsyncIterator[Any]:
        """Yield what is decoded of each message, for a handler on an event loop.

        It is another loop than the server's where Flask dispatches the request, on a thread.
        """
        if asyncio.get_running_loop() is self._loop:
            async for message in self._messages:
                yield decode(message)
            return
        while (message := await asyncio.wrap_future(self._next_from_afar())) is not None:
            yield decode(message)

    def _next_from_afar(self) -> Any:
        return asyncio.run_coroutine_threadsafe(_next(self._messages), self._loop)

    def close(self) -> None:
        """Have a handler that still waits for a message wait no longer."""
        self._on_thread.cancel()


async def _next(messages: AsyncIterator[bytes]) -> bytes | None:
    return await anext(messages, None)
