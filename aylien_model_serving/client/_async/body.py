"""The body of a streamed response, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx

from aylien_model_serving.client.transport import set_read_timeout, translate_errors


class AsyncBodyReader:
    """Reads a body piece by piece.

    Args:
        response: httpx's, whose head has come.
        address: of the service, for messages.
        release: closes the response and sets its connection free; called once, when nobody reads any more.
    """

    def __init__(
        self, response: httpx.Response, address: str, release: Callable[[], Awaitable[None]]
    ) -> None:
        self._response = response
        self._address = address
        self._release: Callable[[], Awaitable[None]] | None = release
        self._pieces: AsyncIterator[bytes] | None = None

    async def read(self, seconds: float) -> bytes | None:
        """Return the next piece, and None at the end, which closes the body as a failure does."""
        if self._pieces is None:
            set_read_timeout(self._response, seconds)
            self._pieces = self._response.aiter_bytes()
        piece = None
        with translate_errors(self._address, seconds):
            try:
                piece = await anext(self._pieces, None)
            finally:
                if piece is None:
                    await self.aclose()
        return piece

    async def aclose(self) -> None:
        """Stop reading; a second call does nothing."""
        release, self._release = self._release, None
        if release is not None:
            await release()
