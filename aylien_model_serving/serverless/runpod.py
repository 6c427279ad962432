"""The handler of RunPod's SDK: a job is a request to the app, so it has all that a request has.

A route whose calls are kept as jobs is followed to its end: its progress is the RunPod job's, and who cancels
the one cancels the other. The SDK itself is not imported here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, NamedTuple

from aylien_model_serving.codecs.streaming import EVENT_STREAM
from aylien_model_serving.errors import ServingError
from aylien_model_serving.jobs.states import ENDED
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.serverless.job_requests import JobRequest, JobRequests
from aylien_model_serving.serverless.replies import EventReader, error_of, value_of
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.exchange import Exchange

logger = logging.getLogger(__name__)

#: Sends the progress of a RunPod job: the job, and what is told.
Report = Callable[[dict[str, Any], Any], None]

#: Seconds between two reports: the SDK starts a thread for each.
_REPORT_SECONDS = 0.25

#: Items of a stream that wait for RunPod to take them.
_WAITING_ITEMS = 16

#: Seconds for asking that a job be cancelled.
_CANCEL_SECONDS = 10.0

#: The outputs after which there are no others.
_ENDS = ("result", "error")

#: Members of a result that the SDK takes out of it, for an error and for a worker that is to be replaced.
_SDKS_OWN = ("error", "refresh_worker")


class _Output(NamedTuple):
    """Something that a job has led to.

    Args:
        kind: "item" of a stream, "result", "error", or what the service tells of its job's progress.
        value: the item, the result, the members of the error, or the job.
    """

    kind: str
    value: Any


class RunPodHandler:
    """Answers RunPod's jobs by the app.

    Args:
        app: the service.
        report: sends progress.
    """

    def __init__(self, app: ServingFlask, report: Report) -> None:
        self._app = app
        self._report = report
        routes = [described for described in app.state.routes if not described.is_own]
        self._requests = JobRequests(app.url_map, {each.route.name: each.route.endpoint for each in routes})
        #: Whether a route yields items, by which the SDK takes the output of every job for a list.
        self.streams = any(each.schema is not None and each.schema.streams for each in routes)
        #: Jobs that the worker takes at a time: what its largest route runs at once.
        self.concurrency = max((_capacity(each.route) for each in routes), default=1)

    def modify_concurrency(self, _: int) -> int:
        """Return how many jobs the worker takes at a time, as the SDK asks."""
        return self.concurrency

    def config(self) -> dict[str, Any]:
        """Return what `runpod.serverless.start` takes."""
        return {
            "handler": self.stream if self.streams else self.answer,
            "return_aggregate_stream": True,
            "concurrency_modifier": self.modify_concurrency,
        }

    async def answer(self, job: dict[str, Any]) -> Any:
        """Return the result of a job, all items of a stream, or an object with `error`."""
        items: list[Any] = []
        async with aclosing(self._outputs(job)) as outputs:
            async for output in outputs:
                if output.kind == "item":
                    items.append(output.value)
                elif output.kind == "result":
                    return _safe(output.value)
                elif output.kind == "error":
                    return output.value
        return items

    async def stream(self, job: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """Yield the items of a job, or its only result, and at last its error."""
        async with aclosing(self._outputs(job)) as outputs:
            async for output in outputs:
                if output.kind == "error":
                    yield {"error": output.value["error"]}
                else:
                    yield _safe(output.value)

    async def _outputs(self, job: dict[str, Any]) -> AsyncGenerator[_Output, None]:
        """Yield what becomes of a job, without its progress, which is reported."""
        try:
            request = self._requests.read(str(job.get("id", "")), job.get("input"))
        except ServingError as error:
            yield _Output("error", {"error": str(error), "code": error.code, "status": error.status})
            return
        kept: str | None = None
        try:
            async with aclosing(_Conversation(self._app, request).outputs()) as outputs:
                async for output in outputs:
                    if output.kind != "accepted":
                        yield output if output.kind in _ENDS else output._replace(kind="item")
                        continue
                    kept = output.value["job_id"]
                    async for followed in self._followed(job, request, output.value):
                        yield followed
                    kept = None
        finally:
            if kept is not None:
                await self._cancel(request, kept)

    async def _followed(
        self, job: dict[str, Any], request: JobRequest, shown: Mapping[str, Any]
    ) -> AsyncGenerator[_Output, None]:
        """Yield what becomes of a job of the service's own."""
        follow = request.follows("GET", shown["links"]["stream"])
        has_items, reported_at = False, -_REPORT_SECONDS
        async with aclosing(_Conversation(self._app, follow).outputs()) as outputs:
            async for output in outputs:
                if output.kind == "progress":
                    if time.monotonic() - reported_at >= _REPORT_SECONDS and output.value["progress"] > 0:
                        reported_at = time.monotonic()
                        self._report(job, _progress(output.value))
                elif output.kind in ENDED:
                    if output.kind != "finished":
                        yield _Output("error", _failure(output.value))
                    elif not has_items:
                        yield _Output("result", output.value.get("result"))
                else:
                    has_items = has_items or output.kind == "item"
                    yield output

    async def _cancel(self, request: JobRequest, job_id: str) -> None:
        """Cancel a job of the service's own, whose RunPod job has been stopped."""
        exchange = Exchange(b"")
        cancel = exchange.run(self._app, request.follows("POST", f"/cancel/{job_id}").scope())
        with suppress(asyncio.TimeoutError):
            await asyncio.shield(asyncio.wait_for(cancel, _CANCEL_SECONDS))


