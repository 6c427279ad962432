"""The paths and envelopes of serverless platforms, as their documents have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from aylien_model_serving.errors import ConfigurationError


def shout(text: str, times: int = 1) -> str:
    if not text:
        raise InvalidRequest("There is no text")
    return text.upper() * times


def lengths(texts: list[str]) -> list[int]:
    return [len(text) for text in texts]


def letters(text: str) -> Iterator[str]:
    yield from text


SHOUT = {"endpoint": "/shout", "callable": shout}
LENGTHS = {"endpoint": "/lengths", "callable": lengths, "batch": {"max_size": 4, "max_wait_ms": 50}}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(platform: str, *routes: dict[str, Any], **variables: str) -> Any:
        monkeypatch.setenv("MODEL_SERVING_PLATFORM", platform)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return FlaskAppWrapper.create_app(routes or [SHOUT]).test_client()

    return make


@pytest.mark.parametrize(
    ("platform", "health", "predict"),
    [
        ("sagemaker", "/ping", "/invocations"),
        ("azureml", "/", "/score"),
        ("SageMaker", "/ping", "/invocations"),
    ],
)
def test_the_only_route_is_called_by_the_platforms_path(
    made: Any, platform: str, health: str, predict: str
) -> None:
    client = made(platform)

    assert client.get(health).status_code == 200
    assert client.post(predict, json={"text": "a", "times": 3}).json == "AAA"
    assert client.post(predict, json={"text": 5}).status_code == 400
    assert client.post("/shout", json={"text": "a"}).json == "A"


def test_without_the_setting_there_is_nothing() -> None:
    client = FlaskAppWrapper.create_app([SHOUT]).test_client()

    assert {client.post(path, json={}).status_code for path in ("/invocations", "/score", "/predict")} == {
        404
    }
    assert client.get("/ping").status_code == 404


def test_a_body_of_another_type_is_read_as_by_the_routes_own_path(made: Any) -> None:
    client = made("sagemaker")

    assert (
        client.post("/invocations", data="text=a", content_type="application/x-www-form-urlencoded").json
        == "A"
    )
    assert client.post("/invocations", data=b"\x00", content_type="image/png").status_code == 415


def test_a_handler_reads_sagemakers_custom_attributes_as_a_header(made: Any) -> None:
    from flask import request

    def attributes(text: str) -> str:
        return request.headers["X-Amzn-SageMaker-Custom-Attributes"]

    client = made("sagemaker", {"endpoint": "/a", "callable": attributes})

    answer = client.post(
        "/invocations", json={"text": ""}, headers={"X-Amzn-SageMaker-Custom-Attributes": "c=1"}
    )

    assert answer.json == "c=1"


def test_of_several_routes_the_operator_names_one(made: Any) -> None:
    for named in ("lengths", "/lengths"):
        client = made("sagemaker", SHOUT, LENGTHS, MODEL_SERVING_PLATFORM_ROUTE=named)

        assert client.post("/invocations", json={"texts": "abc"}).json == 3


@pytest.mark.parametrize(
    ("routes", "variables", "told"),
    [
        ([SHOUT, LENGTHS], {}, "name it by MODEL_SERVING_PLATFORM_ROUTE; there are: /shout, /lengths"),
        ([{**SHOUT, "methods": ["GET"]}], {}, "there are: none"),
        ([SHOUT], {"MODEL_SERVING_PLATFORM_ROUTE": "/other"}, "there are: /shout"),
    ],
)
def test_a_service_without_a_route_for_the_platform_does_not_start(
    made: Any, routes: list[dict[str, Any]], variables: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        made("sagemaker", *routes, **variables)


def test_an_unknown_platform_is_refused(made: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected one of runpod, sagemaker, vertex"):
        made("heroku")


def test_each_instance_of_vertex_is_a_call_with_the_parameters(made: Any) -> None:
    client = made("vertex")

    answer = client.post(
        "/predict", json={"instances": [{"text": "a"}, {"text": "b"}], "parameters": {"times": 2}}
    )

    assert answer.json == {"predictions": ["AA", "BB"]}
    assert client.get("/health").status_code == 200


def test_an_instance_that_is_no_object_is_the_only_field(made: Any) -> None:
    client = made("vertex", LENGTHS)

    assert client.post("/predict", json={"instances": ["a", "bb", "ccc"]}).json == {"predictions": [1, 2, 3]}
    assert client.post("/predict", json={"instances": []}).json == {"predictions": []}


def test_vertex_names_its_paths_by_variables(made: Any) -> None:
    client = made("vertex", AIP_PREDICT_ROUTE="/v1/models/m:predict", AIP_HEALTH_ROUTE="/v1/models/m")

    assert client.post("/v1/models/m:predict", json={"instances": [{"text": "a"}]}).json == {
        "predictions": ["A"]
    }
    assert client.get("/v1/models/m").status_code == 200


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "'instances' is a list of what is to be predicted for"),
        ({"instances": {"text": "a"}}, "'instances' is a list of what is to be predicted for"),
        (
            {"instances": [], "parameters": [1]},
            "'parameters' is an object, of fields that all instances have",
        ),
        ({"instances": [], "signature": 1}, "Unexpected 'signature': there are 'instances' and 'parameters'"),
        ({"instances": ["a"]}, "instances[0]: an object with the fields of a call is expected"),
        ({"instances": [{"text": "a"}, {"text": 1}]}, "instances[1]: text: Expected `str`, got `int`"),
        ({"instances": [{"text": "a"}, {"text": ""}]}, "instances[1]: There is no text"),
        ({"instances": [{"text": "a"}], "parameters": {"loud": 1}}, "instances[0]: Unexpected field 'loud'"),
    ],
)
def test_what_is_wrong_with_instances_is_said(made: Any, body: Any, told: str) -> None:
    answer = made("vertex").post("/predict", json=body)

    assert answer.status_code == 400
    assert answer.json["error"].startswith(told)


@pytest.mark.parametrize("path", ["predict", "/<name>"])
def test_a_path_of_vertex_that_is_none_stops_the_start(made: Any, path: str) -> None:
    with pytest.raises(ConfigurationError, match="AIP_PREDICT_ROUTE"):
        made("vertex", AIP_PREDICT_ROUTE=path)


def test_vertex_calls_no_stream(made: Any) -> None:
    with pytest.raises(ConfigurationError, match="a view, keeps jobs or streams"):
        made("vertex", {"endpoint": "/letters", "callable": letters})


def test_a_route_of_the_authors_own_goes_before(made: Any) -> None:
    client = made("sagemaker", {"endpoint": "/invocations", "callable": lengths}, SHOUT)

    assert client.post("/invocations", json={"texts": ["a", "b"]}).json == [1, 1]


def test_limits_and_keys_hold_for_the_platforms_path(made: Any) -> None:
    limited = {**SHOUT, "limit": "1/minute"}
    for platform, path, body in (
        ("sagemaker", "/invocations", {"text": "a"}),
        ("vertex", "/predict", {"instances": []}),
    ):
        client = made(platform, {**limited, "name": platform}, MODEL_SERVING_API_KEYS="ann:" + "k" * 20)
        key = {"X-API-Key": "k" * 20}

        assert client.post(path, json=body).status_code == 401
        assert [client.post(path, json=body, headers=key).status_code for _ in range(2)] == [200, 429]
