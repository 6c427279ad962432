"""Whole bodies reach handlers alike through all adapters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aylien_model_serving.core.messages import Call
from aylien_model_serving.core.settings import Settings
from aylien_model_serving.dispatch.engine_call import EngineCall
from aylien_model_serving.process import lifecycle
from aylien_model_serving.replicas.replica import loader
from aylien_model_serving.rpc.spec import Spec
from aylien_model_serving.web.description import describe_app
from tests.contracts import bodies
from tests.contracts.adapters import ServiceByAdapter
from tests.contracts.comparison import assert_equal_responses
from tests.web.jobs import end_of, jobs


@pytest.fixture(scope="module")
def services() -> ServiceByAdapter:
    return ServiceByAdapter(bodies.service, {})


@pytest.mark.parametrize("name", bodies.CASES)
def test_all_adapters_respond_alike(name: str, services: ServiceByAdapter) -> None:
    assert_equal_responses(services, bodies.CASES[name])


def answer_to(name: str, services: ServiceByAdapter) -> object:
    return json.loads(services.send("flask", bodies.CASES[name].requests[-1]).body)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("an array", 3.0),
        ("an array under a form's type", [1, 2]),
        ("a number", 1.5),
        ("a null", None),
        ("an object for any value", {"a": 1}),
        ("a query for any value", {"a": "1"}),
        ("an array of a batch", 3.0),
        ("a text", "Ä"),
        ("a text with its charset", "Ä"),
        ("a field under a text's type", "A"),
        ("a text that is another object", '{"TEXT": "A", "B": 1}'),
        ("bytes", 2),
        ("bytes of another type", 2),
        ("a file", ["image/png", 48]),
        ("a file of no type", ["image/png", 48]),
    ],
)
def test_a_body_is_the_value_of_its_parameter(
    name: str, expected: object, services: ServiceByAdapter
) -> None:
    assert answer_to(name, services) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("an array with what does not fit", "body[1].petal: Expected `float`, got `str`"),
        ("an object for an array", "body: Expected `array`, got `object`"),
        ("an empty body for an array", "The body is empty: send JSON"),
        ("a text in an unknown charset", "Text in the charset 'utf-7' is not read here: send UTF-8"),
        ("a text that is not UTF-8", "The body is not UTF-8: unexpected end of data"),
        ("fields of body and query", "Unexpected field 'petal' in the query: the body has all of features"),
        ("a query beside an array", "Unexpected field 'scale' in the query: the body has all of rows"),
        ("no file", "Missing field 'file': expected are file"),
        (
            "a text for fields",
            "Bodies of type 'text/plain' are not understood here: send JSON with the fields petal, tags",
        ),
        (
            "bytes for a text",
            "Bodies of type 'image/png' are not understood here: send text/plain or JSON with the field text",
        ),
    ],
)
def test_a_refusal_says_what_is_taken(name: str, message: str, services: ServiceByAdapter) -> None:
    answer = answer_to(name, services)

    assert isinstance(answer, dict)
    assert answer["error"] == message


@pytest.mark.parametrize("name", [name for name in bodies.CASES if name.startswith("a structured")])
def test_a_structured_body_fills_its_parameter_in_every_form(name: str, services: ServiceByAdapter) -> None:
    expected = {"path": [7, 1.5], "batch": 1.5, "POST": bodies.IRIS}.get(name.rpartition(" ")[2], bodies.IRIS)

    assert answer_to(name, services) == expected


def test_a_replica_gets_a_body_as_a_worker_does() -> None:
    for handler, body, expected in (
        ("total", b'[{"petal": 1}]', {"rows": [bodies.Iris(1.0)]}),
        ("measure", b'{"petal": 1}', {"features": bodies.Iris(1.0)}),
    ):
        spec = Spec(name=handler, target=f"tests.contracts.bodies:{handler}")
        endpoint = loader.endpoint_of(spec, loader.build(spec, "cpu"), Settings(), Path())
        call = EngineCall(Call("POST", "/", "", {}, body, {}, "id"), endpoint, None)

        assert call.prepare() is None
        assert call.arguments == expected
        call.discard()


def test_a_job_gets_the_body_that_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    client = jobs(bodies.total)

    refused = client.post("/p", json=[{"petal": "1"}])
    job_id = client.post("/p", json=[bodies.IRIS]).json["job_id"]  # type: ignore[index]  # a job

    assert refused.status_code == 400
    assert end_of(client, job_id)["result"] == 1.5


def test_a_service_shows_what_its_bodies_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "is_inspecting", True)

    routes = describe_app(bodies.service())["routes"]

    fields = {route["name"]: route["fields"] for route in routes}
    assert fields["measure"] == ["petal: number", "tags?: [string]"]
    assert fields["total"] == ["body: [Iris]"]
    assert fields["give_back"] == ["body: any"]
