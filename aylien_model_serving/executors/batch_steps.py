"""The steps of one batch: the lists that its generator yields, and a buffer of items for each of its calls.

The generator makes an item for every call at each step. So one that is read slowly is waited for as long as
nobody else of its batch is out of items; from then on its items gather, up to a limit.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

from aylien_model_serving.core import call_scope
from aylien_model_serving.core.cancellation import Cancellable
from aylien_model_serving.errors import HandlerFailed, ServingError, Unavailable
from aylien_model_serving.executors.batches import failure_of, items
from aylien_model_serving.executors.generators import GeneratorItems
from aylien_model_serving.executors.queue import QueuedCall
from aylien_model_serving.executors.step_items import StepItems

logger = logging.getLogger(__name__)

#: Items of a call that may wait to be sent while others of its batch have none.
MAX_BEHIND = 1024

#: What `advance` returns when the generator has returned.
END: Any = object()


class BatchSteps:
    """The steps of one batch; to be closed.

    Args:
        calls: the batch.
        generator: what the handler returned for it.
        in_native_thread: whether it runs on a native thread where gevent has patched the process.

    Raises:
        Exception: what the generator raises in its first step.
    """

    def __init__(self, calls: Sequence[QueuedCall], generator: Any, in_native_thread: bool) -> None:
        self.calls = calls
        self._changed = threading.Condition()
        self.streams = [StepItems(self._wake) for _ in calls]
        self._whole = Cancellable()
        for call, stream in zip(calls, self.streams, strict=True):
            call.listen(stream.close)
        scope = call_scope.current.get()
        with call_scope.within(scope._replace(calls=(self._whole,))):
            self._steps = GeneratorItems(generator, _nothing, in_native_thread)
        try:
            self.first = self.advance()
        except BaseException:
            self.close()
            raise

    def active(self) -> list[QueuedCall]:
        """Return the calls that have not ended."""
        return [call for call, stream in zip(self.calls, self.streams, strict=True) if not stream.has_ended]

    def advance(self) -> Any:
        """Return what the generator yields next, or END."""
        return next(self._steps, END)

    def listed(self, step: Any) -> list[Any]:
        """Return the items of a step.

        Raises:
            HandlerFailed: there are more or fewer than calls, or the generator has yielded no list.
        """
        return items(step, len(self.calls), "yield")

    def take(self, listed: Sequence[Any]) -> None:
        """Add an item to each call that has not ended."""
        for stream, item in zip(self.streams, listed, strict=True):
            stream.take(item)

    def end(self, error: BaseException | None) -> None:
        """End all calls that have not ended, after the items that they have."""
        for stream in self.streams:
            stream.end(None if error is None else _of_one_call(error))

    def wait_for_room(self) -> bool:
        """Wait until a step holds nobody and is wanted, and return whether anybody is left to want it."""
        with self._changed:
            self._changed.wait_for(self._is_wanted)
        for stream in self.streams:
            if stream.waiting() >= MAX_BEHIND:
                stream.end(Unavailable(f"The client is {MAX_BEHIND} items behind others of its batch"))
        return bool(self.active())

    def _is_wanted(self) -> bool:
        active = [stream for stream in self.streams if not stream.has_ended]
        return all(stream.has_room() for stream in active) or not all(stream.waiting() for stream in active)

    def _wake(self) -> None:
        if all(call.abandoned for call in self.calls):
            self._whole.abandon()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Close the generator, and wait for its end."""
        for call, stream in zip(self.calls, self.streams, strict=True):
            call.forget(stream.close)
        try:
            self._steps.close()
        except Exception:
            logger.exception("a generator of a batch has failed when it was closed")


def _of_one_call(error: BaseException) -> Exception:
    """Return an error of a batch as that of one of its calls, each of which is raised on its own thread."""
    if isinstance(error, HandlerFailed):
        failed = HandlerFailed(str(error))
        failed.__cause__ = error.__cause__
        return failed
    return error if isinstance(error, ServingError) else failure_of(error)


def _nothing() -> None:
    """The engine itself gives a stream's slot back, when its run ends."""
