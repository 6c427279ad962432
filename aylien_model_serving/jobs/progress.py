"""How a job's handler reports its progress, and learns that it is to stop.

A handler gets its `JobProgress` by naming a parameter `job_progress`, or by the type.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from typing import Any, get_type_hints

from aylien_model_serving.core.cancellation import Cancelled
from aylien_model_serving.handlers.signatures import Signature

#: Name of the parameter that receives the reporter.
PARAMETER = "job_progress"

#: Seconds between two reports that are written; one in between waits for the next, or for the heartbeat.
_PAUSE = 0.05

Write = Callable[[float, "str | None"], bool]


class JobCancelled(Cancelled):
    """The job is to stop; raised in its handler, which may clean up and lets it pass."""


class JobProgress:
    """Reports the progress of one job.

    Args:
        write: keeps a fraction and a message, and returns whether the job is to stop.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._fraction = 0.0
        self._text: str | None = None
        self._is_written = True
        self._written_at = 0.0
        self._is_stopped = False

    def set_status(self, fraction: float, message: str | None = None) -> None:
        """Report how far the job is.

        Args:
            fraction: 0 to 1.
            message: in words; None leaves the last ones.

        Raises:
            JobCancelled: the job is to stop.
        """
        with self._lock:
            self._fraction = min(1.0, max(0.0, float(fraction)))
            self._text = message if message is not None else self._text
            self._is_written = False
            is_due = time.monotonic() - self._written_at >= _PAUSE
        if is_due:
            self.flush()
        self.check()

    def check(self) -> None:
        """Raise JobCancelled if the job is to stop."""
        if self._is_stopped:
            raise JobCancelled

    @property
    def is_stopped(self) -> bool:
        """Whether the handler is to stop."""
        return self._is_stopped

    def stop(self) -> None:
        """Have the handler stop at its next report."""
        self._is_stopped = True

    def flush(self) -> None:
        """Write what has been reported since the last time."""
        with self._lock:
            if self._is_written:
                return
            self._is_written = True
            self._written_at = time.monotonic()
            fraction, message = self._fraction, self._text
        if self._write(fraction, message):
            self.stop()

    @property
    def _progress(self) -> float:
        """The fraction under the name that FastTaskAPI's handlers set."""
        return self._fraction

    @_progress.setter
    def _progress(self, fraction: float) -> None:
        self.set_status(fraction)

    @property
    def _message(self) -> str | None:
        """The message under the name that FastTaskAPI's handlers set."""
        return self._text

    @_message.setter
    def _message(self, message: str) -> None:
        self.set_status(self._fraction, message)


def parameter_of(handler: Callable[..., Any]) -> str | None:
    """Return the name of the parameter that receives the reporter, if the handler has one."""
    target = handler if inspect.isroutine(handler) else type(handler).__call__
    try:
        hints = get_type_hints(target)
    except (NameError, TypeError):
        hints = {}
    for name, hint in hints.items():
        if hint is JobProgress and name != "return":
            return name
    return PARAMETER if PARAMETER in Signature.of(handler).known else None
