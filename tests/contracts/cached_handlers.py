"""Services whose handlers read more than their fields, for the tests of what a cache shares."""

from typing import Any

import flask

from aylien_model_serving import current_caller
from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from aylien_model_serving.web.app import ServingFlask


def plain(text: str) -> dict[str, Any]:
    return {"text": text}


def of_caller(text: str) -> dict[str, Any]:
    return {"caller": current_caller()}


def of_header(text: str) -> dict[str, Any]:
    return {"user": flask.request.headers.get("X-User")}


def of_environ(text: str) -> dict[str, Any]:
    return {"user": flask.request.environ.get("HTTP_X_USER")}


def of_cookie(text: str) -> dict[str, Any]:
    return {"user": flask.request.cookies.get("user")}


def of_all_headers(text: str) -> dict[str, Any]:
    return {"user": dict(flask.request.headers).get("X-User")}


def of_url(text: str) -> dict[str, Any]:
    return {"path": flask.request.path}


def of_hook(text: str) -> dict[str, Any]:
    return {"user": flask.g.user}


def with_headers(text: str) -> flask.Response:
    response = flask.jsonify(text=text)
    name, _, value = text.partition(": ")
    response.headers[name] = value
    return response


def batch(text: list[str]) -> list[dict[str, str]]:
    return [{"caller": current_caller()} for _ in text]


def reading(text: str) -> dict[str, Any]:
    """Read what the field names, one after the other, as far as there is something."""
    found = {}
    for name in text.split():
        found[name] = current_caller() if name == "caller" else flask.request.headers.get(name)
        if found[name] is None:
            break
    return found


def sometimes(text: str) -> dict[str, Any]:
    return of_header(text) if text == "personal" else plain(text)


def view() -> Any:
    user = flask.request.headers.get("X-User")
    return CachedFlaskAppWrapper.process_json(lambda text: {"user": user})


def view_of_fields() -> Any:
    return CachedFlaskAppWrapper.process_json(plain)


HANDLERS = {
    "plain": plain,
    "caller": of_caller,
    "header": of_header,
    "environ": of_environ,
    "cookie": of_cookie,
    "all-headers": of_all_headers,
    "url": of_url,
    "headers": with_headers,
    "sometimes": sometimes,
    "reading": reading,
}


def routes() -> list[dict[str, Any]]:
    cached = [
        {"endpoint": f"/{name}", "callable": handler, "cache": True} for name, handler in HANDLERS.items()
    ]
    return [
        *cached,
        {"endpoint": "/batch", "callable": batch, "cache": True, "batch": True},
        {"endpoint": "/view", "callable": view, "methods": ["POST"]},
        {"endpoint": "/view-of-fields", "callable": view_of_fields, "methods": ["POST"]},
    ]


def build() -> ServingFlask:
    app = CachedFlaskAppWrapper.create_app(routes())
    assert isinstance(app, ServingFlask)
    return app


def build_with_hook() -> ServingFlask:
    app = FlaskAppWrapper.create_app(
        [
            {"endpoint": "/hook", "callable": of_hook, "cache": True},
            {"endpoint": "/plain", "callable": plain, "cache": True},
        ]
    )
    assert isinstance(app, ServingFlask)

    @app.before_request
    def find_user() -> None:
        flask.g.user = flask.request.headers.get("X-User") if flask.request.path == "/hook" else None

    return app
