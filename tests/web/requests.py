"""Small services, and helpers that send them requests."""

import json
from collections.abc import Callable
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from aylien_model_serving.app_factory import FlaskAppWrapper


def route(target: Any, endpoint: str = "/p", **keys: Any) -> dict[str, Any]:
    return {"endpoint": endpoint, "callable": target, "methods": ["POST"], **keys}


def serve(*routes: dict[str, Any], **config: Any) -> FlaskClient:
    """Return a client of a service with these routes."""
    return FlaskAppWrapper.create_app(list(routes), config).test_client()


def serving(target: Callable[..., Any], **keys: Any) -> FlaskClient:
    """Return a client of a service with one route, POST and GET /p."""
    return serve(route(target, **{"methods": ["POST", "GET"], **keys}))


def post(client: FlaskClient, fields: Any = None, path: str = "/p", **headers: str) -> TestResponse:
    """Send fields as JSON, or bytes unchanged, and return the response."""
    body = fields if isinstance(fields, bytes) else json.dumps(fields or {}).encode()
    return client.post(
        path, data=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def error(response: TestResponse) -> tuple[int, str, str]:
    """Return status, code and message of an error, once its body and headers are what every error has."""
    body = response.get_json()
    assert body.keys() == {"error", "code", "request_id"}
    assert body["request_id"] == response.headers["X-Request-ID"]
    return response.status_code, body["code"], body["error"]
