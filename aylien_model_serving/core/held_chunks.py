"""A streamed body that holds something until it is closed: a place, or the count of a running call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

from aylien_model_serving.core.messages import Chunks


class HeldChunks:
    """Chunks at whose end something is released.

    Args:
        chunks: the body.
        release: called when they are closed, or when nobody has them any more; more than once does nothing.
    """

    __slots__ = ("_chunks", "_release")

    def __init__(self, chunks: Chunks, release: Callable[[], object]) -> None:
        self._chunks = chunks
        self._release = release

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async with aclosing(aiter(self._chunks)) as pieces:  # type: ignore[type-var]  # always a generator
                async for piece in pieces:
                    yield piece
        finally:
            self._release()

    def close(self) -> None:
        try:
            self._chunks.close()
        finally:
            self._release()

    def __del__(self) -> None:
        self._release()
