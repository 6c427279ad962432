"""Gunicorn's HTTP parser in C, with room for more of what follows a request.

Gunicorn 27.0.1's asgi worker feeds a connection's bytes to its parser also while it has not yet finished
a request that is complete. The parser of gunicorn_h1c 0.6.9 keeps 64 KiB of them, and the worker ends the
connection of a client whose next request is longer and came that early.
"""

from __future__ import annotations

from typing import Any

#: Bytes that may follow a request before the worker has finished it, which takes a few rounds of its loop.
MAX_TAIL = 4 << 20


def with_longer_tail(parser: Any) -> Any:
    """Return a parser's class that keeps up to `MAX_TAIL` bytes after a request.

    Args:
        parser: `gunicorn_h1c.H1CProtocol`, which is there with the extra `fast` alone.
    """

    class Parser(parser):  # type: ignore[misc]  # a class that mypy can't know
        """The parser of one connection."""

        __slots__ = ("_tail",)

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._tail = bytearray()

        def feed(self, data: bytes) -> None:
            if not self.is_complete:
                super().feed(data)
            elif len(self._tail) <= MAX_TAIL:
                self._tail += data

        @property
        def remaining_truncated(self) -> bool:
            """Whether bytes after the request were dropped."""
            return super().remaining_truncated or len(self._tail) > MAX_TAIL

        def remaining(self) -> bytes:
            first: bytes = super().remaining()
            return first + self._tail if self._tail else first

        def reset(self) -> None:
            super().reset()
            self._tail.clear()

    return Parser
