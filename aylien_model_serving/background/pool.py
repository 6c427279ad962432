"""Does what is to be done once an answer has been sent: the background tasks of this process.

The tasks of one answer run in order, on threads that no request waits for. They know their request's
id, and nothing else of it: whatever they need is handed to them.
"""

from __future__ import annotations

import inspect
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Sequence
from multiprocessing.util import Finalize
from typing import Any, Protocol

from aylien_model_serving.background.tasks import Task, TaskResponse
from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.handlers import callables
from aylien_model_serving.process import native_threads

logger = logging.getLogger(__name__)

#: Answers whose tasks may wait for a thread.
MAX_WAITING = 1000


class BackgroundBatch:
    """The tasks of one answer.

    Args:
        tasks: in their order.
        request_id: of the request that was answered.
    """

    __slots__ = ("_request_id", "_tasks")

    def __init__(self, tasks: Sequence[Task], request_id: str) -> None:
        self._tasks = tasks
        self._request_id = request_id

    def __call__(self) -> None:
        """Leave the tasks to this process's threads; where too many wait there, do them at once."""
        if not _pool_of_process().offer(self):
            self.run()

    def run(self) -> None:
        """Do the tasks; one that fails is logged, and the next one follows."""
        token = current_request_id.set(self._request_id)
        try:
            for task in self._tasks:
                _do(task)
        finally:
            current_request_id.reset(token)


def _do(task: Task) -> None:
    try:
        outcome = native_threads.call(task) if native_threads.is_patched() else task()
        if inspect.isawaitable(outcome):
            native_threads.run_coroutine(_awaited(outcome))
    except BaseException as error:  # one that calls `sys.exit` must not take the thread from the others
        logger.error("Background task %s failed: %s", callables.name_of(task), error, exc_info=error)


async def _awaited(outcome: Awaitable[Any]) -> None:
    await outcome


class BackgroundPool:
    """Threads that run errands, started when they are first needed.

    Args:
        threads: how many errands may be under way at once.
        room: how many more may wait.
    """

    def __init__(self, threads: int, max_waiting: int = MAX_WAITING) -> None:
        self._threads = threads
        self._max_waiting = max_waiting
        self._started = 0
        self._waiting: deque[BackgroundBatch] = deque()
        lock = threading.Lock()
        self._arrived = threading.Condition(lock)
        self._ended = threading.Condition(lock)
        #: Errands that were taken so far, and those of them that are done.
        self.taken = 0
        self.done = 0

    def offer(self, batch: BackgroundBatch) -> bool:
        """Take an errand, unless too many wait already; tell whether it was taken."""
        with self._arrived:
            if len(self._waiting) >= self._max_waiting:
                return False
            self._waiting.append(batch)
            self.taken += 1
            is_short = self._started < min(self._threads, self.taken - self.done)
            self._started += is_short
            self._arrived.notify()
        if is_short:
            threading.Thread(target=self._work, name="model-serving-afterwards", daemon=True).start()
        return True

    def _work(self) -> None:
        while True:
            with self._arrived:
                self._arrived.wait_for(lambda: self._waiting)
                batch = self._waiting.popleft()
            batch.run()
            with self._ended:
                self.done += 1
                self._ended.notify_all()

    def finish(self, until: float) -> int:
        """Wait until all that was taken is done; return how many errands are not, at that time.

        Args:
            until: `time.monotonic()` seconds.
        """
        with self._ended:
            self._ended.wait_for(lambda: self.done == self.taken, max(0.0, until - time.monotonic()))
            return self.taken - self.done


class DrainableTasks(Protocol):
    """Another process that does tasks for this one's clients."""

    def finish_tasks(self, until: float) -> int:
        """Wait until those that were taken there by now are done; return how many are not."""


_lock = threading.Lock()
_pool: tuple[int, BackgroundPool] | None = None
_watched = 0
_others: weakref.WeakSet[Any] = weakref.WeakSet()


def _pool_of_process() -> BackgroundPool:
    """Return this process's threads, made at their first use: they do not survive a fork."""
    global _pool
    pool = _pool
    if pool is None or pool[0] != os.getpid():
        with _lock:
            pool = _pool
            if pool is None or pool[0] != os.getpid():
                _finish_at_exit()
                pool = _pool = (os.getpid(), BackgroundPool(Settings.load().background_threads))
    return pool[1]


def register_for_shutdown(other: DrainableTasks) -> None:
    """Wait for this one's tasks too, when this process ends."""
    _finish_at_exit()
    _others.add(other)


def counts() -> dict[str, int]:
    """Return how many answers' tasks this process has taken, and how many of them are done."""
    pool = _pool
    if pool is None or pool[0] != os.getpid():
        return {"taken": 0, "done": 0}
    return {"taken": pool[1].taken, "done": pool[1].done}


def finish(seconds: float | None = None) -> None:
    """Wait until the tasks of all answers are done; for a process that takes no more requests.

    Args:
        seconds: how long at most; what the operator allows, when omitted or longer than that.
    """
    limit = Settings.load().background_wait
    until = time.monotonic() + (limit if seconds is None else min(limit, max(0.0, seconds)))
    pool = _pool
    left = pool[1].finish(until) if pool is not None and pool[0] == os.getpid() else 0
    left += sum(other.finish_tasks(until) for other in list(_others))
    if left:
        logger.warning("The process ends before the background tasks of %d answers are done", left)


def _finish_at_exit() -> None:
    """Finish even where a server says nothing before its process ends.

    Processes of multiprocessing, as granian's workers are, leave without a look at `atexit`.
    """
    global _watched
    if _watched != os.getpid():
        _watched = os.getpid()
        Finalize(None, finish, exitpriority=0)


def run_abandoned_tasks(result: Any, request_id: str) -> None:
    """Do the tasks beside a result that came when its client had left; from any thread, a loop's too."""
    if isinstance(result, TaskResponse):
        batch = BackgroundBatch(result.tasks, request_id)
        if not _pool_of_process().offer(batch):
            threading.Thread(target=batch.run, daemon=True).start()
