"""The cases on version 2 of this library, as in its README; sync workers, Gunicorn's default."""

from typing import Any

import numpy as np
from flask import Flask, Response

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from examples import example_schema_pb2


def _echo(text: str) -> "dict[str, Any]":
    return {"text": text}


def _validated(**article: object) -> "dict[str, Any]":
    return {"version": "0.0.1", "language": "en", "confidence": 0.71, "error": "Not an error"}


def _floats(values: "list[float]") -> "dict[str, Any]":
    return {"values": (np.asarray(values) * 2).tolist()}


def echo() -> Response:
    """Return the request."""
    return FlaskAppWrapper.process_json(_echo)


def validated() -> Response:
    """Return a constant verdict."""
    return FlaskAppWrapper.process_json(_validated, schema=example_schema_pb2)


def floats() -> Response:
    """Double every value."""
    return FlaskAppWrapper.process_json(_floats)


def cached() -> Response:
    """Return the request, from the cache if it is a repeated one."""
    return CachedFlaskAppWrapper.process_json(_echo)


def run_app() -> Flask:
    """Return the app with a route per case."""
    views = {"/echo": echo, "/validated": validated, "/floats": floats, "/cached": cached}
    return CachedFlaskAppWrapper.create_app(
        [{"endpoint": path, "callable": view, "methods": ["POST"]} for path, view in views.items()]
    )
