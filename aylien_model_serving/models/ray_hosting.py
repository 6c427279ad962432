"""What a spec says of a handler on Ray beside its options: its application, and which methods stream."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from aylien_model_serving.core.settings import Settings
from aylien_model_serving.handlers import callables
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.cluster import applications
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.rpc import portable_spec
from aylien_model_serving.schemas.handler_hints import is_stream


def fields(route: Route, target: str, service_name: str | None) -> dict[str, Any]:
    """Return these fields of a route's or a model's spec; none where it is not hosted on Ray.

    Args:
        route: the route.
        target: the name by which its callable is imported.
        service_name: the service's name; None for that of the settings.

    Raises:
        ConfigurationError: the service has no name, or its code no version.
    """
    if route.runner is None or route.runner.ray is None:
        return {}
    streams = tuple(_streams(route, route.runner.init))
    if lifecycle.is_replica:  # which asks for the model by name: a web worker has said where it is
        return {"streams": streams}
    settings = Settings.load_public("service_name", "version")
    version = portable_spec.version_of(settings.version, target)
    name = applications.name_of(service_name or settings.service_name, route.name, version)
    return {"application": name, "streams": streams}


def _streams(route: Route, init: Any) -> Iterator[str]:
    """Yield the methods that return streams; "" is the handler itself."""
    handler = callables.build_placeholder(route.target, init, route.binding)
    if is_stream(handler):
        yield ""
    if route.endpoint or not inspect.isclass(route.callable):
        return
    for name in dir(route.callable):
        method = getattr(route.callable, name)
        if not name.startswith("_") and callable(method) and is_stream(method):
            yield name
