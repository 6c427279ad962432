"""What people who come from other systems write: it works, or a sentence at the start says what to write."""

import logging
import threading
from typing import Any

import pytest

from aylien_model_serving import BackgroundTask, BackgroundTasks, Service, TaskResponse
from aylien_model_serving.errors import ConfigurationError


class NumpyNdarray:
    """Has the name of BentoML's class, by which it is recognised."""


def shout(text: str) -> str:
    return text.upper()


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_a_decorator_of_a_method_answers_that_alone(method: str) -> None:
    app = Service()
    getattr(app, method)("/shout")(shout)

    client = app.wsgi.test_client()
    sent = {"query_string": {"text": "a"}} if method == "get" else {"json": {"text": "a"}}

    assert client.open("/shout", method=method.upper(), **sent).json == "A"
    assert client.open("/shout", method="POST" if method == "get" else "GET").status_code == 405


def test_one_method_and_a_path_without_a_slash_are_understood() -> None:
    app = Service()
    app.endpoint("shout", method="get")(shout)
    app.task_endpoint("study", max_upload_file_size_mb=2)(shout)

    [first, second] = app.routes

    assert (first["endpoint"], first["methods"]) == ("/shout", ["get"])
    assert (second["endpoint"], second["max_body_mb"]) == ("/study", 2)


def test_a_coroutine_function_without_arguments_is_awaited() -> None:
    app = Service()

    @app.get("/metadata")
    async def metadata() -> dict[str, str]:
        return {"name": "iris"}

    assert app.wsgi.test_client().get("/metadata").json == {"name": "iris"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"method": "GET", "methods": ["GET"]}, "'method' is another name of 'methods': keep one"),
        ({"max_upload_file_size_mb": 2, "max_body_mb": 2}, "another name of 'max_body_mb'"),
        ({"input": NumpyNdarray()}, r"'input': write the type .* parameter: features: numpy\.ndarray"),
        ({"output": NumpyNdarray()}, r"'output': write the type .* return hint: -> numpy\.ndarray"),
        ({"response_model": dict}, "'response_model': write the type of the result"),
        ({"tags": ["a"]}, "'tags': leave it out"),
        ({"queue_size": 3}, "'queue_size': write @app.task_endpoint"),
    ],
)
def test_a_key_that_is_not_there_is_answered_by_what_to_write(keys: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Service().endpoint("/shout", **keys)(shout)


def test_a_decorator_of_a_method_has_no_other() -> None:
    with pytest.raises(ConfigurationError, match="@get says the method: write @endpoint for 'methods'"):
        Service().get("/shout", methods=["POST"])


@pytest.mark.parametrize(
    ("path", "corrected"),
    [("/items/{item_id}", "/items/<item_id>"), ("/{name:path}/{n}", "/<path:name>/<n>")],
)
def test_variable_parts_in_braces_are_refused_with_the_path_to_write(path: str, corrected: str) -> None:
    with pytest.raises(ConfigurationError, match=f"angle brackets: '{corrected}'"):
        Service().endpoint(path)(shout)


def test_variables_that_ask_for_what_is_not_there_are_reported(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FTAPI_BACKEND", "socaity")
    monkeypatch.setenv("FTAPI_DEPLOYMENT", "localhost")

    with caplog.at_level(logging.WARNING):
        _ = Service().wsgi

    [message] = caplog.messages
    assert message.startswith("FTAPI_BACKEND=socaity changes nothing: a service answers HTTP itself")


def test_an_api_of_bentoml_has_a_route_and_a_response_with_tasks() -> None:
    app, done = Service("iris"), threading.Event()

    @app.api(route="v1/models/iris/predict")
    async def any_name(features: list[float]) -> TaskResponse[dict[str, str], BackgroundTask]:
        return TaskResponse(res={"species": "setosa"}, background=BackgroundTask(done.set))

    @app.api
    def classify(features: list[float]) -> TaskResponse[list[float], BackgroundTasks]:
        tasks = BackgroundTasks()
        tasks.add_task(BackgroundTask(done.set))
        return TaskResponse(res=features, background=tasks)

    client = app.test_client()
    for path, expected in (("/v1/models/iris/predict", {"species": "setosa"}), ("/classify", [5.1])):
        with client.post(path, json={"features": [5.1]}) as answer:
            assert answer.json == expected
        assert done.wait(10)
        done.clear()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runners": []}, "Service has no 'runners': write runner=True at the endpoint"),
        ({"title": "iris"}, r"Service has no 'title': it is the name, Service\('…'\)"),
        ({"colour": "red"}, "Service has no 'colour'$"),
    ],
)
def test_a_service_is_made_with_what_it_has(arguments: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Service("iris", **arguments)


def test_a_router_is_answered_by_what_to_write() -> None:
    with pytest.raises(ConfigurationError, match=r"decorate its handlers .* or mount the whole FastAPI app"):
        Service().include_router(object(), prefix="/v1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("route", r"a Service has no 'route': write @app\.get"),
        ("register_blueprint", r"has it: write app\.wsgi\.register_blueprint$"),
        ("on_event", r"write @app\.init"),
        ("colour", r"a Service has no 'colour'$"),
        ("endpint", r"a Service has no 'endpint'; did you mean 'endpoint'\?$"),
        ("_endpoint", r"a Service has no '_endpoint'$"),
    ],
)
def test_a_name_that_is_not_there_is_answered_by_another(name: str, message: str) -> None:
    with pytest.raises(AttributeError, match=message):
        getattr(Service(), name)
    assert not hasattr(Service(), name)
