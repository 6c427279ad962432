"""Handlers that are called as `handler(context, json_in)` or `handler(context, request)`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from aylien_model_serving import Request, Response, Service
from aylien_model_serving.errors import ConfigurationError


@dataclass
class Iris:
    petal: float


def post(app: Service, **json_in: Any) -> Any:
    return app.wsgi.test_client().post("/", json=json_in)


def test_the_quick_start_of_banana_works_with_another_import_and_class() -> None:
    app = Service("server")

    @app.init
    def init() -> Any:
        model = "my pytorch model"
        app.optimize(model)

        return app.set_cache({"model": model, "hello": "world"})

    seen = []

    @app.handler
    def handler(cache: Any, json_in: Any) -> dict[str, str]:
        seen.append((cache, json_in))
        return {"json": "out"}

    answer = post(app, name="test")

    assert answer.json == {"json": "out"}
    assert seen == [({"model": "my pytorch model", "hello": "world"}, {"name": "test"})]
    assert handler({}, {}) == {"json": "out"}


def test_every_field_is_the_clients_own() -> None:
    app = Service()
    app.handler(lambda cache, json_in: json_in)

    assert post(app, context=1, cache=2, self=3).json == {"context": 1, "cache": 2, "self": 3}


@pytest.mark.parametrize("body", ["[1]", "no json", ""])
def test_a_body_that_is_no_object_is_refused(body: str) -> None:
    app = Service()
    app.handler(lambda cache, json_in: json_in)

    refused = app.wsgi.test_client().post("/", data=body, content_type="application/json")

    assert refused.status_code == 400


def test_a_second_parameter_of_a_type_is_the_body() -> None:
    app, other = Service(), Service()

    @app.handler
    def handler(cache: Any, features: Iris) -> Any:
        return [cache, features.petal]

    @other.handler(batch=True)
    class Handler:
        def __call__(self, cache: Any, rows: list[list[int]]) -> list[int]:
            return [sum(row) for row in rows]

    assert post(app, petal=1).json == [{}, 1.0]
    assert post(app, petal="1").json["error"] == "petal: Expected `float`, got `str`"
    assert other.wsgi.test_client().post("/", json=[1, 2]).json == 3


@pytest.mark.parametrize("hint", [dict, dict[str, Any], Mapping[str, int], "dict[str, Any]", Any, object])
def test_a_second_parameter_of_no_type_gets_every_field(hint: Any) -> None:
    app = Service()

    def answer(cache, json_in):  # type: ignore[no-untyped-def]  # the hint is set below
        return json_in

    answer.__annotations__ = {"json_in": hint}
    app.handler(answer)

    assert post(app, a=1).json == {"a": 1}


def test_it_may_be_a_coroutine_function_or_a_class_and_have_keys() -> None:
    app, other = Service(), Service()

    @app.handler(timeout=5, name="server")
    async def handler(cache: Any, json_in: Any) -> Any:
        return [cache, json_in]

    @other.handler
    class Handler:
        def __call__(self, cache: Any, json_in: Any) -> Any:
            return [cache, json_in]

    assert post(app, a=1).json == post(other, a=1).json == [{}, {"a": 1}]
    assert app.routes[0]["timeout"] == 5


def test_there_is_one_alone_at_each_path() -> None:
    app = Service()
    app.handler(lambda cache, json_in: None)

    with pytest.raises(
        ConfigurationError, match=r"route '/': POST is answered by another route already, .*\.py:\d+"
    ):
        app.handler(lambda cache, json_in: None)


@pytest.mark.parametrize(
    "wrong", [lambda json_in: None, lambda *, context, json_in: None, lambda a, b, c: None]
)
def test_one_that_does_not_take_two_arguments_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"two arguments, \(context, json_in\)"):
        Service().handler(wrong)


def test_a_handler_of_potassium_gets_the_body_as_its_request() -> None:
    app = Service("potassium")
    app.init(lambda: {"model": str.upper})

    @app.handler("/upper")
    def upper(context: dict[str, Any], request: Request) -> Response:
        return Response(json={"text": context["model"](request.json.get("text"))}, status=201)

    @app.handler(route="/lower")
    async def lower(context: dict[str, Any], sent: Request) -> dict[str, str]:
        return {"text": sent.json["text"].lower()}

    client = app.test_client()

    upper_one = client.post("/upper", json={"text": "One"})
    assert (upper_one.status_code, upper_one.json) == (201, {"text": "ONE"})
    assert client.post("/lower", json={"text": "One"}).json == {"text": "one"}


def test_a_background_handler_is_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    app = Service("potassium")

    @app.background("/later")
    def later(context: Any, request: Any) -> Any:
        return request.json

    client = app.test_client()
    job = client.post("/later", json={"text": "one"})
    ended = client.get(f"/status/{job.json['job_id']}?wait=10").json

    assert job.status_code == 202
    assert ended["result"] == {"text": "one"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/_k/status"), ("POST", "/_k/warmup"), ("GET", "/healthcheck")]
)
def test_the_platform_is_answered_whether_the_service_is_up(method: str, path: str) -> None:
    app = Service()
    app.handler(lambda cache, json_in: None)

    answer = app.test_client().open(path, method=method)

    assert (answer.status_code, answer.json["state"]) == (200, "healthy")
    assert Service().test_client().open(path, method=method).status_code == 404


def test_a_route_goes_before_a_path_of_the_platform() -> None:
    app = Service()
    app.handler("/x")(lambda cache, json_in: None)
    app.get("/healthcheck")(lambda: "mine")

    assert app.test_client().get("/healthcheck").text == "mine"


def test_the_log_says_once_that_a_context_set_in_a_handler_is_of_one_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Service()
    app.init(lambda: app.set_cache({"calls": 0}))

    @app.handler
    def count(cache: dict[str, int], json_in: Any) -> int:
        return app.set_cache({"calls": cache["calls"] + 1})["calls"]

    assert [post(app, a=1).json, post(app, a=1).json] == [1, 2]
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [message.partition(",")[0] for message in said] == ["A handler calls set_cache()"]
