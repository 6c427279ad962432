"""The landing page of a service with API keys: nothing of the user's runs at "/" without a valid key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException, NotFound

from tests.web.requests import route, serve

#: How code of the user's comes to run before the landing page or in its place.
REGISTRATIONS: dict[str, Callable[[Flask, Blueprint, Any], Any]] = {
    "before_request": lambda app, _, own: app.before_request(own),
    "before_app_request": lambda _, blueprint, own: blueprint.before_app_request(own),
    "url_value_preprocessor": lambda app, _, own: app.url_value_preprocessor(own),
    "errorhandler(404)": lambda app, _, own: app.register_error_handler(404, own),
    "errorhandler(NotFound)": lambda app, _, own: app.register_error_handler(NotFound, own),
    "errorhandler(HTTPException)": lambda app, _, own: app.register_error_handler(HTTPException, own),
    "app_errorhandler(404)": lambda _, blueprint, own: blueprint.app_errorhandler(404)(own),
}


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Flask:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    return serve(route(len)).application


@pytest.fixture(params=REGISTRATIONS)
def guarded(request: pytest.FixtureRequest, app: Flask, calls: list[str]) -> FlaskClient:
    """A client of a service with one hook or error handler of its own."""

    def own(*_: Any) -> Any:
        calls.append("own")
        return "own", 404

    blueprint = Blueprint("own", __name__)
    REGISTRATIONS[request.param](app, blueprint, own)
    app.register_blueprint(blueprint)
    return app.test_client()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"X-API-Key": "wrong"}, 403)])
def test_it_is_refused(
    guarded: FlaskClient, calls: list[str], method: str, headers: dict[str, str], status: int
) -> None:
    for path in ("/", "/none"):
        for accept in ("application/json", "text/html"):
            response = guarded.open(path, method=method, headers={**headers, "Accept": accept})
            assert response.status_code == status
    assert calls == []


def test_it_runs_with_a_key(guarded: FlaskClient, calls: list[str]) -> None:
    guarded.get("/", headers={"X-API-Key": "secret"})

    assert calls == ["own"]


def test_handlers_of_other_errors_leave_the_page_public(app: Flask, calls: list[str]) -> None:
    for other in (Exception, 500, 405):
        app.register_error_handler(other, lambda error: calls.append("own") or "own")

    assert app.test_client().get("/").status_code == 200
    assert calls == []
