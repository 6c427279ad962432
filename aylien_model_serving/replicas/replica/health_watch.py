"""Asks the handler of a replica whether it is well, for as long as the replica serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from aylien_model_serving.errors import HandlerFailed
from aylien_model_serving.handlers import health
from aylien_model_serving.handlers.health import HealthCheck
from aylien_model_serving.rpc.spec import Spec


class HealthWatch:
    """Asks again and again, on a thread of its own, and tells of failures in a row.

    Args:
        check: asks the handler.
        every: seconds between two questions.
        failures: in a row, after which the replica is to be replaced.
        on_answer: called after each question with whether the handler is well.
    """

    def __init__(
        self,
        check: HealthCheck,
        every: float,
        failures: int,
        on_answer: Callable[[bool], None],
    ) -> None:
        self._check = check
        self._every = every
        self._failures = failures
        self._on_answer = on_answer
        self._ended = threading.Event()

    @property
    def is_healthy(self) -> bool:
        """Whether the handler was well when it was last asked."""
        return not self._check.error

    def _ask(self) -> str:
        error = self._check.ask()
        self._on_answer(not error)
        return error

    def check(self) -> None:
        """Ask once, before the replica takes calls.

        Raises:
            HandlerFailed: the handler is not well.
        """
        error = self._ask()
        if error:
            raise HandlerFailed(error)

    def start(self, on_unhealthy: Callable[[str], None]) -> None:
        """Ask from here on.

        Args:
            on_unhealthy: called with the reason after so many failures, and again after as many more.
        """
        threading.Thread(
            target=self._watch, args=(on_unhealthy,), name="model-serving-health-watch", daemon=True
        ).start()

    def _watch(self, on_unhealthy: Callable[[str], None]) -> None:
        in_a_row = 0
        while not self._ended.wait(self._every):
            error = self._ask()
            in_a_row = in_a_row + 1 if error else 0
            if error and in_a_row % self._failures == 0:
                on_unhealthy(error)

    def end(self) -> None:
        """Ask no more: the replica drains."""
        self._ended.set()


def of(spec: Spec, handler: Callable[..., Any], on_answer: Callable[[bool], None]) -> HealthWatch | None:
    """Return what asks a handler as its spec says; None where it has no `health()`, or is not to be asked."""
    options, method = spec.health, health.method_of(handler)
    if options is None or method is None:
        return None
    check = HealthCheck(spec.name, method, options["every"])
    return HealthWatch(check, options["every"], int(options["failures"]), on_answer)
