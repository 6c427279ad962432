"""Creates the limiters of routes, and has Flask's views ask them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial, wraps
from logging import getLogger
from typing import Any

from flask import Response, after_this_request, current_app, request

from aylien_model_serving.core.messages import REQUEST_ID_HEADER
from aylien_model_serving.core.settings import PREFIX, Settings
from aylien_model_serving.errors import ConfigurationError, TooManyRequests
from aylien_model_serving.limiting import machine, rates
from aylien_model_serving.limiting.addresses import ClientAddresses
from aylien_model_serving.limiting.limiter import Admission, Limiter, LimitStores
from aylien_model_serving.limiting.rates import LimitOptions
from aylien_model_serving.limiting.redis_counts import RedisCounts
from aylien_model_serving.limiting.windows import Counts
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.web.adapters.flask import error_response, request_info
from aylien_model_serving.web.adapters.request_info import EnvironHeaders
from aylien_model_serving.web.state import ServiceState

logger = getLogger(__name__)


def set_by_operator(settings: Settings, routes: Iterable[Route]) -> list[Route]:
    """Return the routes with the rates that the operator sets.

    A rate for a route by name goes before the route's own, and one without a name is for all that have none.

    Raises:
        ConfigurationError: a rate can't be read, or is for no route.
    """
    listed = list(routes)
    try:
        found = rates.parse_setting(settings.limit, [route.name for route in listed])
    except ConfigurationError as error:
        raise ConfigurationError(f"{PREFIX}LIMIT: {error}") from None
    return [_with_rate(route, found.get(route.name), found.get("", ())) for route in listed]


def _with_rate(route: Route, own: tuple[rates.Rate, ...] | None, default: tuple[rates.Rate, ...]) -> Route:
    limit = route.limit or LimitOptions()
    rate = (limit.rate or default) if own is None else own
    is_limited = bool(rate) or limit.concurrent is not None
    return replace(route, limit=replace(limit, rate=rate) if is_limited else None)


def create(state: ServiceState, route: Route) -> Limiter | None:
    """Return what limits the calls of a route, or None where nothing does.

    Raises:
        ConfigurationError: the setting of trusted proxies can't be read.
    """
    if route.limit is None:
        return None
    service = state.settings.service_name or str(getattr(route.callable, "__module__", ""))
    return Limiter(
        "|".join((service, state.instruments.number, route.name, route.endpoint)),
        route.limit,
        _stores(state),
        partial(state.instruments.count_limited, route.name),
    )


def _stores(state: ServiceState) -> LimitStores:
    """Return where a service counts, the same for all of its routes."""
    if state.limit_stores is None:
        counts, running = machine.stores()
        addresses = ClientAddresses(state.settings.trusted_proxies)
        state.limit_stores = LimitStores(_shared(state, counts), running, addresses)
    return state.limit_stores


def _shared(state: ServiceState, counts: Counts) -> Counts:
    """Return counts in the Redis of the cache, if it has one, else those of the machine."""
    client = getattr(state.backend, "_write_client", None)
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        if client is not None:
            logger.warning("A cluster of Redis counts no calls: each machine counts by itself")
        return counts
    prefix = getattr(state.backend, "key_prefix", "")
    return RedisCounts(pool, prefix if isinstance(prefix, str) else "", counts)


def limited(view: Callable[..., Any], limiter: Limiter | None, state: ServiceState) -> Callable[..., Any]:
    """Return a view of Flask's that asks a limiter before it is called; the view itself without one."""
    if limiter is None:
        return view

    @wraps(view)
    def ask_and_call(**path_values: Any) -> Any:
        environ = request.environ
        try:
            admission = limiter.admit(
                request_info().caller.name, environ.get("REMOTE_ADDR") or "", EnvironHeaders(environ)
            )
        except TooManyRequests as error:
            return error_response(state.error_responses, error)
        after_this_request(partial(_finish, admission))
        return current_app.ensure_sync(view)(**path_values)

    return ask_and_call


def _finish(admission: Admission, response: Response) -> Response:
    """Add the headers of a call to its response; a stream counts as running until it is closed."""
    request_id = response.headers.pop(REQUEST_ID_HEADER, None)
    response.headers.extend(admission.headers)
    if request_id is not None:  # behind them, as on the fast paths
        response.headers[REQUEST_ID_HEADER] = request_id
    if response.is_streamed:
        response.call_on_close(admission.end)
    else:
        admission.end()
    return response
