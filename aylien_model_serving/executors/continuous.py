"""The engine of handlers that work in steps: a call joins at the next step, and leaves when it is done.

Between two steps calls are taken from the queue, as many as may be active. Each has a buffer of items, from
which a thread of its own sends: one whose client reads slowly is left out of steps until there is room again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from aylien_model_serving.errors import DeadlineExceeded, ServingError, Unavailable
from aylien_model_serving.executors.batches import HandlerInvoker, StepObserver, failure_of
from aylien_model_serving.executors.queue import CallQueue, QueuedCall
from aylien_model_serving.executors.senders import Senders
from aylien_model_serving.executors.step_items import StepItems
from aylien_model_serving.handlers import exits
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.handlers.steps import SteppedHandler, stepped

#: Seconds after which the engine looks for calls whose deadline has passed, where nothing else wakes it.
_LOOK_SECONDS = 0.25


class ContinuousEngine:
    """Runs the steps of one handler for all that submit calls; see `engine.Engine`, whose interface it has.

    Args:
        handler: the handler.
        signature: what a call takes.
        max_queue: calls that may wait.
        observer: records what happens.
    """

    def __init__(
        self, handler: SteppedHandler, signature: Signature, *, max_queue: int, observer: StepObserver
    ) -> None:
        self._handler = handler
        self._starts = HandlerInvoker(handler.start, signature, False, _Unrecorded())
        self._max_queue = max_queue
        self._observer = observer
        self._queue = CallQueue()
        self._active: list[_Active] = []
        self._changed = threading.Condition()
        self._closed = False
        self._senders = Senders(handler.max_active)

    def waiting(self) -> int:
        """Return the number of calls that wait to join."""
        return len(self._queue)

    def running(self) -> int:
        """Return the number of active calls."""
        return len(self._active)

    def check_room(self) -> None:
        """Raise what `submit` would raise.

        Raises:
            Unavailable: as many calls wait as may, or the engine is closed.
        """
        with self._changed:
            self._refuse_overflow()

    def submit(self, call: QueuedCall) -> None:
        """Queue a call for the next step that it can join.

        Raises:
            Unavailable: as many calls wait as may, or the engine is closed.
        """
        call.arrived = time.monotonic()
        with self._changed:
            self._refuse_overflow()
            self._queue.append(call)
            self._changed.notify_all()

    def _refuse_overflow(self) -> None:
        if self._closed:
            raise Unavailable
        self._queue.refuse_overflow(self._max_queue, time.monotonic())

    def work(self) -> None:
        """Take calls and run steps for them, until the engine is closed and empty."""
        while True:
            taken = self._take()
            if taken is None:
                self._senders.close()
                return
            self._join(taken)
            self._drop_late()
            ready = [each for each in self._active if each.items.has_room()]
            if ready:
                self._step(ready)
            self._forget_ended()

    def _take(self) -> list[QueuedCall] | None:
        """Return the calls that join the next step, when there is one to run; None at the end."""
        with self._changed:
            while True:
                room = self._handler.max_active - len(self._active)
                if self._queue and room:
                    return [call for _ in range(room) for call in self._queue.take(1, time.monotonic())]
                if self._queue.has_stale() or any(each.is_due() for each in self._active):
                    return []
                if self._closed and not self._queue and not self._active:
                    return None
                self._changed.wait(_LOOK_SECONDS)

    def _join(self, taken: Sequence[QueuedCall]) -> None:
        """Start the calls that have joined, and answer those that wait no more."""
        outcomes = self._starts.drop(self._queue.take_stale())
        for call in taken:
            outcomes += self._starts.run([call])
        for call, state, error in outcomes:
            if error is None:
                items = StepItems(self._wake)
                self._active.append(_Active(call, state, items))
                self._senders.send(call, items, None)
            else:
                self._senders.send(call, None, error)

    def _drop_late(self) -> None:
        now = time.monotonic()
        for each in self._active:
            if each.call.abandoned:
                each.items.close()
            elif each.call.is_late(now):
                each.items.end(DeadlineExceeded())

    def _step(self, ready: Sequence[_Active]) -> None:
        calls = [each.call for each in ready]
        self._observer.steps(calls, [each.call for each in ready if not each.has_joined])
        start = time.monotonic()
        try:
            items = self._stepped([each.state for each in ready])
        except Exception as error:
            items = [error if isinstance(error, ServingError) else failure_of(error)] * len(ready)
        finally:
            self._observer.ended(calls, time.monotonic() - start)
        for each, item in zip(ready, items, strict=True):
            each.has_joined = True
            each.items.take(item)

    def _stepped(self, states: list[Any]) -> list[Any]:
        """Return the items of a step; one that exits has failed, and ends no process."""
        try:
            return stepped(self._handler.step, states)
        except Exception:
            raise
        except BaseException as error:
            exits.reraise(error)

    def _forget_ended(self) -> None:
        with self._changed:
            self._active = [each for each in self._active if not each.items.has_ended]
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def close(self, timeout: float | None) -> bool:
        """Take no more calls, let those that are there end, and return whether all have.

        Args:
            timeout: seconds to wait for that; None for as long as it takes.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._queue or self._active), timeout)


class _Active:
    """A call that has joined.

    Args:
        call: the call.
        state: what the handler's `start` made for it.
        items: its items.
    """

    __slots__ = ("call", "has_joined", "items", "state")

    def __init__(self, call: QueuedCall, state: Any, items: StepItems) -> None:
        self.call = call
        self.state = state
        self.items = items
        self.has_joined = False

    def is_due(self) -> bool:
        """Return whether there is something to do for it: a step, or its end."""
        is_over = self.call.abandoned or self.call.is_late(time.monotonic())
        return is_over or self.items.has_ended or self.items.has_room()


class _Unrecorded:
    """Records nothing of `start`, which is no run of its own."""

    def starts(self, calls: Sequence[QueuedCall]) -> None:
        pass

    def steps(self, calls: Sequence[QueuedCall], joined: Sequence[QueuedCall]) -> None:
        pass

    def ended(self, calls: Sequence[QueuedCall], seconds: float) -> None:
        pass

    def settled(self) -> None:
        pass

    def dropped(self, reason: str) -> None:
        pass
