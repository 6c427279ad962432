"""What the code that handles a call may know of it and hand on: until when somebody waits, who, and for what.

Standard library only. Whoever runs a handler sets it; handles of models read it, and handlers do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from aylien_model_serving.core.cancellation import Cancellable, Cancelled, Listener


class CallScope(NamedTuple):
    """The call that is being handled.

    Args:
        deadline: `time.monotonic()` seconds after which nobody waits for its result.
        models: the models whose handlers wait for it, the outermost first, the one that runs included.
        calls: those that this run answers, several of them in a batch.
    """

    deadline: float | None = None
    models: tuple[str, ...] = ()
    calls: Sequence[Cancellable] = ()

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for any of the calls."""
        return bool(self.calls) and all(call.abandoned for call in self.calls)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Have a listener called when all calls have been abandoned, while the block runs; perhaps twice."""

        def check() -> None:
            if self.is_abandoned:
                listener()

        for call in self.calls:
            call.listen(check)
        try:
            yield
        finally:
            for call in self.calls:
                call.forget(check)

    def check(self) -> None:
        """Raise Cancelled if nobody waits for any of the calls."""
        if self.is_abandoned:
            raise Cancelled


#: The scope of code that nobody waits for.
NOBODY = CallScope()

#: The scope of the code that runs; outside of a call nobody waits for it.
current: ContextVar[CallScope] = ContextVar("model_serving_call_scope", default=NOBODY)


@contextmanager
def until(deadline: float | None) -> Iterator[None]:
    """Have calls that are made within the block end by a deadline."""
    with within(current.get()._replace(deadline=deadline)):
        yield


@contextmanager
def within(scope: CallScope) -> Iterator[None]:
    """Have a scope be that of the code in the block."""
    token = current.set(scope)
    try:
        yield
    finally:
        current.reset(token)


def adopt() -> Cancellable:
    """Return what is abandoned when nobody waits for the current call; it is made where nothing is yet."""
    scope = current.get()
    if len(scope.calls) == 1:
        return scope.calls[0]
    made = Cancellable()
    current.set(scope._replace(calls=(made,)))
    return made


class CancelledEvent:
    """Set once nobody waits for a call any more; read as a `threading.Event` is.

    Args:
        scope: the call's.
    """

    def __init__(self, scope: CallScope) -> None:
        self._scope = scope

    def is_set(self) -> bool:
        """Return whether nobody waits: the client has left, or the caller, or the deadline has passed."""
        deadline = self._scope.deadline
        return self._scope.is_abandoned or (deadline is not None and time.monotonic() >= deadline)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nobody waits, and return whether that is so.

        Args:
            timeout: seconds to wait at most.
        """
        deadline = self._scope.deadline
        left = [] if deadline is None else [max(0.0, deadline - time.monotonic())]
        seconds = min([*left, *([] if timeout is None else [timeout])], default=None)
        event = threading.Event()
        with self._scope.listening(event.set):
            event.wait(seconds)
        return self.is_set()


class CurrentCall:
    """What a handler may know of the call that it works on.

    Args:
        scope: the call's.
    """

    def __init__(self, scope: CallScope) -> None:
        self._scope = scope
        self.cancelled = CancelledEvent(scope)

    @property
    def seconds_left(self) -> float | None:
        """The seconds until the call's deadline; None where it has none."""
        deadline = self._scope.deadline
        return None if deadline is None else max(0.0, deadline - time.monotonic())


def current_call() -> CurrentCall:
    """Return the call that is being handled; a thread of the handler's own asks in a copy of its context.

    Of a batch, it is cancelled once nobody waits for any of its calls, and ends with the last deadline.
    """
    return CurrentCall(current.get())
