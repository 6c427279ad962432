"""What is known of a route before its handler is built: the signature, and the schema of input and output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aylien_model_serving import schemas
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.executors import grouping
from aylien_model_serving.handlers import callables
from aylien_model_serving.handlers.signatures import Signature
from aylien_model_serving.jobs import progress
from aylien_model_serving.openapi.responses import DescribedRoute
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.schemas.handler_hints import is_stream
from aylien_model_serving.web import executor_factory


def inspect(route: Route) -> DescribedRoute:
    """Return the description of a route whose handler is neither built nor called.

    Raises:
        ConfigurationError: it can't be served.
    """
    if route.view:
        return DescribedRoute(route, None)
    try:
        given = route.runner.init if route.runner is not None else {}
        if route.runner is not None:
            executor_factory.import_names(route)
        return DescribedRoute(
            route,
            signature_and_schema(route, callables.build_placeholder(route.target, given, route.binding))[1],
        )
    except ConfigurationError as error:
        raise ConfigurationError(f"route {route.endpoint!r}: {error}") from error


def signature_and_schema(
    route: Route, handler: Callable[..., Any], max_items: int = Settings.max_json_items
) -> tuple[Signature, schemas.Schema]:
    """Return a handler's signature, and the schema that validates its input and output.

    Args:
        route: the handler's.
        handler: the handler, or what has its signature.
        max_items: arrays, objects and texts that a body may have.

    Raises:
        ConfigurationError: they don't fit each other, or the route.
    """
    signature = Signature.of(handler)
    if route.job is not None:
        signature = signature.without(progress.parameter_of(handler))
    _refuse_stray_path_values(route, signature)
    if route.batch is not None and route.batch.split is not None and is_stream(handler):
        raise ConfigurationError(
            "key 'batch': a callable that yields a list for each step takes no 'split', which puts together "
            "results that are there all at once: leave it out, or return a list"
        )
    try:
        if route.batch is not None:
            grouping.check(route.batch, signature)
        schema = schemas.choose(
            route.schema,
            handler,
            signature,
            route.path_names,
            batched=route.batch is not None,
            split=None if route.batch is None else route.batch.split,
            max_items=max_items,
        )
        if schema.takes_stream:
            _refuse_beside_stream(route)
    except ConfigurationError as error:
        key = "schema" if route.schema is not None or route.batch is None else "batch"
        raise ConfigurationError(f"key '{key}': {error}") from error
    return signature, schema


def _refuse_beside_stream(route: Route) -> None:
    """Refuse what a handler that takes its messages one by one can't have.

    Raises:
        ConfigurationError: it would run in another process, or its reply would be kept.
    """
    if route.runner is not None or route.cache:
        key = "cache" if route.cache else "runner"
        raise ConfigurationError(
            f"the callable takes a stream of messages, and {key!r} has no effect on it: leave it out; "
            "a Model that it calls has replicas of its own"
        )


def _refuse_stray_path_values(route: Route, signature: Signature) -> None:
    stray = () if signature.open else route.path_names - set(signature.known)
    if stray:
        raise ConfigurationError(
            f"key 'endpoint': the path has <{min(stray)}>, and the callable takes no such field; "
            f"it takes {', '.join(signature.known) or 'none'}"
        )
