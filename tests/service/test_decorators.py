"""What decorators note, what they leave alone, and what they refuse."""

import json
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from aylien_model_serving import FlaskAppWrapper, Service
from aylien_model_serving.errors import ConfigurationError
from aylien_model_serving.routing.routes import Route
from aylien_model_serving.service.registry import RouteKeys


def shout(text: str) -> str:
    """Return a text in capitals."""
    return text.upper()


def post(service: Service, path: str, **fields: Any) -> Any:
    return service.wsgi.test_client().post(path, json=fields)


def test_a_decorated_function_stays_what_it_was() -> None:
    app = Service()

    decorated = app.endpoint("/shout")(shout)

    assert decorated is shout
    assert decorated("one") == "ONE"


def test_a_path_answers_with_its_function() -> None:
    app = Service()
    app.endpoint("/loud")(shout)

    answer = post(app, "/loud", text="one")

    assert answer.json == "ONE"


@pytest.mark.parametrize("how", ["with a call", "without one"])
def test_the_path_is_the_name_of_the_function_where_none_is_given(how: str) -> None:
    app = Service()

    _ = app.endpoint(shout) if how == "without one" else app.endpoint()(shout)

    assert post(app, "/shout", text="one").json == "ONE"


def test_a_class_answers_with_one_instance_of_it() -> None:
    app = Service()
    built = []

    @app.endpoint()
    class Shout:
        def __init__(self) -> None:
            built.append(self)

        def __call__(self, text: str) -> str:
            return text.upper()

    answers = [post(app, "/Shout", text=text).json for text in ("one", "two")]

    assert answers == ["ONE", "TWO"]
    assert len(built) == 1


def test_several_decorators_give_a_function_several_paths() -> None:
    app = Service()
    app.endpoint("/a")(app.endpoint("/b", methods=["GET"])(shout))

    client = app.wsgi.test_client()

    assert client.post("/a", json={"text": "one"}).json == client.get("/b?text=one").json == "ONE"


def test_only_the_keys_that_were_given_are_in_a_route_dict() -> None:
    app = Service()
    app.endpoint("/shout", cache=60, timeout=None)(shout)

    assert app.routes == [{"endpoint": "/shout", "callable": shout, "cache": 60}]


def test_the_route_dicts_make_the_same_app_elsewhere() -> None:
    app = Service()
    app.init(lambda: "!")

    @app.endpoint()
    def cry(context: str, text: str) -> str:
        return text + context

    other = FlaskAppWrapper.create_app(app.routes)

    assert other.test_client().post("/cry", json={"text": "one"}).json == "one!"


def test_a_task_is_a_job_of_a_certain_queue() -> None:
    app = Service()
    app.task_endpoint("/a")(shout)
    app.task_endpoint("/b", queue_size=5)(shout)
    app.task_endpoint("/c", 7, job={"retries": 2}, methods=["GET"])(shout)

    jobs = [route["job"] for route in app.routes]

    assert jobs == [{"queue_size": 100}, {"queue_size": 5}, {"queue_size": 7, "retries": 2}]


def test_a_job_gets_its_progress_and_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    app = Service()
    app.init(lambda: {"oil": "hot"})

    @app.task_endpoint()
    def fry(job_progress: Any, context: dict[str, str], name: str) -> str:
        job_progress.set_status(0.5, "half way")
        return f"{name} in {context['oil']} oil"

    client = app.wsgi.test_client()
    job = client.post("/fry", json={"name": "curly"}).json
    ended = client.get(f"/status/{job['job_id']}?wait=10").json

    assert (ended["result"], ended["message"]) == ("curly in hot oil", "half way")


def test_a_coroutine_function_is_awaited_and_a_generator_streams() -> None:
    app = Service()
    app.init(lambda: "!")

    @app.endpoint()
    async def later(context: str, text: str) -> str:
        return text + context

    @app.endpoint()
    def letters(context: str, text: str) -> Iterator[str]:
        for letter in text:
            yield letter + context

    lines = app.wsgi.test_client().post(
        "/letters", json={"text": "ab"}, headers={"Accept": "application/x-ndjson"}
    )

    assert post(app, "/later", text="one").json == "one!"
    assert [json.loads(line) for line in lines.text.split()] == ["a!", "b!"]


def test_the_keys_of_the_decorators_are_those_of_route_dicts() -> None:
    keys = set(get_type_hints(RouteKeys))

    assert keys == set(Route.__dataclass_fields__) - {
        "endpoint",
        "callable",
        "view",
        "binding",
        "model",
        "set_by_operator",
    }


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"metods": ["GET"]}, "unknown key 'metods'; did you mean 'methods'"),
        ({"methods": "GET"}, "methods are a list"),
        ({"batch": {"max_sizes": 3}}, "did you mean 'max_size'"),
    ],
)
def test_a_wrong_key_is_refused_where_it_stands(keys: Any, message: str) -> None:
    app = Service()

    with pytest.raises(ConfigurationError, match=message):
        app.endpoint("/shout", **keys)(shout)

    assert app.routes == []


def test_a_second_route_of_a_path_names_where_the_first_is() -> None:
    app = Service()
    app.endpoint("/shout", methods=["GET", "POST"])(shout)

    with pytest.raises(
        ConfigurationError, match=r"POST is answered by .* 'shout', at .*test_decorators\.py:\d+"
    ):
        app.endpoint("/shout")(len)


def test_a_route_that_comes_after_the_app_was_built_is_refused() -> None:
    app = Service()
    assert app.wsgi is app.wsgi

    with pytest.raises(ConfigurationError, match="has been built already"):
        app.endpoint("/late")(shout)
    with pytest.raises(ConfigurationError, match="has been built already"):
        app.init(dict)


def test_a_method_of_an_object_answers_and_gets_the_context() -> None:
    class Model:
        def predict(self, context: dict[str, str], text: str) -> str:
            return f"{text} {context}"

    app = Service()
    app.endpoint("/predict")(Model().predict)

    assert post(app, "/predict", text="one").json == "one {}"


def test_a_service_speaks_wsgi_and_returns_its_app_where_nothing_is_said() -> None:
    app = Service()
    app.endpoint("/shout", methods=["GET"])(shout)
    seen: list[str] = []
    environ = app.wsgi.test_request_context("/shout?text=one").request.environ

    body = b"".join(app(environ, lambda status, headers: seen.append(status)))

    assert (seen, body) == (["200 OK"], b'"ONE"')
    assert app() is app.wsgi


def test_the_name_of_a_service_is_shown_to_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    titles = [Service("fries").wsgi.test_client().get("/openapi.json").json["info"]["title"]]
    monkeypatch.setenv("MODEL_SERVING_SERVICE_NAME", "chosen")
    titles.append(Service("fries").wsgi.test_client().get("/openapi.json").json["info"]["title"])

    assert titles == ["fries", "chosen"]


def test_mounts_and_middleware_are_put_around_the_app_that_is_built_later() -> None:
    app = Service()
    app.endpoint("/shout")(shout)
    seen: list[str] = []

    def below(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["SCRIPT_NAME"].encode()]

    class Watching:
        def __init__(self, application: Any, name: str) -> None:
            self.application, self.name = application, name

        def __call__(self, environ: Any, start_response: Any) -> Any:
            seen.append(self.name)
            return self.application(environ, start_response)

    app.mount_wsgi("/below", below)
    app.add_middleware(Watching, name="watched")
    client = app.wsgi.test_client()

    assert client.get("/below/page").text == "/below"
    assert client.post("/shout", json={"text": "one"}).json == "ONE"
    assert seen == ["watched", "watched"]