class _Conversation:
    """A request to the app, and what its response says, piece by piece.

    Args:
        app: the service.
        request: what is asked.
    """

    def __init__(self, app: ServingFlask, request: JobRequest) -> None:
        self._app = app
        self._request = request
        self._events = EventReader()
        self._waiting: asyncio.Queue[_Output | None] = asyncio.Queue(_WAITING_ITEMS)
        self._body: list[bytes] = []
        self._exchange = Exchange(request.body, self._take)

    async def outputs(self) -> AsyncGenerator[_Output, None]:
        """Yield what the response says; who closes this abandons the request."""
        running = asyncio.ensure_future(self._run())
        try:
            while (output := await self._waiting.get()) is not None:
                yield output
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def _run(self) -> None:
        try:
            await self._exchange.run(self._app, self._request.scope())
            if not self._is_stream():
                await self._waiting.put(self._outcome())
        except Exception:
            logger.exception("%s %s failed", self._request.method, self._request.path[:200])
            await self._waiting.put(_Output("error", {"error": ServingError.message, "status": 500}))
        await self._waiting.put(None)

    async def _take(self, piece: bytes) -> None:
        if not self._is_stream():
            self._body.append(piece)
            return
        for event in self._events.feed(piece):
            await self._waiting.put(_Output(event.name, event.value))

    def _is_stream(self) -> bool:
        return self._exchange.headers.get("content-type", "").startswith(EVENT_STREAM)

    def _outcome(self) -> _Output:
        exchange = self._exchange
        if exchange.status >= 300:
            return _Output("error", error_of(exchange.body, exchange.status))
        value = value_of(b"".join(self._body), exchange.headers.get("content-type", ""))
        is_job = exchange.status == 202 and isinstance(value, dict) and "links" in value
        return _Output("accepted" if is_job else "result", value)


def _capacity(route: Route) -> int:
    """Return how many calls of a route run at once."""
    replicas = 1 if route.runner is None else route.runner.replicas
    replicas = replicas if isinstance(replicas, int) else replicas[-1]
    return replicas * (route.threads if route.batch is None else route.batch.max_size)


def _safe(result: Any) -> Any:
    """Return a result of which the SDK takes nothing for a word to itself."""
    if isinstance(result, dict) and not result.keys().isdisjoint(_SDKS_OWN):
        return {"result": result}
    return result


def _progress(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown[name] for name in ("progress", "message") if name in shown}


def _failure(shown: Mapping[str, Any]) -> dict[str, Any]:
    status = shown["status"]
    return {"error": shown.get("error") or f"The job was {status}", "code": f"job_{status}"}
