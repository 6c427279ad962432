"""Gunicorn's HTTP parser in C: whether it lets go of its memory, and room for more of what follows a request.

Gunicorn 27.0.1's asgi worker feeds a connection's bytes to its parser also while it has not yet finished
a request that is complete. The parser of gunicorn_h1c keeps 64 KiB of them by default, and the worker ends
the connection of a client whose next request is longer and came that early.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

#: Bytes that may follow a request before the worker has finished it.
MAX_TAIL = 4 << 20


def with_longer_tail(parser: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes parsers that keep up to `MAX_TAIL` bytes after a request.

    Args:
        parser: `gunicorn_h1c.H1CProtocol`, which is there with the extra `fast` alone.
    """
    return partial(parser, limit_remaining=MAX_TAIL)


def is_bounded(parser: Callable[..., Any]) -> bool:
    """Whether a parser of gunicorn_h1c is 0.6.10 or later, by what it does.

    The collector can't see into those before, so that each connection stays in memory for ever, with its last
    256 KiB; and a line that doesn't end they keep at any length.
    """
    try:
        return gc.is_tracked(with_longer_tail(parser)())
    except TypeError:
        return False
