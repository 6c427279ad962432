"""What users do to a Flask app besides naming routes, each on a small service of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import flask
from flask import Blueprint, Response, request, session
from flask.sessions import SecureCookieSessionInterface

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.errors import InvalidRequest, ServingError
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import HOST, Build

SetUp = Callable[[ServingFlask], object]


def echo(text: str) -> dict[str, Any]:
    return {"text": text}


def fail(text: str) -> None:
    raise ValueError(text)


def refuse(text: str) -> None:
    raise InvalidRequest(text)


def view() -> str:
    return "seen"


def failing_view() -> str:
    raise ValueError("the view's")


def find(rest: str, q: str = "") -> dict[str, Any]:
    return {"rest": rest, "q": q}


def small_service(set_up: SetUp) -> Build:
    """Return what builds a service of a few routes, and then does to it what a user might."""

    def build() -> ServingFlask:
        app = FlaskAppWrapper.create_app(
            [
                {"endpoint": "/echo", "callable": echo, "methods": ["POST"]},
                {"endpoint": "/fail", "callable": fail, "methods": ["POST"]},
                {"endpoint": "/refuse", "callable": refuse, "methods": ["POST"]},
                {"endpoint": "/view", "callable": view, "methods": ["GET"]},
                {"endpoint": "/failing-view", "callable": failing_view, "methods": ["GET"]},
                {"endpoint": "/found/<rest>", "callable": find, "methods": ["GET"]},
            ]
        )
        app.config["SEEN"] = []
        set_up(app)
        return app

    return build


def note(app: flask.Flask, what: str) -> None:
    app.config["SEEN"].append((what, request.method, request.path, request.endpoint))


def answer_before(app: ServingFlask) -> None:
    @app.before_request
    def answer() -> Any:
        return Response("before", 203) if request.headers.get("X-Stop") else None


def fail_before(app: ServingFlask) -> None:
    @app.before_request
    def before() -> Any:
        raise ValueError("before")


def mark_after(app: ServingFlask) -> None:
    @app.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Marked"] = str(request.endpoint)
        return response


def fail_after(app: ServingFlask) -> None:
    @app.after_request
    def after(response: Response) -> Response:
        raise ValueError("after")


def tear_down(app: ServingFlask) -> None:
    app.teardown_request(lambda error: note(app, f"torn down after {error!r}"))


def tear_down_app(app: ServingFlask) -> None:
    app.teardown_appcontext(lambda error: app.config["SEEN"].append(repr(error)))


def blueprint_hooks(app: ServingFlask) -> None:
    blueprint = Blueprint("more", __name__)
    blueprint.before_app_request(lambda: note(app, "before"))
    blueprint.after_app_request(lambda response: note(app, "after") or response)
    blueprint.teardown_app_request(lambda error: note(app, "teardown"))
    app.register_blueprint(blueprint)


def blueprint_of_its_own(app: ServingFlask) -> None:
    blueprint = Blueprint("more", __name__, url_prefix="/more")
    blueprint.before_request(lambda: note(app, "before"))
    blueprint.add_url_rule("/view", "view", lambda: "more")
    app.register_blueprint(blueprint)


def preprocess_values(app: ServingFlask) -> None:
    @app.url_value_preprocessor
    def preprocess(endpoint: str | None, values: dict[str, Any] | None) -> None:
        if values:
            values.update({name: value.upper() for name, value in values.items()})


def listen(name: str) -> SetUp:
    """Return what connects a receiver to one of Flask's signals."""

    def connect(app: ServingFlask) -> None:
        def receive(sender: Any, **named: Any) -> None:
            app.config["SEEN"].append((name, sorted(named)))

        getattr(flask, name).connect(receive, sender=app, weak=False)

    return connect


def handle_errors(app: ServingFlask) -> None:
    app.register_error_handler(404, lambda error: ("no such thing", 404))
    app.register_error_handler(500, lambda error: ("broken", 500))
    app.register_error_handler(ValueError, lambda error: (f"a value: {error}", 418))
    app.register_error_handler(ServingError, lambda error: (f"serving: {error}", 499))


def match_hosts(app: ServingFlask) -> None:
    app.url_map.host_matching = True
    app.add_url_rule("/hosted", "hosted", view, host=HOST)


def match_subdomains(app: ServingFlask) -> None:
    app.subdomain_matching = True
    app.config["SERVER_NAME"] = "test"


def trust(*hosts: str) -> SetUp:
    return lambda app: app.config.update(TRUSTED_HOSTS=list(hosts))


def replace_view(app: ServingFlask) -> None:
    original = app.view_functions["echo"]

    @wraps(original)
    def wrapped(**values: Any) -> Any:
        note(app, "wrapped")
        return original(**values)

    app.view_functions["echo"] = wrapped


class NotingSessions(SecureCookieSessionInterface):
    def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
        app.config["SEEN"].append(("opened", request.path))
        return super().open_session(app, request)


def own_sessions(app: ServingFlask) -> None:
    app.session_interface = NotingSessions()


def permanent_session(app: ServingFlask) -> None:
    app.secret_key = "secret"


def cookie_of_a_permanent_session() -> tuple[str, str]:
    """Return the header of a client whose session Flask renews at each request."""
    app = flask.Flask("any")
    app.secret_key = "secret"
    with app.test_request_context():
        session.permanent = True
        session["count"] = 1
        serializer = SecureCookieSessionInterface().get_signing_serializer(app)
        assert serializer is not None
        return "cookie", f"session={serializer.dumps(dict(session))}"


def wrap_wsgi(app: ServingFlask) -> None:
    inner = app.wsgi_app

    def outer(environ: Any, start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Outer", environ["PATH_INFO"])], exc_info)

        return inner(environ, start)

    app.wsgi_app = outer  # type: ignore[method-assign]  # as Flask's documentation has it


def shrink_bodies(app: ServingFlask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 20


def add_a_nearer_rule(app: ServingFlask) -> None:
    app.add_url_rule("/found/special", "special", lambda: "special")


def do_nothing(app: ServingFlask) -> None:
    pass


def catch_all() -> ServingFlask:
    """Return a service whose one pattern fits every path."""
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/<path:rest>", "callable": find, "methods": ["GET", "POST"], "name": "all"}]
    )


def shared_paths() -> ServingFlask:
    """Return a service whose paths are answered by a view or a handler, by method."""
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/a", "callable": view, "methods": ["GET"], "name": "view of a"},
            {"endpoint": "/a", "callable": echo, "methods": ["POST", "HEAD"], "name": "handler of a"},
            {"endpoint": "/b", "callable": find, "methods": ["HEAD"], "name": "head of b"},
            {"endpoint": "/b", "callable": view, "methods": ["GET"], "name": "view of b"},
        ]
    )
