"""Flask's contexts outside of its dispatch: made when they are looked at, and not before."""

from __future__ import annotations

from collections.abc import Iterator

import flask
import pytest
from flask import current_app, g, request, session
from werkzeug.test import EnvironBuilder

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.adapters.lazy_contexts import LazyContexts, body_environ
from aylien_model_serving.web.app import ServingFlask

BODY = b'{"text": "hello"}'


@pytest.fixture
def app() -> ServingFlask:
    return FlaskAppWrapper.create_app([], {"SECRET_KEY": "secret"})


@pytest.fixture
def contexts(app: ServingFlask) -> Iterator[LazyContexts]:
    environ = EnvironBuilder(
        "/path?a=b", method="POST", data=BODY, content_type="application/json"
    ).get_environ()
    with LazyContexts(app, lambda: body_environ(environ, BODY)) as contexts:
        yield contexts


def test_nothing_is_made_where_nobody_looks(contexts: LazyContexts) -> None:
    assert flask.has_request_context()
    assert flask.has_app_context()
    assert (contexts.app_context, contexts.request_context) == (None, None)


def test_a_look_at_the_app_makes_no_request(contexts: LazyContexts, app: ServingFlask) -> None:
    g.seen = True

    assert current_app.state is app.state
    assert g.seen
    assert contexts.request_context is None


def test_a_look_at_the_request_makes_it_once(contexts: LazyContexts) -> None:
    seen = [request.path, request.args["a"], request.get_json()["text"]]

    assert seen == ["/path", "b", "hello"]
    assert contexts.open_request() is contexts.open_request()


def test_the_body_is_where_the_flask_door_has_left_it(contexts: LazyContexts) -> None:
    assert request.get_data() == BODY
    assert request.environ["wsgi.input"].read() == b""


def test_the_session_is_saved_into_the_response(contexts: LazyContexts) -> None:
    session["count"] = 1

    response = contexts.finish(flask.Response(""))

    assert response.headers["Set-Cookie"].startswith("session=")


def test_contexts_can_be_entered_again(contexts: LazyContexts) -> None:
    with flask.globals.app_ctx, flask.globals.request_ctx:
        inner = (current_app.name, request.path)

    assert inner == (current_app.name, request.path)


def test_after_its_end_there_is_no_context(app: ServingFlask) -> None:
    with LazyContexts(app, lambda: EnvironBuilder("/").get_environ()):
        assert request.path == "/"

    assert not flask.has_request_context()
    assert not flask.has_app_context()


def test_a_request_counts_unless_it_is_marked(contexts: LazyContexts) -> None:
    assert contexts.counts()

    request.prom_do_not_track = True  # type: ignore[attr-defined]  # prometheus-flask-exporter's mark

    assert not contexts.counts()
