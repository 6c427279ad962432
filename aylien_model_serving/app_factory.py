"""The main interface: `FlaskAppWrapper.create_app` and `FlaskAppWrapper.process_json`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Response, current_app, has_request_context, request
from google.protobuf.json_format import MessageToJson, ParseDict
from google.protobuf.message import Message
from prometheus_flask_exporter import PrometheusMetrics

from aylien_model_serving.errors import InvalidRequest
from aylien_model_serving.handlers import callables
from aylien_model_serving.metrics.instruments import UNMATCHED
from aylien_model_serving.web import build, cache
from aylien_model_serving.web.adapters.flask import answer_request
from aylien_model_serving.web.app import ServingFlask
from aylien_model_serving.web.state import EXTENSION, ServiceState

__all__ = ["FlaskAppWrapper", "InvalidRequest"]


class FlaskAppWrapper:
    """Creates Flask apps from routes, and answers JSON requests in views."""

    #: The app of a `create_app()` without routes.
    app: ServingFlask = build.bare_app()

    #: Decorators for custom metrics, and `do_not_track`; requests are counted without any.
    metrics = PrometheusMetrics(app=None, path=None, export_defaults=False, group_by="endpoint")

    logger = logging.getLogger("aylien_model_serving")

    @staticmethod
    def create_app(
        routes: Iterable[Mapping[str, Any]] | None = None, config: Mapping[str, Any] | None = None
    ) -> ServingFlask:
        """Return a Flask app that answers the routes.

        Args:
            routes: one dict for each route; `routes.Route` describes the keys. Without routes, the one shared
                app is returned, to which views may be added by hand.
            config: Flask's configuration, that of its extensions included.

        Raises:
            ConfigurationError: a route is invalid; the message says which and why.
        """
        if routes is None:
            FlaskAppWrapper.app.config.update(config or {})
            return FlaskAppWrapper.app
        return build.build(routes, config)

    @staticmethod
    def process_json(callable_handler: Callable[..., Any], schema: Any = None) -> Any:
        """Answer the current request: its JSON fields become the handler's keyword arguments.

        Where there is no request it returns a view that does, and so is a decorator of the handler.

        Args:
            callable_handler: takes the fields as the client sent them, and returns what JSON can express.
            schema: a module or object with protobuf messages `Request` and `Response`, or a pair of them;
                validates both ways.
        """
        if not has_request_context():
            return view_of(FlaskAppWrapper.process_json, callable_handler, schema)
        return answer_view(callable_handler, schema, cached=False)

    @staticmethod
    def parse_to_protobuf_msg(
        req_data: Mapping[str, Any], proto_msg: Message, ignore_unknowns: bool = False
    ) -> Message:
        """Fill a protobuf message from the fields of a JSON object, and return it.

        Raises:
            google.protobuf.json_format.ParseError: a field does not fit.
        """
        return ParseDict(dict(req_data), proto_msg, ignore_unknown_fields=ignore_unknowns)

    @staticmethod
    def parse_proto_msg_to_json(
        response: Message, preserve_field_name: bool = True, include_defaults: bool = True
    ) -> str:
        """Return a protobuf message as a JSON text.

        Args:
            response: the message.
            preserve_field_name: whether names stay as in the .proto file instead of lowerCamelCase.
            include_defaults: whether fields that are not set are shown with their defaults.
        """
        return MessageToJson(
            response,
            preserving_proto_field_name=preserve_field_name,
            always_print_fields_with_no_presence=include_defaults,
        )

    @staticmethod
    def ping() -> tuple[str, int]:
        """Answer a load balancer's health check."""
        return "Success", 200


def view_of(process_json: Callable[..., Any], handler: Callable[..., Any], schema: Any) -> Callable[[], Any]:
    """Return the view that answers by a wrapper's `process_json`."""

    def view() -> Any:
        return process_json(handler, schema)

    callables.lend_name(handler, view)  # type: ignore[arg-type]  # a function
    return view


def answer_view(handler: Callable[..., Any], schema: Any, *, cached: bool) -> Response:
    """Answer the current request of a view; also in a Flask app that was created without this library."""
    state: ServiceState = current_app.extensions.get(EXTENSION) or FlaskAppWrapper.app.state
    if cached and state.backend is None:
        state.backend = cache.attach(current_app._get_current_object())  # type: ignore[attr-defined]  # a proxy
    endpoint = state.endpoint_of_view(handler, schema, cached=cached, name=request.endpoint or UNMATCHED)
    return answer_request(endpoint, {})
