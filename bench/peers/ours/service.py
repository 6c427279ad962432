"""The cases on this library, as its README writes them."""

from typing import Any

import floats_pb2
import numpy as np
from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from examples import example_schema_pb2


def echo(text: str) -> dict[str, str]:
    """Answer what came."""
    return {"text": text}


def validated(
    id: str = "",  # noqa: A002 - the field's name in the schema
    title: str = "",
    body: str = "",
    enrichments: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Answer a constant verdict."""
    return {"version": "0.0.1", "language": "en", "confidence": 0.71, "error": "Not an error"}


def floats(values: np.ndarray) -> dict[str, Any]:
    """Double every value."""
    return {"values": values * 2}


def binary(values: Any) -> dict[str, Any]:
    """Double every value of a protobuf message."""
    return {"values": np.asarray(values) * 2}


def upload(image: bytes) -> dict[str, int]:
    """Tell the size of a file."""
    return {"size": len(image)}


def run_app() -> Flask:
    """The app with a route per case."""
    routes: list[dict[str, Any]] = [
        {"endpoint": "/echo", "callable": echo},
        {"endpoint": "/cached", "callable": echo, "name": "cached", "cache": True},
        {"endpoint": "/validated", "callable": validated, "schema": example_schema_pb2},
        {"endpoint": "/floats", "callable": floats},
        {"endpoint": "/binary", "callable": binary, "schema": floats_pb2},
        {"endpoint": "/upload", "callable": upload},
    ]
    return FlaskAppWrapper.create_app([{**route, "methods": ["POST"]} for route in routes])
