"""Flask's contexts outside of its dispatch: created when they are used, and not before."""

from __future__ import annotations

from collections.abc import Iterator

import flask
import pytest
from flask import current_app, g, request, session
from werkzeug.test import EnvironBuilder

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.adapters.lazy_contexts import LazyContexts, body_environ
from aylien_model_serving.web.app import ServingFlask
from tests.contracts.adapters import ADAPTERS, ServiceByAdapter
from tests.contracts.cases import get, post

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


def test_no_context_is_created_before_its_first_use(contexts: LazyContexts) -> None:
    assert flask.has_request_context()
    assert flask.has_app_context()
    assert (contexts.app_context, contexts.request_context) == (None, None)


def test_using_the_app_creates_no_request(contexts: LazyContexts, app: ServingFlask) -> None:
    g.seen = True

    assert current_app.state is app.state
    assert g.seen
    assert contexts.request_context is None


def test_using_the_request_creates_it_once(contexts: LazyContexts) -> None:
    seen = [request.path, request.args["a"], request.get_json()["text"]]

    assert seen == ["/path", "b", "hello"]
    assert contexts.open_request() is contexts.open_request()


def test_the_body_is_where_the_flask_adapter_has_left_it(contexts: LazyContexts) -> None:
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


def test_a_request_is_counted_unless_it_is_marked(contexts: LazyContexts) -> None:
    assert contexts.counts()

    request.prom_do_not_track = True  # type: ignore[attr-defined]  # prometheus-flask-exporter's mark

    assert not contexts.counts()


def echo(text: str) -> dict[str, str]:
    return {"text": text, "path": request.path}


def service() -> ServingFlask:
    return FlaskAppWrapper.create_app([{"endpoint": "/echo", "callable": echo}])


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


class TestAnotherFlask:
    """Where Flask keeps its contexts elsewhere, the fast path is closed, and says so."""

    @pytest.fixture(params=["_cv_request", "_cv_app"])
    def missing(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        name: str = request.param
        monkeypatch.delattr(flask.globals, name)
        return name

    def test_one_warning_names_cause_and_cure(self, missing: str, caplog: pytest.LogCaptureFixture) -> None:
        service()

        (warning,) = warnings(caplog)
        assert f"has no {missing} in flask.globals" in warning
        assert "Install 'Flask>=3.1,<3.2'" in warning

    @pytest.mark.usefixtures("missing")
    def test_every_request_is_answered_through_flask(self) -> None:
        by_adapter = ServiceByAdapter(service, {})
        requests = (post("/echo", {"text": "a"}), post("/echo", {}), get("/livez"), get("/"), get("/none"))

        for name, adapter in ADAPTERS.items():
            outcome = by_adapter.send_all(name, requests)

            assert [answer.status for answer in outcome.answers] == [200, 400, 200, 200, 404]
            assert outcome.answers[0].body == b'{"text":"a","path":"/echo"}'
            assert outcome.path == [adapter.flask_path] * len(requests)

    @pytest.mark.usefixtures("missing")
    def test_who_has_switched_the_fast_path_off_is_not_warned(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setenv("MODEL_SERVING_EXPRESS", "0")

        service()

        assert not warnings(caplog)


def test_this_flask_gives_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    service()

    assert not warnings(caplog)
