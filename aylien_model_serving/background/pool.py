"""The background pool: threads of this process that run the tasks of responses once these have been sent.

The tasks of one response run in order, on threads that no request waits for. They see their request's
id, and nothing else of it: whatever they need is passed to them.
"""

from __future__ import annotations

import inspect
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from multiprocessing.util import Finalize
from typing import Any, Protocol

from aylien_model_serving.background.tasks import Task, TaskResponse
from aylien_model_serving.core import callers
from aylien_model_serving.core.messages import current_request_id
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.handlers import callables, exits
from aylien_model_serving.process import native_threads

logger = logging.getLogger(__name__)

#: Batches that may wait for a thread.
MAX_WAITING = 1000


class BackgroundBatch:
    """The background tasks of one response.

    Args:
        tasks: in their order.
        request_id: of the request that was answered.
    """

    __slots__ = ("_caller", "_request_id", "_tasks")

    def __init__(self, tasks: Sequence[Task], request_id: str) -> None:
        self._tasks = tasks
        self._request_id = request_id
        self._caller = callers.current.get()

    def __call__(self) -> None:
        """Pass the tasks to this process's pool; where too many batches wait there, run them at once."""
        if not _pool_of_process().offer(self):
            self.run()

    def run(self) -> None:
        """Run the tasks; one that fails is logged, and the next one follows."""
        token = current_request_id.set(self._request_id)
        caller_token = callers.current.set(self._caller)
        try:
            for task in self._tasks:
                _run_task(task)
        finally:
            current_request_id.reset(token)
            callers.current.reset(caller_token)


def _run_task(task: Task) -> None:
    try:
        outcome = task()
        if inspect.isawaitable(outcome):
            native_threads.run_coroutine(exits.awaited(outcome))
    except BaseException as error:  # `sys.exit` must not end the thread for all others
        logger.error("Background task %s failed: %s", callables.name_of(task), error, exc_info=error)


class BackgroundPool:
    """Threads that run batches of tasks, started when they are first needed.

    Args:
        threads: how many batches may run at once.
        max_waiting: how many more may wait.
    """

    def __init__(self, threads: int, max_waiting: int = MAX_WAITING) -> None:
        self._threads = threads
        self._max_waiting = max_waiting
        self._started = 0
        self._waiting: deque[BackgroundBatch] = deque()
        lock = threading.Lock()
        self._added = threading.Condition(lock)
        self._finished = threading.Condition(lock)
        #: Batches that were accepted so far, and those of them that are done.
        self.accepted = 0
        self.done = 0

    def offer(self, batch: BackgroundBatch) -> bool:
        """Accept a batch, unless too many wait already; return whether it was accepted."""
        with self._added:
            if len(self._waiting) >= self._max_waiting:
                return False
            self._waiting.append(batch)
            self.accepted += 1
            needs_thread = self._started < min(self._threads, self.accepted - self.done)
            self._started += needs_thread
            self._added.notify()
        if needs_thread:
            threading.Thread(target=self._work, name="model-serving-background", daemon=True).start()
        return True

    def _work(self) -> None:
        while True:
            with self._added:
                self._added.wait_for(lambda: self._waiting)
                batch = self._waiting.popleft()
            batch.run()
            with self._finished:
                self.done += 1
                self._finished.notify_all()

    def finish(self, until: float) -> int:
        """Wait until all accepted batches are done; return how many are not, at that time.

        Args:
            until: `time.monotonic()` seconds.
        """
        with self._finished:
            self._finished.wait_for(lambda: self.done == self.accepted, max(0.0, until - time.monotonic()))
            return self.accepted - self.done


class DrainableTasks(Protocol):
    """Background tasks for this process's clients that run elsewhere: in a replica or a mounted app."""

    def finish_tasks(self, until: float) -> int:
        """Wait until those that were accepted there by now are done; return how many are not."""


_lock = threading.Lock()
_pool: tuple[int, BackgroundPool] | None = None
_registered_in = 0
_elsewhere: weakref.WeakSet[Any] = weakref.WeakSet()


def _pool_of_process() -> BackgroundPool:
    """Return this process's pool, made at its first use: threads do not survive a fork."""
    global _pool
    pool = _pool
    if pool is None or pool[0] != os.getpid():
        with _lock:
            pool = _pool
            if pool is None or pool[0] != os.getpid():
                _finish_at_exit()
                pool = _pool = (os.getpid(), BackgroundPool(Settings.load_public().background_threads))
    return pool[1]


def register_for_shutdown(tasks: DrainableTasks) -> None:
    """Have the end of this process wait for these tasks, too."""
    _finish_at_exit()
    _elsewhere.add(tasks)


def counts() -> dict[str, int]:
    """Return how many batches of tasks this process has accepted, and how many of them are done."""
    pool = _pool
    if pool is None or pool[0] != os.getpid():
        return {"taken": 0, "done": 0}
    return {"taken": pool[1].accepted, "done": pool[1].done}


def finish(seconds: float | None = None) -> None:
    """Wait until all background tasks are done; for a process that takes no more requests.

    Args:
        seconds: how long at most; the setting `background_wait`, when omitted or longer than that.
    """
    limit = Settings.load_public().background_wait
    until = time.monotonic() + (limit if seconds is None else min(limit, max(0.0, seconds)))
    pool = _pool
    left = pool[1].finish(until) if pool is not None and pool[0] == os.getpid() else 0
    left += sum(tasks.finish_tasks(until) for tasks in list(_elsewhere))
    if left:
        logger.warning("The process ends before the background tasks of %d responses are done", left)


def _finish_at_exit() -> None:
    """Call `finish` even where a server has no hook for the end of its process.

    Processes of multiprocessing, as granian's workers are, do not run `atexit` functions.
    """
    global _registered_in
    if _registered_in != os.getpid():
        _registered_in = os.getpid()
        Finalize(None, finish, exitpriority=0)


def run_abandoned_tasks(result: Any, request_id: str) -> None:
    """Run the tasks of a result whose client has disconnected; from any thread, a loop's too."""
    if isinstance(result, TaskResponse):
        batch = BackgroundBatch(result.tasks, request_id)
        if not _pool_of_process().offer(batch):
            threading.Thread(target=batch.run, daemon=True).start()
