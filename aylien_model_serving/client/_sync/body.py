# Generated from client/_async/body.py by scripts/unasync.py: change that file, and run the script.
"""The body of a streamed response."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from aylien_model_serving.client.transport import set_read_timeout, translate_errors


class BodyReader:
    """Reads a body piece by piece.

    Args:
        response: httpx's, whose head has come.
        address: of the service, for messages.
        release: closes the response and sets its connection free; called once, when nobody reads any more.
    """

    def __init__(self, response: httpx.Response, address: str, release: Callable[[], None]) -> None:
        self._response = response
        self._address = address
        self._release: Callable[[], None] | None = release
        self._pieces: Iterator[bytes] | None = None

    def read(self, seconds: float) -> bytes | None:
        """Return the next piece, and None at the end, which closes the body as a failure does."""
        if self._pieces is None:
            set_read_timeout(self._response, seconds)
            self._pieces = self._response.iter_bytes()
        piece = None
        with translate_errors(self._address, seconds):
            try:
                piece = next(self._pieces, None)
            finally:
                if piece is None:
                    self.close()
        return piece

    def close(self) -> None:
        """Stop reading; a second call does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()
