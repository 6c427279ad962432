"""What a handler raises to end its process, which is its call's failure and nobody else's end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from types import CodeType, TracebackType
from typing import Any, NoReturn, TypeVar

from aylien_model_serving.errors import HandlerFailed

_T = TypeVar("_T")

#: The signals whose Python handlers end a server's process by an exception.
_ENDING = (signal.SIGABRT, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def reraise(error: BaseException) -> NoReturn:
    """Raise what a handler raised, to be called in the `except` block.

    Raises:
        HandlerFailed: it would have ended more than its call: `sys.exit()`, `KeyboardInterrupt`, and whatever
            else is no Exception; the cause is chained.
        BaseException: the error itself, if it is an Exception, or if this process was asked to end while the
            handler ran.
    """
    if isinstance(error, Exception) or _is_asked_for(error):
        raise error
    raise HandlerFailed from error


def call(function: Callable[..., _T], *arguments: Any) -> _T:
    """Call a function of the user's.

    Raises:
        HandlerFailed: it raised what `reraise` does not let pass.
    """
    try:
        return function(*arguments)
    except Exception:
        raise
    except BaseException as error:
        reraise(error)


async def awaited(handler: Awaitable[_T]) -> _T:
    """Await a handler, whose `sys.exit()` would end the event loop for all others.

    Raises:
        HandlerFailed: it raised what `reraise` does not let pass.
    """
    try:
        return await handler
    except (SystemExit, KeyboardInterrupt) as error:
        reraise(error)


def _is_asked_for(error: BaseException) -> bool:
    """Return whether a signal's handler has raised it, or a greenlet that is being killed."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is not None and isinstance(error, greenlet.GreenletExit):
        return True
    handlers = [signal.getsignal(number) for number in _ENDING]
    if isinstance(error, KeyboardInterrupt) and signal.default_int_handler in handlers:
        return True
    codes = {_code_of(handler) for handler in handlers} - {None}
    return any(code in codes for code in _codes(error.__traceback__))


def _code_of(handler: object) -> CodeType | None:
    handler = handler.func if isinstance(handler, partial) else handler
    return getattr(getattr(handler, "__func__", handler), "__code__", None)


def _codes(traceback: TracebackType | None) -> Iterator[CodeType]:
    while traceback is not None:
        yield traceback.tb_frame.f_code
        traceback = traceback.tb_next
