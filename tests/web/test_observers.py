"""Who observes Flask sees the failures of bare handlers; who patches or replaces it sees the requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from flask import Flask
from flask.signals import got_request_exception

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from aylien_model_serving.errors import InvalidRequest, Unavailable
from aylien_model_serving.web.adapters import wsgi
from aylien_model_serving.web.app import ServingFlask

ERRORS = {"value": ValueError, "invalid": InvalidRequest, "unavailable": Unavailable}


def fail(kind: str) -> None:
    raise ERRORS[kind]("this")


def echo(text: str) -> dict[str, str]:
    return {"text": text}


def fail_in_process_json() -> Any:
    return FlaskAppWrapper.process_json(fail)


def make_app() -> ServingFlask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/fail", "callable": fail},
            {"endpoint": "/process-json", "callable": fail_in_process_json},
            {"endpoint": "/echo", "callable": echo},
        ]
    )


@pytest.fixture
def received() -> Iterator[list[BaseException]]:
    """What is sent to a receiver of Flask's signal of errors, which is connected until the test ends."""
    found: list[BaseException] = []

    def receive(sender: Flask, exception: BaseException, **_: object) -> None:
        found.append(exception)

    with got_request_exception.connected_to(receive):
        yield found


@pytest.mark.parametrize("path", ["/fail", "/process-json"])
def test_a_receiver_gets_what_a_handler_raises_once(path: str, received: list[BaseException]) -> None:
    answer = make_app().test_client().post(path, json={"kind": "value"})

    assert answer.status_code == 500
    assert [type(error) for error in received] == [ValueError]


@pytest.mark.parametrize(("kind", "status"), [("invalid", 400), ("unavailable", 503)])
def test_a_receiver_gets_no_refusal(kind: str, status: int, received: list[BaseException]) -> None:
    answer = make_app().test_client().post("/fail", json={"kind": kind})

    assert (answer.status_code, received) == (status, [])


def test_a_receiver_that_fails_leaves_the_reply_as_it_is(received: list[BaseException]) -> None:
    def receive(sender: Flask, **_: object) -> None:
        raise RuntimeError("the receiver's")

    with got_request_exception.connected_to(receive):
        answer = make_app().test_client().post("/fail", json={"kind": "value"})

    assert answer.status_code == 500
    assert answer.json["code"] == "internal_error"


def test_a_teardown_gets_what_a_handler_raised() -> None:
    app, seen = make_app(), []
    app.teardown_request(lambda error: seen.append(type(error)))

    app.test_client().post("/fail", json={"kind": "value"})
    app.test_client().post("/echo", json={"text": "a"})

    assert seen == [ValueError, type(None)]


def test_who_has_patched_flasks_handling_of_errors_gets_the_error_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Exception] = []
    handle = Flask.handle_user_exception

    def patched(app: Flask, error: Exception) -> Any:
        seen.append(error)
        return handle(app, error)

    monkeypatch.setattr(Flask, "handle_user_exception", patched)
    app = make_app()
    app.register_error_handler(ValueError, lambda error: ("a handler of errors", 418))

    answer = app.test_client().post("/fail", json={"kind": "value"})

    assert answer.status_code == 500
    assert [type(error) for error in seen] == [ValueError]


@pytest.mark.parametrize("method", ["__call__", "wsgi_app", "full_dispatch_request"])
def test_a_patch_of_flasks_sees_every_request(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app, seen = make_app(), []
    original = getattr(Flask, method)

    def patched(*arguments: Any) -> Any:
        seen.append(method)
        return original(*arguments)

    monkeypatch.setattr(Flask, method, patched)

    answer = app.test_client().post("/echo", json={"text": "a"})

    assert (answer.status_code, seen) == (200, [method])


def test_an_app_derives_from_what_has_replaced_flask(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(Flask):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.watched = True

    monkeypatch.setattr(flask, "Flask", Watched)

    app = make_app()

    assert isinstance(app, ServingFlask)
    assert isinstance(app, Watched)
    assert app.watched
    assert app.test_client().post("/echo", json={"text": "a"}).status_code == 200


def test_without_observers_a_handler_takes_the_fast_path_and_nothing_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answered: list[str] = []
    answer = wsgi.answer

    def recorded(*arguments: Any) -> Any:
        answered.append("wsgi")
        return answer(*arguments)

    monkeypatch.setattr(wsgi, "answer", recorded)
    with caplog.at_level(logging.INFO, "aylien_model_serving"):
        make_app().test_client().post("/echo", json={"text": "a"})

    assert answered == ["wsgi"]
    assert "observes" not in caplog.text


def test_who_observes_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()
    app.before_request(lambda: None)

    with caplog.at_level(logging.INFO, "aylien_model_serving"):
        for _ in range(2):
            app.test_client().post("/echo", json={"text": "a"})

    lines = [record.message for record in caplog.records if "observe" in record.message]
    assert lines == ["Flask dispatches every request, for what observes them: tests"]


def test_what_a_hook_that_traces_reads_is_not_what_a_cached_reply_depends_on() -> None:
    app = CachedFlaskAppWrapper.create_app([{"endpoint": "/echo", "callable": echo, "cache": True}])

    def trace() -> None:
        flask.request.headers.get("User-Agent")

    trace.__module__ = "opentelemetry.instrumentation"
    app.before_request(trace)
    client = app.test_client()

    found = [
        client.post("/echo", json={"text": "a"}, headers={"User-Agent": name}).headers["X-Cache"]
        for name in ("one", "another")
    ]

    assert found == ["miss", "hit"]
    app.before_request_funcs[None].remove(trace)  # as OpenTelemetry takes it away
    assert app.before_request_funcs[None] == []
