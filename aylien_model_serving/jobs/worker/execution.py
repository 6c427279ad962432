"""One job in the process that runs it: the steps of the pipeline, whose reply goes to the store.

A job's call accepts JSON and, of a generator, events: so its items and its error can be told apart.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any, Literal

import msgspec

from aylien_model_serving.codecs import json
from aylien_model_serving.core.messages import Chunks, Reply
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import ServingError
from aylien_model_serving.executors.queue import CallEngine
from aylien_model_serving.jobs import tracing
from aylien_model_serving.jobs.errors import LeaseLost
from aylien_model_serving.jobs.job import ClaimedJob
from aylien_model_serving.jobs.progress import JobProgress
from aylien_model_serving.jobs.worker.lease import JobLeases
from aylien_model_serving.rpc import protocol

logger = logging.getLogger(__name__)

#: Bytes of a generator's items that a job shows as its result, beside its stream.
_LARGEST_RESULT = 16 * 1024 * 1024

_ITEM, _ERROR = b"data: ", b"event: error\ndata: "

#: What a job may answer with: `jobs.runner` asks for no more.
_KEPT = ("application/json", "text/event-stream")

_NO_JSON = "The handler's answer is no JSON, which is what a job keeps"

Reason = Literal["cancelled", "timeout"]


class JobExecution(EngineCall):
    """One attempt of a job, from its claim to its end.

    Args:
        claimed: the job, and its call.
        endpoint: the route's; it answers the call.
        leases: writes the job's state.
        parameter: of the handler, that receives the progress reporter.
        done: called when this process has no more to do with the job.
    """

    __slots__ = (
        "__weakref__",
        "_done",
        "_leases",
        "_parameter",
        "began",
        "job",
        "progress",
        "reason",
        "stopped_at",
    )

    def __init__(
        self,
        claimed: ClaimedJob,
        endpoint: Endpoint,
        leases: JobLeases,
        parameter: str | None,
        done: Callable[[JobExecution], None],
    ) -> None:
        self.job = claimed.job
        self.began = time.monotonic()
        call, _ = protocol.decode_call(protocol.decode_frame(claimed.call))
        super().__init__(call, endpoint, None)
        self.job_id = claimed.job.id
        self.progress = JobProgress(partial(_report, weakref.ref(self)))
        self.reason: Reason | None = None
        self.stopped_at = 0.0
        self._leases = leases
        self._parameter = parameter
        self._done = done

    def start(self, engine: CallEngine) -> None:
        """Decode the call's fields and submit it to the engine."""
        try:
            with tracing.log_lines_of(self.job):
                refusal = self.prepare()
            if refusal is not None:
                self._end(refusal)
                return
            if self._parameter is not None:
                self.arguments[self._parameter] = self.progress
            engine.submit(self)
        except ServingError:  # the engine is closed
            self.discard()
            self.release()

    def report(self, fraction: float, message: str | None) -> bool:
        """Write the handler's progress, and return whether it is to stop."""
        try:
            is_cancelled = self._leases.report(self.job, fraction, message)
        except LeaseLost:
            return True
        if is_cancelled:
            self.stop("cancelled")
        return is_cancelled

    def stop(self, reason: Reason) -> None:
        """Have the handler stop at its next report or item."""
        if self.reason is None:
            self.reason = reason
            self.stopped_at = time.monotonic()
            self.progress.stop()
            self.abandon()

    def is_stale(self, now: float) -> bool:
        """Return False: the end of a job is written, whether it has begun or not."""
        return False

    def release(self) -> None:
        """Put the job back into the queue; the attempt is not counted."""
        self._conclude(lambda: self._leases.release(self.job))

    def end_early(self) -> None:
        """End the job, whatever its handler still does."""
        self._conclude(self._save_end)

    def finish(self, result: Any, error: Exception | None) -> None:
        """End the job with what the handler returned or raised; called on the engine's thread."""
        if error is not None and self.progress.is_stopped and _is_cancellation(error):
            self.discard()
            self.end_early()
        else:
            with tracing.log_lines_of(self.job):
                self._end(self.encode(result, error))

    def _end(self, reply: Reply) -> None:
        if reply.status < 400 and reply.media_type not in _KEPT:
            logger.error("Job %s answers with %s, and a job keeps JSON", self.job.id, reply.media_type)
            if reply.chunks is not None:
                reply.chunks.close()
            reply = Reply(400, json.encode({"error": _NO_JSON}), after=reply.after)
        if reply.chunks is not None:
            reply = self._stream(reply.chunks)
        self._conclude(lambda: self._save_end(reply))
        if reply.after is not None:
            reply.after()

    def _stream(self, chunks: Chunks) -> Reply:
        """Write items as they are made; return the reply that has them all, or the error that ended them."""
        items: list[bytes] = []
        size = 0
        try:
            self._leases.streaming(self.job)
            with closing(chunks):
                for index, chunk in enumerate(chunks):
                    if chunk.startswith(_ERROR):
                        return Reply(500, chunk.removeprefix(_ERROR))
                    item = chunk.removeprefix(_ITEM).rstrip()
                    if self._leases.add_item(self.job, index, item):
                        self.stop("cancelled")
                    self.progress.check()
                    size += len(item)
                    items.append(item if size <= _LARGEST_RESULT else b"")
        except asyncio.CancelledError:
            return Reply(500, b"{}")
        except LeaseLost:
            pass  # `_conclude` fails with it as well
        return Reply(200, b"[" + b",".join(items) + b"]" if size <= _LARGEST_RESULT else b"null")

    def _save_end(self, reply: Reply | None = None) -> None:
        if self.reason == "cancelled":
            self._leases.cancelled(self.job)
        elif self.reason == "timeout":
            self._fail(f"It took longer than {self.job.timeout:g} seconds", again=False)
        elif reply is not None and reply.status < 400:
            self.progress.flush()
            self._leases.finish(self.job, reply)
        elif reply is not None:
            self._fail(_error_of(reply), again=reply.status >= 500)
        else:
            self._leases.release(self.job)

    def _fail(self, error: str, *, again: bool) -> None:
        self._leases.fail(self.job, error, again=again)
        is_last = not again or self.job.attempts > self.job.retries
        outcome = "failed" if is_last else "is tried again"
        logger.warning("Job %s of %s %s: %s", self.job.id, self.job.route, outcome, error)

    def _conclude(self, keep: Callable[[], None]) -> None:
        with tracing.log_lines_of(self.job):
            try:
                keep()
            except LeaseLost:
                logger.warning("Job %s has ended or is another's: this run does not count", self.job.id)
            except Exception:
                logger.exception("The end of job %s can't be written: it will run again", self.job.id)
            finally:
                self._done(self)


def _report(execution: weakref.ref[JobExecution], fraction: float, message: str | None) -> bool:
    """Do what `report` does, without a hold on an execution that holds whoever calls this."""
    alive = execution()
    return alive is None or alive.report(fraction, message)


def _is_cancellation(error: Exception) -> bool:
    """Return whether a handler let `JobCancelled` pass; a coroutine turns it into its base class."""
    return isinstance(error.__cause__, asyncio.CancelledError)


def _error_of(reply: Reply) -> str:
    try:
        return str(msgspec.json.decode(reply.body)["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return f"The handler answered with the status {reply.status}"
