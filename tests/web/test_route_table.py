"""The route table matches what Flask's own URL map would match, and leaves the rest to Flask."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.routing import Map, Rule

from aylien_model_serving.app_factory import FlaskAppWrapper
from aylien_model_serving.web.adapters.route_table import MAX_PARTS, MAX_PATH, RouteTable
from aylien_model_serving.web.app import ServingFlask


def handle(text: str, **rest: Any) -> None:
    """Do nothing."""


def view() -> str:
    return ""


def service(*rules: str, **keys: Any) -> ServingFlask:
    routes = [{"endpoint": rule, "callable": handle, "name": rule, **keys} for rule in rules]
    return FlaskAppWrapper.create_app(routes)


def found(app: ServingFlask, path: str, method: str = "POST") -> tuple[str, dict[str, Any]] | None:
    match = app.route_table.find(path, method)
    return None if match is None else (match.endpoint.name, dict(match.path_values))


def test_a_fixed_path_is_found_the_first_time_and_every_time_after() -> None:
    app = service("/a", "/b/")

    assert [found(app, "/a") for _ in range(2)] == [("/a", {})] * 2
    assert [found(app, "/b/") for _ in range(2)] == [("/b/", {})] * 2


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/en/7", {"lang": "en", "number": 7}),
        ("/größe/7", {"lang": "größe", "number": 7}),
        ("/en/seven", None),
        ("/en", None),
        ("//en/7", None),
        ("/en//7", None),
    ],
)
def test_a_pattern_gives_the_values_of_a_path(path: str, values: dict[str, Any] | None) -> None:
    app = service("/<lang>/<int:number>")

    assert found(app, path) == (None if values is None else ("/<lang>/<int:number>", values))


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/a/", "POST"),
        ("/b", "POST"),
        ("/c", "POST"),
        ("/a", "GET"),
        ("/a", "OPTIONS"),
        ("/a", "BREW"),
        ("", "POST"),
    ],
)
def test_what_flask_redirects_refuses_or_answers_by_itself_is_not_found(path: str, method: str) -> None:
    app = service("/a", "/b/")

    assert found(app, path, method) is None


def test_get_answers_head_too() -> None:
    app = service("/a", methods=["GET"])

    assert found(app, "/a", "HEAD") == found(app, "/a", "GET") == ("/a", {})


def test_options_is_the_handlers_where_its_route_says_so() -> None:
    app = service("/a", methods=["OPTIONS"])

    assert found(app, "/a", "OPTIONS") == ("/a", {})


def test_a_view_is_not_found() -> None:
    app = service("/a", "/<anything>")
    app.add_url_rule("/view", "view", view, methods=["POST"])

    assert found(app, "/view") is None
    assert found(app, "/other") is not None


def test_the_rule_that_was_added_first_wins() -> None:
    app = service("/a")
    app.add_url_rule("/a", "view", view, methods=["POST", "PUT"])

    assert found(app, "/a") == ("/a", {})
    assert found(app, "/a", "PUT") is None


def test_an_empty_table_matches_nothing() -> None:
    route_table = RouteTable(Map([Rule("/a", endpoint="a")]))

    assert route_table.find("/a", "GET") is None


@pytest.mark.parametrize("path", ["/files/" + "a/" * MAX_PARTS + "b", "/files/" + "a" * MAX_PATH])
def test_a_path_that_would_take_long_to_match_is_not_found_on_either_path(path: str) -> None:
    app = service("/files/<path:text>")

    response = app.test_client().post(path)

    assert found(app, path) is None
    assert response.status_code == 404
    assert "more than 8,000 characters or 128 parts" in response.get_json()["error"]
    assert found(app, "/files/" + "a/" * (MAX_PARTS - 2) + "b") is not None
