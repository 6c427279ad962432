"""The state of one service, shared by all adapters."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aylien_model_serving import schemas
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.cache import CacheBackend, ReplyCache, SingleFlight
from aylien_model_serving.dispatch.error_responses import ErrorResponses
from aylien_model_serving.dispatch.pipeline import Endpoint
from aylien_model_serving.executors.inline import InlineExecutor
from aylien_model_serving.executors.waiters import Waiters
from aylien_model_serving.handlers import callables, health
from aylien_model_serving.handlers.health import HealthCheck
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs.broker.sender import MessageSender
from aylien_model_serving.jobs.store import Store
from aylien_model_serving.limiting.limiter import LimitStores
from aylien_model_serving.metrics.failures import FailureLog
from aylien_model_serving.metrics.instruments import Instruments
from aylien_model_serving.open_inference.models import ServedModels
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.rpc.hosted import HostedExecutor
from aylien_model_serving.web.adapters.flask import accept_aborts

#: Key of the state in `app.extensions`.
EXTENSION = "model_serving"

#: Seconds that a handler of a web worker has to say whether it is well: `/readyz` waits for it.
_HEALTH_SECONDS = 1.0

#: Endpoints that are cached for `process_json`; a view with a closure per request must not fill the memory.
_MAX_VIEW_ENDPOINTS = 256


class JobStore(NamedTuple):
    """A service's job store.

    Args:
        url: of the store.
        store: the same, opened.
        service: the service's name there.
        is_memory: whether it belongs to this process alone.
        sender: tells workers of Celery of its jobs, if these run them.
    """

    url: str
    store: Store
    service: str
    is_memory: bool
    sender: MessageSender | None = None


@dataclass
class ServiceState:
    """Settings, instruments, cache and endpoints of one service.

    Args:
        settings: limits and switches.
        backend: of the response cache, once one is attached.
        endpoints: of its bare handlers.
        models: the executors of models that handlers call, by name.
        calls: the names of the models that routes and models call, by the name of who calls.
        routes: all of them, for the OpenAPI document.
        jobs: the job store, if a route has jobs.
        content_policies: the Content-Security-Policy of pages that a route answers with, by its name.
        limit_stores: where calls are counted, if a route limits them.
        health: asks the handlers of this process whether they are well.
        inference: the routes that are models of the Open Inference Protocol.
    """

    settings: Settings
    backend: CacheBackend | None = None
    instruments: Instruments = field(default_factory=Instruments)
    endpoints: list[Endpoint] = field(default_factory=list)
    models: dict[str, HostedExecutor] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)
    routes: list[DescribedRoute] = field(default_factory=list)
    jobs: JobStore | None = None
    content_policies: dict[str, str] = field(default_factory=dict)
    limit_stores: LimitStores | None = None
    health: list[HealthCheck] = field(default_factory=list)
    inference: ServedModels = field(default_factory=ServedModels)
    single_flight: SingleFlight = field(default_factory=SingleFlight)
    waiters: Waiters = field(init=False)
    failures: FailureLog = field(init=False)
    error_responses: ErrorResponses = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _view_endpoints: dict[tuple[int, int, bool, str], tuple[Endpoint, Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waiters = Waiters(self.settings.max_waiters)
        self.failures = FailureLog(self.instruments.number)
        self.error_responses = ErrorResponses(
            self.settings.expose_errors, self.instruments.count_exception, record=self.failures.add
        )

    def add_health(self, name: str, handler: Any) -> None:
        """Have the readiness of this process depend on what a handler says of itself, if it says anything."""
        method = health.method_of(handler)
        if method is not None:
            self.health.append(HealthCheck(name, method, _HEALTH_SECONDS))

    def endpoint_of_view(self, handler: Any, schema: Any, *, cached: bool, name: str) -> Endpoint:
        """Return the endpoint of a handler that a view passes to `process_json`, created at its first call.

        Args:
            handler: the callable that gets the fields.
            schema: what validates both ways; without one, names alone are checked.
            cached: whether responses are cached.
            name: the view's name, for metrics and the cache key.
        """
        key = (id(handler), id(schema), cached, name)
        known = self._view_endpoints.get(key)
        if known is None:
            # The objects are kept beside their ids, which are unique only while the objects live.
            made = (self._make_view_endpoint(handler, schema, cached, name), handler, schema)
            with self._lock:
                while len(self._view_endpoints) >= _MAX_VIEW_ENDPOINTS:
                    self._view_endpoints.pop(next(iter(self._view_endpoints)))
                known = self._view_endpoints.setdefault(key, made)
        return known[0]

    def _make_view_endpoint(self, handler: Any, schema: Any, cached: bool, name: str) -> Endpoint:
        signature = Signature.of(handler)
        max_items = self.settings.max_json_items
        checked = (
            schemas.choose(schema, handler, signature, max_items=max_items)
            if schema is not None
            else schemas.open_schema(handler, signature, max_items)
        )
        executor = InlineExecutor(
            accept_aborts(handler, self.error_responses),
            signature,
            None,
            self.instruments.of_handler(name),
        )
        return Endpoint(
            name=name,
            identity=f"{name}|{callables.identity(handler)}|{checked.name}",
            schema=checked,
            executor=executor,
            instruments=self.instruments,
            error_responses=self.error_responses.of_route(name),
            waiters=self.waiters,
            reply_cache=ReplyCache(self.backend, self.single_flight)
            if cached and self.backend is not None
            else None,
        )
