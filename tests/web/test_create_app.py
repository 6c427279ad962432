"""What `create_app` makes of routes, and what it refuses."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, request

import aylien_model_serving
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.cached_app_factory import CachedFlaskAppWrapper
from aylien_model_serving.errors import ConfigurationError
from tests.web.requests import post, route, serve

PROJECT = Path(__file__).parents[2]


def predict(text: str) -> dict[str, str]:
    return {"text": text}


def test_without_routes_there_is_one_shared_app() -> None:
    assert FlaskAppWrapper.create_app() == FlaskAppWrapper.create_app()
    assert FlaskAppWrapper.create_app() is FlaskAppWrapper.app
    assert FlaskAppWrapper().app == FlaskAppWrapper().app
    assert CachedFlaskAppWrapper.create_app() == FlaskAppWrapper.app


def test_the_shared_app_answers_the_operators() -> None:
    assert FlaskAppWrapper.create_app().test_client().get("/__ping").data == b"Success"


def test_with_routes_each_app_is_its_own() -> None:
    one, other = FlaskAppWrapper.create_app([route(predict)]), FlaskAppWrapper.create_app([route(predict)])

    assert isinstance(one, Flask)
    assert len({one, other, FlaskAppWrapper.app}) == 3


def test_an_app_of_no_routes_is_its_own_too() -> None:
    assert FlaskAppWrapper.create_app([]) is not FlaskAppWrapper.app


def test_two_services_of_a_process_do_not_see_each_others_routes_and_metrics() -> None:
    one, other = serve(route(predict, "/one", name="first")), serve(route(predict, "/other", name="second"))

    assert post(one, {"text": "a"}, "/one").status_code == 200
    assert post(other, {"text": "a"}, "/one").status_code == 404
    assert post(other, {"text": "a"}, "/other").status_code == 200

    assert 'endpoint="first"' in one.get("/metrics").text
    assert 'endpoint="second"' not in one.get("/metrics").text
    assert 'endpoint="first"' not in other.get("/metrics").text
    assert 'endpoint="second"' in other.get("/metrics").text


def test_the_configuration_is_flasks() -> None:
    app = FlaskAppWrapper.create_app([route(predict)], {"SECRET_KEY": "s", "MAX_CONTENT_LENGTH": 10})

    assert app.config["SECRET_KEY"] == "s"
    assert post(app.test_client(), {"text": "a" * 20}).status_code == 413


def test_the_configuration_of_the_shared_app_grows() -> None:
    app = FlaskAppWrapper.create_app(config={"OWN_KEY": "own"})

    assert app is FlaskAppWrapper.app
    assert app.config["OWN_KEY"] == "own"


def test_routes_may_come_from_any_iterable() -> None:
    app = FlaskAppWrapper.create_app(route(predict, path) for path in ("/a", "/b"))

    assert [post(app.test_client(), {"text": "x"}, path).status_code for path in ("/a", "/b")] == [200, 200]


@pytest.mark.parametrize(
    ("routes", "message"),
    [
        (
            [{**route(predict), "mehtods": ["GET"]}],
            "route '/p': unknown key 'mehtods'; did you mean 'methods'?",
        ),
        ([{"callable": predict}], "route 0: the key 'endpoint' is missing"),
        ([route(predict, methods="POST")], "route '/p': key 'methods': methods are a list"),
        ([route("predict")], "route '/p': key 'callable': 'predict' can't be called"),
        (
            [route(predict), route(lambda n: n)],
            "route '/p': POST is answered by another route already, 'predict'",
        ),
        ([route(predict, schema="app.Request")], "route '/p': key 'schema': a schema is a *_pb2 module"),
        ([route(type("Plain", (), {}))], "route '/p': instances of the class Plain can't be called"),
        (
            [route(predict, warmup={"txt": "a"})],
            "route '/p': key 'warmup': the call failed: Unexpected field 'txt'",
        ),
        (route(predict), "routes have to be a list of dicts, not dict"),
    ],
)
def test_a_mistake_in_a_route_stops_the_start(routes: Any, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        FlaskAppWrapper.create_app(routes)

    assert message in str(raised.value)


def test_a_class_that_needs_more_to_be_built_stops_the_start() -> None:
    class Model:
        def __init__(self, device: str) -> None: ...
        def __call__(self, text: str) -> str:
            return text

    with pytest.raises(ConfigurationError, match="route '/p': the class Model needs device to be built"):
        FlaskAppWrapper.create_app([route(Model)])


def test_a_warm_up_calls_the_handler_once_before_the_first_request() -> None:
    calls: list[str] = []

    client = serve(route(lambda text: calls.append(text), warmup={"text": "warm"}))

    assert calls == ["warm"]
    post(client, {"text": "asked"})
    assert calls == ["warm", "asked"]


def test_a_warm_up_that_fails_stops_the_start() -> None:
    def broken(text: str) -> None:
        raise InvalidRequest("no such text")

    with pytest.raises(ConfigurationError, match="route '/p': key 'warmup': the call failed: no such text"):
        serve(route(broken, warmup={"text": "a"}))


def test_what_flask_can_do_the_app_can_do() -> None:
    app = FlaskAppWrapper.create_app([route(predict)])
    extra = Blueprint("extra", __name__)
    extra.add_url_rule("/hello", "hello", lambda: "Hello")
    app.register_blueprint(extra, url_prefix="/extra")
    app.before_request(lambda: ("Stop", 403) if request.headers.get("X-Stop") else None)
    app.after_request(lambda response: response.headers.add("X-After", "yes") or response)
    client = app.test_client()

    assert client.get("/extra/hello").text == "Hello"
    assert post(client, {"text": "a"}).headers["X-After"] == "yes"
    assert post(client, {"text": "a"}, X_Stop="1").status_code == 403


@pytest.mark.processes
def test_an_app_is_made_without_the_libraries_that_only_some_services_need() -> None:
    program = (
        "import sys\nfrom aylien_model_serving.app_factory import FlaskAppWrapper\n"
        "app = FlaskAppWrapper.create_app([{'endpoint': '/p', 'callable': lambda n: n}])\n"
        "assert app.test_client().post('/p', data=b'{\"n\": 1}').status_code == 200\n"
        "print(sorted({'torch', 'numpy', 'pydantic', 'gevent', 'gunicorn', 'redis'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_the_names_of_version_2_are_where_they_were() -> None:
    assert issubclass(InvalidRequest, Exception)
    assert aylien_model_serving.FlaskAppWrapper.metrics is FlaskAppWrapper.metrics
    assert callable(FlaskAppWrapper.metrics.do_not_track)
    assert CachedFlaskAppWrapper.cache is not None


def spell(text: list[str]) -> Any:
    yield text
    yield text


async def spell_async(text: list[str]) -> Any:
    yield text
    yield text


def iterate(text: list[str]) -> Iterator[list[str]]:
    return iter([text, text])


async def iterate_later(text: list[str]) -> AsyncIterator[list[str]]:
    return spell_async(text)


class Speller:
    def __call__(self, text: list[str]) -> Any:
        yield text
        yield text


@pytest.mark.parametrize("handler", [spell, spell_async, iterate, iterate_later, Speller])
def test_a_batch_is_streamed_by_whatever_yields_lists(handler: Any) -> None:
    client = serve(route(handler, batch=True))

    assert post(client, {"text": "a"}).text == '"a"\n"a"\n'


def test_what_yields_lists_can_not_be_split() -> None:
    with pytest.raises(ConfigurationError, match=r"route '/p': key 'batch': .* takes no 'split'"):
        FlaskAppWrapper.create_app([route(spell, batch={"split": "text"})])
