"""What a handler says of its own health: its method `health()`, asked with a time limit.

The method runs beside calls, on a thread of its own. One that hangs is not asked again until it has answered.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from aylien_model_serving.handlers import exits
from aylien_model_serving.process import native_threads

logger = logging.getLogger(__name__)

#: Letters of an error that are logged and reported.
_MAX_ERROR = 500


def method_of(handler: Callable[..., Any]) -> Callable[[], Any] | None:
    """Return a handler's method `health`, if it has one that takes no arguments."""
    found = getattr(inspect.unwrap(handler), "health", None)
    if not callable(found):
        return None
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        return None
    method: Callable[[], Any] = found
    return method


class HealthCheck:
    """Asks a handler whether it is well, and logs each change.

    Args:
        name: of the handler, for the log.
        method: returns nothing or something true where the handler is well, raises or returns what is false
            where it is not; a coroutine function is awaited.
        seconds: in which it has to answer.
    """

    def __init__(self, name: str, method: Callable[[], Any], seconds: float) -> None:
        self.name = name
        self._method = method
        self._seconds = seconds
        self._pending: Future[str] | None = None
        self.error = ""

    def ask(self) -> str:
        """Return why the handler is not well; an empty text where it is."""
        pending = self._pending
        if pending is None:
            pending = self._pending = Future()
            thread = threading.Thread(target=self._answer, args=(pending,), name="model-serving-health")
            thread.daemon = True
            thread.start()
        try:
            error = pending.result(self._seconds)
            self._pending = None
        except FutureTimeout:
            error = f"health() has not answered within {self._seconds:g} seconds"
        self._note(error)
        return error

    def _answer(self, pending: Future[str]) -> None:
        try:
            pending.set_result("" if exits.call(self._is_well) else "health() says no")
        except Exception as error:
            cause = error.__cause__ if isinstance(error.__cause__, BaseException) else error
            pending.set_result(f"health() raised {type(cause).__name__}: {cause}"[:_MAX_ERROR])

    def _is_well(self) -> bool:
        said = self._method()
        if inspect.isawaitable(said):
            said = native_threads.run_coroutine(_awaited(said))
        return said is None or bool(said)

    def _note(self, error: str) -> None:
        if error and not self.error:
            logger.warning("%s is not well: %s", self.name, error)
        elif self.error and not error:
            logger.warning("%s is well again", self.name)
        self.error = error


async def _awaited(said: Awaitable[Any]) -> Any:
    return await said
