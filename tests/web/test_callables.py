"""Callables of every kind behind a route, and the ways in which a handler takes its fields."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
from flask import Response, jsonify, make_response, request
from flask.testing import FlaskClient

from aylien_model_serving.app_factory import FlaskAppWrapper
from tests.web.requests import error, post, route, serve, serving


def function(text: str) -> dict[str, str]:
    return {"text": text}


def make_closure() -> Callable[..., Any]:
    label = "text"

    def closure(text: str) -> dict[str, str]:
        return {label: text}

    return closure


class Model:
    built = 0

    def __init__(self, label: str = "text") -> None:
        type(self).built += 1
        self.label = label

    def __call__(self, text: str) -> dict[str, str]:
        return {self.label: text}

    def method(self, text: str) -> dict[str, str]:
        return {self.label: text}

    @classmethod
    def class_method(cls, text: str) -> dict[str, str]:
        return {"text": text}

    @staticmethod
    def static_method(text: str) -> dict[str, str]:
        return {"text": text}


def view() -> Any:
    return FlaskAppWrapper.process_json(function)


def labelled(label: str, text: str) -> dict[str, str]:
    return {label: text}


async def coroutine(text: str) -> dict[str, str]:
    return {"text": text}


@pytest.mark.parametrize(
    "target",
    [
        function,
        make_closure(),
        lambda text: {"text": text},
        Model,
        Model(),
        Model().method,
        Model.class_method,
        Model.static_method,
        functools.partial(labelled, "text"),
        view,
        lambda: FlaskAppWrapper.process_json(Model()),
        functools.partial(FlaskAppWrapper.process_json, function),
        coroutine,
    ],
    ids=[
        "function",
        "closure",
        "lambda",
        "class",
        "object",
        "method",
        "class method",
        "static method",
        "partial",
        "view",
        "view of an object",
        "view as a partial",
        "coroutine function",
    ],
)
def test_every_kind_of_callable_answers(target: Any) -> None:
    response = post(serve(route(target)), {"text": "Grüße"})

    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == {"text": "Grüße"}


def test_a_class_is_built_once_for_all_requests() -> None:
    before = Model.built

    client = serve(route(Model))
    for _ in range(3):
        post(client, {"text": "a"})

    assert Model.built == before + 1


def keyword_only(*, text: str, n: int = 1) -> Any:
    return [text, n]


def defaulted(text: str = "none", n: int = 1) -> Any:
    return [text, n]


def positional_only(text: str, n: int = 1, /) -> Any:
    return [text, n]


def open_ended(text: str, **rest: Any) -> Any:
    return [text, rest]


def anything(**fields: Any) -> Any:
    return fields


def mixed(a: int, /, b: int, *, c: int = 3, **rest: Any) -> Any:
    return [a, b, c, rest]


@pytest.mark.parametrize(
    ("target", "fields", "answer"),
    [
        (keyword_only, {"text": "a"}, ["a", 1]),
        (keyword_only, {"n": 2, "text": "a"}, ["a", 2]),
        (defaulted, {}, ["none", 1]),
        (defaulted, {"n": 2}, ["none", 2]),
        (positional_only, {"n": 2, "text": "a"}, ["a", 2]),
        (positional_only, {"text": "a"}, ["a", 1]),
        (
            open_ended,
            {"text": "a", "more": [1], "class": 2, "__init__": 3},
            ["a", {"more": [1], "class": 2, "__init__": 3}],
        ),
        (open_ended, {"text": "a", "rest": 1}, ["a", {"rest": 1}]),
        (
            anything,
            {"self": 1, "cls": 2, "handler": 3, "arguments": 4, "": 5},
            {"self": 1, "cls": 2, "handler": 3, "arguments": 4, "": 5},
        ),
        (mixed, {"a": 1, "b": 2, "d": 4}, [1, 2, 3, {"d": 4}]),
    ],
)
def test_fields_reach_the_handler_in_the_way_it_takes_them(target: Any, fields: Any, answer: Any) -> None:
    assert post(serve(route(target)), fields).get_json() == answer


@pytest.mark.parametrize(
    ("target", "fields", "message"),
    [
        (function, {}, "Missing field 'text': expected are text"),
        (function, {"text": "a", "lang": "en"}, "Unexpected field 'lang': expected are text"),
        (keyword_only, {"n": 2}, "Missing field 'text': expected are text, n (optional)"),
        (positional_only, {"n": 2}, "Missing field 'text': expected are text, n (optional)"),
        (Model, {"self": 1, "text": "a"}, "Unexpected field 'self': expected are text"),
        (function, {"text": "a", "class": 1}, "Unexpected field 'class': expected are text"),
        (function, {"text": "a", "__class__": 1}, "Unexpected field '__class__': expected are text"),
        (
            functools.partial(FlaskAppWrapper.process_json, function),
            {},
            "Missing field 'text': expected are text",
        ),
    ],
)
def test_a_missing_or_unexpected_field_is_a_400_that_names_it(target: Any, fields: Any, message: str) -> None:
    assert error(post(serve(route(target)), fields)) == (400, "field_mismatch", message)


@pytest.mark.parametrize("target", [function, view])
def test_a_type_error_from_inside_the_handler_is_a_500(target: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function, "__code__", (lambda text: text + 1).__code__)

    assert error(post(serve(route(target)), {"text": "a"}))[:2] == (500, "internal_error")


def typed(text: str, n: int = 1, sizes: list[float] | None = None, flag: bool = False) -> Any:
    return {"text": text, "n": n, "sizes": sizes, "flag": flag}


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("text=a", {"text": "a", "n": 1, "sizes": None, "flag": False}),
        ("text=3&n=3", {"text": "3", "n": 3, "sizes": None, "flag": False}),
        ("text=a&sizes=1.5", {"text": "a", "n": 1, "sizes": [1.5], "flag": False}),
        ("text=a&sizes=1&sizes=2&flag=true", {"text": "a", "n": 1, "sizes": [1.0, 2.0], "flag": True}),
        ("text=Gr%C3%BC%C3%9Fe+%26", {"text": "Grüße &", "n": 1, "sizes": None, "flag": False}),
    ],
)
def test_the_fields_of_a_get_are_read_from_its_query_as_the_hints_say(query: str, answer: Any) -> None:
    assert serving(typed).get(f"/p?{query}").get_json() == answer


@pytest.mark.parametrize(("query", "named"), [("", "'text'"), ("text=a&n=x", "n: "), ("text=a&x=1", "'x'")])
def test_a_query_that_does_not_fit_is_a_400_that_names_the_field(query: str, named: str) -> None:
    status, _, message = error(serving(typed).get(f"/p?{query}"))

    assert status == 400
    assert named in message


def test_a_head_is_answered_like_a_get_without_its_body() -> None:
    client = serving(typed)

    head, get = client.head("/p?text=a"), client.get("/p?text=a")

    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.data))


def described(lang: str, n: int, text: str) -> Any:
    return [lang, n, text]


@pytest.fixture
def path_client() -> FlaskClient:
    return serve(route(described, "/v1/<lang>/<int:n>", methods=["POST", "GET"]))


def test_values_of_the_path_are_fields_beside_those_of_body_or_query(path_client: FlaskClient) -> None:
    assert post(path_client, {"text": "a"}, "/v1/en/3").get_json() == ["en", 3, "a"]
    assert path_client.get("/v1/gr%C3%BC%C3%9Fe/4?text=b").get_json() == ["grüße", 4, "b"]


def test_a_path_that_its_converter_does_not_match_is_a_404(path_client: FlaskClient) -> None:
    assert error(post(path_client, {"text": "a"}, "/v1/en/x"))[:2] == (404, "not_found")


def test_a_field_that_is_given_in_the_path_and_in_the_body_is_a_400(path_client: FlaskClient) -> None:
    response = post(path_client, {"text": "a", "lang": "de"}, "/v1/en/3")

    assert error(response) == (
        400,
        "field_mismatch",
        "The field 'lang' is given in the path and once more beside it",
    )


def test_a_view_gets_the_values_of_the_path_as_flask_gives_them() -> None:
    def view(lang: str) -> Any:
        return jsonify(lang=lang, text=request.get_json(force=True)["text"])

    assert post(serve(route(view, "/<lang>")), {"text": "a"}, "/en").get_json() == {"lang": "en", "text": "a"}


def own_response(text: str) -> Response:
    return make_response(f"<b>{text}</b>", 203, {"X-Own": "yes", "Content-Type": "text/html"})


def test_a_handler_may_answer_with_a_response_of_its_own() -> None:
    response = post(serve(route(own_response)), {"text": "a"})

    assert (response.status_code, response.text, response.content_type) == (203, "<b>a</b>", "text/html")
    assert response.headers["X-Own"] == "yes"
    assert response.headers["X-Request-ID"]
    assert len(response.headers.getlist("Content-Length")) == 1


def test_a_handler_may_look_at_flasks_request() -> None:
    def handler(text: str) -> Any:
        return [text, request.headers["X-Tenant"], request.path]

    assert post(serve(route(handler)), {"text": "a"}, X_Tenant="t1").get_json() == ["a", "t1", "/p"]


def test_one_path_may_have_a_handler_for_each_method() -> None:
    client = serve(route(lambda n: ["post", n]), route(lambda n: ["get", n], methods=["GET"]))

    assert post(client, {"n": 1}).get_json() == ["post", 1]
    assert client.get("/p?n=1").get_json() == ["get", "1"]
