# Generated from client/_async/client.py by scripts/unasync.py: change that file, and run the script.
"""The client that blocks: routes of a service as methods."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx

from aylien_model_serving.client import display, transport
from aylien_model_serving.client._sync.backend import SyncBackend
from aylien_model_serving.client._sync.bases import ClientBase
from aylien_model_serving.client._sync.driver import Driver
from aylien_model_serving.client._sync.handles import Job, Stream
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


class Client(ClientBase):
    """Calls a service; its routes are methods, as it describes them itself in /openapi.json.

    Threads may share a client. A process that was forked opens connections of its own, unless an
    `http_transport` is given. No redirect is followed.

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
        http_transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = transport.address_of(url)
        self._core = ClientCore(Options(timeout, retries))
        settings = transport.client_settings(api_key, headers or {})
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=idle_connections,
            keepalive_expiry=idle_seconds,
        )
        backend = SyncBackend(self.url, settings, limits, verify, http_transport, connect_timeout)
        self._driver = Driver(backend)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        operation = self._known_operation(name)

        def route(*body: Any, **fields: Any) -> Any:
            return self.call(name, *body, **fields)

        return as_method(route, operation, job=Job, stream=Stream)

    @property
    def routes(self) -> dict[str, inspect.Signature]:
        """The names of the service's routes, and what each takes and returns.

        Raises:
            ClientError: the service's description can't be read.
        """
        document = self._document()
        return {name: signature_of(document.find(name), Job, Stream) for name in document.names()}

    def call(self, name: str, /, *body: Any, **fields: Any) -> Any:
        """Call a route by its name or its path.

        Args:
            name: "classify", "/v1/{lang}/classify", or "GET /v1/{lang}/classify".
            body: a single value that the whole body is, a file being sent as it is; the fields are then those
                of the path.
            fields: what the route takes, values of the path included.

        Returns:
            The value that the service answers with; a `ReceivedFile`, a `Job` or a `Stream` where
            it is one.

        Raises:
            ServingError: the service refused or failed; of the class that it is there.
            ClientError: no answer came.
        """
        found = self._driver.run(self._core.call(name, fields, body))
        if isinstance(found, JobState):
            return Job(self._core, self._driver, found)
        if isinstance(found, ApiResponse):
            items = stream_items(found, self._core.options.timeout)
            return Stream(self._driver.iterate(items), found.reader)
        return found

    def protobuf(self, name: str, message: Any, kind: Any) -> Any:
        """Call a route with a protobuf message.

        Args:
            name: of the route.
            message: what is sent.
            kind: the class of the message that comes back.
        """
        return self._driver.run(self._core.protobuf(name, message, kind))

    def job(self, job_id: str) -> Job:
        """Return a job of which the id is known.

        Raises:
            NotFound: there is none, or none any more.
        """
        return Job(self._core, self._driver, self._driver.run(self._core.job_state(job_id)))

    def jobs(self, status: str | None = None, limit: int = 50) -> list[Job]:
        """Return the service's jobs, the last one first.

        Args:
            status: of those in this state alone.
            limit: how many at most.
        """
        states = self._driver.run(self._core.jobs(status, limit))
        return [Job(self._core, self._driver, state) for state in states]

    def reload_runner(self, name: str) -> RunnerReload:
        """Have a runner load its weights again: its replicas are replaced, one after the other.

        Args:
            name: of the route or the model.

        Returns:
            How it ended: a replica whose successor can't be loaded goes on, and `error` says why.

        Raises:
            ServingError: the key is no admin's, there is no such runner, or it is being loaded again.
            TimedOut: it was not over within the client's `timeout`, and goes on.
        """
        found: RunnerReload = self._driver.run(self._core.reload_runner(name))
        return found

    def with_options(self, **changes: Any) -> Self:
        """Return a client of the same service and connections with another `timeout` or other `retries`."""
        other = copy.copy(self)
        other._core = replace(self._core, options=replace(self._core.options, **changes))
        return other

    def refresh(self) -> None:
        """Read the service's description again, as after it has got other routes."""
        self._driver.run(self._core.refresh())

    def close(self) -> None:
        """Close the connections of this process; a later call opens them again."""
        self._driver.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        try:
            return display.client_text(repr(self), self.routes)
        except (ClientError, ServingError) as error:
            return f"{self!r}: {error}"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return what IPython shows: the routes."""
        return {"text/plain": str(self)}

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"
