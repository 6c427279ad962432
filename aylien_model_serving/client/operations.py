"""What a client does, as generators of effects, which a driver performs: blocking, or for asyncio.

Pure: a call from its fields to its value, with no socket in it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aylien_model_serving.client import jobs, reloads, responses
from aylien_model_serving.client.effects import ApiRequest, ApiResponse, Effects
from aylien_model_serving.client.errors import NotUnderstood
from aylien_model_serving.client.jobs import JobState
from aylien_model_serving.client.openapi import PATH, Document, Operation
from aylien_model_serving.client.options import ClockAndRandom, Options
from aylien_model_serving.client.requests import request_of
from aylien_model_serving.client.retry import send

#: The media type of protobuf messages.
_PROTOBUF = "application/x-protobuf"


@dataclass
class DocumentCache:
    """What clients of one service share: its description, once it has been read."""

    document: Document | None = None


@dataclass(frozen=True)
class ClientCore:
    """The operations of one service.

    Args:
        options: how calls are made.
        clock: the clock and the random source.
        document_cache: keeps the service's description.
    """

    options: Options
    clock: ClockAndRandom = field(default_factory=ClockAndRandom)
    document_cache: DocumentCache = field(default_factory=DocumentCache)

    def refresh(self) -> Effects:
        """Read the service's description, and return it."""
        response = yield from send(ApiRequest("GET", PATH, idempotent=True), self.options, self.clock)
        responses.raise_for_status(response)
        self.document_cache.document = Document(response.body)
        return self.document_cache.document

    def document(self) -> Effects:
        """Return the service's description, which is read once."""
        return self.document_cache.document or (yield from self.refresh())

    def call(self, name: str, fields: Mapping[str, Any], body: tuple[Any, ...] = ()) -> Effects:
        """Call a route; return its value, the `JobState` of a job, or the `ApiResponse` of a stream."""
        document: Document = yield from self.document()
        return (yield from self._send(request_of(document.find(name), fields, uuid.uuid4().hex, body)))

    def _send(self, request: ApiRequest) -> Effects:
        response: ApiResponse = yield from send(request, self.options, self.clock)
        if response.reader is not None:
            return response
        value = responses.parse_response(response)
        return jobs.parse_state(value) if jobs.is_job(response, value) else value

    def protobuf(self, name: str, message: Any, kind: Any) -> Effects:
        """Call a route with a protobuf message, and return its response as another.

        Raises:
            TypeError: the route's path has values, which a message does not hold.
            NotUnderstood: the response is no such message.
        """
        document: Document = yield from self.document()
        operation: Operation = document.find(name)
        if operation.path_names:
            raise TypeError(f"{operation.path} has values, which a protobuf message can't give: send fields")
        headers = {"Accept": _PROTOBUF, "Content-Type": _PROTOBUF}
        request = ApiRequest(operation.method, operation.path, (), headers, message.SerializeToString())
        response = yield from send(request, self.options, self.clock)
        responses.raise_for_status(response)
        if response.media_type != _PROTOBUF:
            media_type = response.media_type or "of no media type"
            raise NotUnderstood(
                f"The answer to a protobuf message is {media_type}, with status {response.status}"
            )
        try:
            return kind.FromString(response.body)
        except Exception as error:  # protobuf's own, which only callers of this method have to have installed
            raise NotUnderstood(f"The answer is no protobuf message of this type: {error}") from error

    def jobs(self, status: str | None, limit: int) -> Effects:
        """Return the states of the service's jobs, the last one first; none where it has no jobs."""
        document: Document = yield from self.document()
        if not any(operation.is_own for operation in document.operations):
            return []
        return (yield from jobs.list_jobs(status, limit, self.options, self.clock))

    def job_state(self, job_id: str) -> Effects:
        """Return a job's state."""
        return (yield from jobs.job_state(job_id, self.options, self.clock))

    def cancel(self, job_id: str) -> Effects:
        """Have a job stopped, and return its state."""
        return (yield from jobs.cancel(job_id, self.options, self.clock))

    def reload_runner(self, name: str) -> Effects:
        """Have a runner's weights loaded again, and return its `RunnerReload` once that is over."""
        return (yield from reloads.run(name, self.options, self.clock))

    def wait_for_end(self, job_id: str, seconds: float, *, show_progress: bool) -> Effects:
        """Return a job's last state."""
        return (
            yield from jobs.wait_for_end(
                job_id, seconds, self.options, self.clock, show_progress=show_progress
            )
        )

    def iterate_items(self, job_id: str) -> Effects:
        """Yield the items of a job as it makes them.

        Raises:
            JobEnded: it has failed, or was cancelled.
        """
        state: JobState = yield from jobs.iterate_items(job_id, self.options, self.clock)
        jobs.result_of(state)
