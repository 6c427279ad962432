"""The client for asyncio: routes of a service as methods that are awaited."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

from aylien_model_serving.client import display, transport
from aylien_model_serving.client._async.backend import AsyncBackend
from aylien_model_serving.client._async.bases import AsyncClientBase
from aylien_model_serving.client._async.driver import AsyncDriver
from aylien_model_serving.client._async.handles import AsyncJob, AsyncStream
from aylien_model_serving.client.effects import ApiResponse
from aylien_model_serving.client.errors import ClientError
from aylien_model_serving.client.jobs import JobState
from aylien_model_serving.client.methods import as_method, signature_of
from aylien_model_serving.client.operations import ClientCore
from aylien_model_serving.client.options import Options
from aylien_model_serving.client.reloads import RunnerReload
from aylien_model_serving.client.streams import stream_items
from aylien_model_serving.errors import ServingError

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncClient(AsyncClientBase):
    """Calls a service from an event loop; see `Client`, which takes and does the same.

    A client belongs to one loop. Once the service's description has been read, as `async with` begins or by
    `await client.refresh()`, its routes have signatures and docstrings, and a wrong name is an error at once.

    Args:
        url: where the service is, with the path that it is behind.
        api_key: sent as a header, and never shown.
        timeout: seconds that a call may take, further tries included; of a stream, those without a word.
        connect_timeout: seconds that one try to connect may take.
        retries: further tries at most, where they do no harm.
        headers: further headers of every request.
        max_connections: open at once; a call that needs one more waits for it.
        idle_connections: kept open for the next call.
        idle_seconds: for which they are kept.
        verify: whether TLS certificates are checked, or the ssl.SSLContext that does.
        http_transport: carries the requests in place of httpx's own, as for a service within this process.

    Raises:
        ValueError: the address or a number is not valid.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        connect_timeout: float = 5.0,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        max_connections: int = 100,
        idle_connections: int = 20,
        idle_seconds: float = 5.0,
        verify: Any = True,
        http_transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = transport.address_of(url)
        self._core = ClientCore(Options(timeout, retries))
        settings = transport.client_settings(api_key, headers or {})
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=idle_connections,
            keepalive_expiry=idle_seconds,
        )
        backend = AsyncBackend(self.url, settings, limits, verify, http_transport, connect_timeout)
        self._driver = AsyncDriver(backend)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        operation = self._known_operation(name)

        async def route(*body: Any, **fields: Any) -> Any:
            return await self.call(name, *body, **fields)

        return as_method(route, operation, job=AsyncJob, stream=AsyncStream)

    @property
    def routes(self) -> dict[str, inspect.Signature]:
        """The names of the service's routes, and what each takes and returns.

        Raises:
            ClientError: the service's description has not been read.
        """
        document = self._document()
        return {name: signature_of(document.find(name), AsyncJob, AsyncStream) for name in document.names()}

    async def call(self, name: str, /, *body: Any, **fields: Any) -> Any:
        """Call a route by its name or its path.

        Args:
            name: "classify", "/v1/{lang}/classify", or "GET /v1/{lang}/classify".
            body: a single value that the whole body is, a file being sent as it is; the fields are then those
                of the path.
            fields: what the route takes, values of the path included.

        Returns:
            The value that the service answers with; a `ReceivedFile`, an `AsyncJob` or an `AsyncStream` where
            it is one.

        Raises:
            ServingError: the service refused or failed; of the class that it is there.
            ClientError: no answer came.
        """
        found = await self._driver.run(self._core.call(name, fields, body))
        if isinstance(found, JobState):
            return AsyncJob(self._core, self._driver, found)
        if isinstance(found, ApiResponse):
            items = stream_items(found, self._core.options.timeout)
            return AsyncStream(self._driver.iterate(items), found.reader)
        return found

    async def protobuf(self, name: str, message: Any, kind: Any) -> Any:
        """Call a route with a protobuf message.

        Args:
            name: of the route.
            message: what is sent.
            kind: the class of the message that comes back.
        """
        return await self._driver.run(self._core.protobuf(name, message, kind))

    async def job(self, job_id: str) -> AsyncJob:
        """Return a job of which the id is known.

        Raises:
            NotFound: there is none, or none any more.
        """
        return AsyncJob(self._core, self._driver, await self._driver.run(self._core.job_state(job_id)))

    async def jobs(self, status: str | None = None, limit: int = 50) -> list[AsyncJob]:
        """Return the service's jobs, the last one first.

        Args:
            status: of those in this state alone.
            limit: how many at most.
        """
        states = await self._driver.run(self._core.jobs(status, limit))
        return [AsyncJob(self._core, self._driver, state) for state in states]

    async def reload_runner(self, name: str) -> RunnerReload:
        """Have a runner load its weights again: its replicas are replaced, one after the other.

        Args:
            name: of the route or the model.

        Returns:
            How it ended: a replica whose successor can't be loaded goes on, and `error` says why.

        Raises:
            ServingError: the key is no admin's, there is no such runner, or it is being loaded again.
            TimedOut: it was not over within the client's `timeout`, and goes on.
        """
        found: RunnerReload = await self._driver.run(self._core.reload_runner(name))
        return found

    def with_options(self, **changes: Any) -> Self:
        """Return a client of the same service and connections with another `timeout` or other `retries`."""
        other = copy.copy(self)
        other._core = replace(self._core, options=replace(self._core.options, **changes))
        return other

    async def refresh(self) -> None:
        """Read the service's description again, as after it has got other routes."""
        await self._driver.run(self._core.refresh())

    async def aclose(self) -> None:
        """Close the connections, after which there is no further call."""
        await self._driver.aclose()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __str__(self) -> str:
        try:
            return display.client_text(repr(self), self.routes)
        except (ClientError, ServingError) as error:
            return f"{self!r}: {error}"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return what IPython shows: the routes."""
        return {"text/plain": str(self)}

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.url}>"
