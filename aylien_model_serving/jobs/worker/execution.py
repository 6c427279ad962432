"""One job in the process that works on it: the pipeline's story, whose end goes to the store.

A job's call asks for JSON and, of a generator, for events: so its items and its error can be told apart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Literal

import msgspec

from aylien_model_serving.core.messages import Chunks, Reply
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.errors import ServingError
from aylien_model_serving.executors.engine import Engine
from aylien_model_serving.jobs.errors import LeaseLost
from aylien_model_serving.jobs.job import Claimed
from aylien_model_serving.jobs.progress import JobProgress
from aylien_model_serving.jobs.worker.lease import Desk
from aylien_model_serving.rpc import protocol

logger = logging.getLogger(__name__)

#: Bytes of a generator's items that a job shows as its result, beside its stream.
_MOST_SHOWN = 16 * 1024 * 1024

_ITEM, _ERROR = b"data: ", b"event: error\ndata: "

Reason = Literal["cancelled", "timeout"]


class Working(EngineCall):
    """A job on its way to its end.

    Args:
        claimed: the job, and its call.
        endpoint: who answers.
        desk: keeps what becomes of it.
        parameter: of the handler, that receives the progress reporter.
        done: is called when the job is off the desk.
    """

    __slots__ = (
        "_desk",
        "_done",
        "_parameter",
        "job",
        "progress",
        "reason",
        "stopped_at",
    )

    def __init__(
        self,
        claimed: Claimed,
        endpoint: Endpoint,
        desk: Desk,
        parameter: str | None,
        done: Callable[[Working], None],
    ) -> None:
        self.job = claimed.job
        call, _ = protocol.decode_call(protocol.decode_frame(claimed.call))
        super().__init__(call, endpoint, None, self.finished)
        self.progress = JobProgress(self._report)
        self.reason: Reason | None = None
        self.stopped_at = 0.0
        self._desk = desk
        self._parameter = parameter
        self._done = done

    def begin(self, engine: Engine) -> None:
        """Read the call's fields and hand them to the engine."""
        try:
            refusal = self.open()
            if refusal is not None:
                self._end(refusal)
                return
            if self._parameter is not None:
                self.arguments[self._parameter] = self.progress
            engine.submit(self)
        except ServingError:  # the engine is closed
            self.drop()
            self.give_back()

    def _report(self, fraction: float, message: str | None) -> bool:
        """Keep what the handler says, and tell whether it is to stop."""
        try:
            is_cancelled = self._desk.report(self.job, fraction, message)
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

    def give_back(self) -> None:
        """Let somebody else do it, as if it had not been begun."""
        self._leave(lambda: self._desk.release(self.job))

    def give_up(self) -> None:
        """End the job, whatever its handler still does."""
        self._leave(self._keep_end)

    def finished(self, result: Any, error: Exception | None) -> None:
        """Tell the rest of the story with what the handler returned or raised, on the engine's thread."""
        if error is not None and self.progress.is_stopped and _is_cancellation(error):
            self.drop()
            self.give_up()
        else:
            self._end(self.end(result, error))

    def _end(self, reply: Reply) -> None:
        if reply.chunks is not None:
            reply = self._stream(reply.chunks)
        self._leave(lambda: self._keep_end(reply))
        if reply.after is not None:
            reply.after()

    def _stream(self, chunks: Chunks) -> Reply:
        """Keep items as they are made; return the reply that has them all, or the error that ended them."""
        items: list[bytes] = []
        size = 0
        try:
            self._desk.streaming(self.job)
            with closing(chunks):
                for index, chunk in enumerate(chunks):
                    if chunk.startswith(_ERROR):
                        return Reply(500, chunk.removeprefix(_ERROR))
                    item = chunk.removeprefix(_ITEM).rstrip()
                    if self._desk.add_item(self.job, index, item):
                        self.stop("cancelled")
                    self.progress.check()
                    size += len(item)
                    items.append(item if size <= _MOST_SHOWN else b"")
        except asyncio.CancelledError:
            return Reply(500, b"{}")
        except LeaseLost:
            pass  # `_leave` meets it again
        return Reply(200, b"[" + b",".join(items) + b"]" if size <= _MOST_SHOWN else b"null")

    def _keep_end(self, reply: Reply | None = None) -> None:
        if self.reason == "cancelled":
            self._desk.cancelled(self.job)
        elif self.reason == "timeout":
            self._desk.fail(self.job, f"It took longer than {self.job.timeout:g} seconds", again=False)
        elif reply is not None and reply.status < 400:
            self.progress.flush()
            self._desk.finish(self.job, reply)
        elif reply is not None:
            self._desk.fail(self.job, _error_of(reply.body), again=reply.status >= 500)
        else:
            self._desk.release(self.job)

    def _leave(self, keep: Callable[[], None]) -> None:
        try:
            keep()
        except LeaseLost:
            logger.warning("Job %s has ended or is another's: this run of it does not count", self.job.id)
        except Exception:
            logger.exception("The end of job %s can't be kept: it will run again", self.job.id)
        finally:
            self._done(self)


def _is_cancellation(error: Exception) -> bool:
    """Tell whether a handler let `JobCancelled` pass; a coroutine turns it into its base class."""
    return isinstance(error.__cause__, asyncio.CancelledError)


def _error_of(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return "The job failed"
