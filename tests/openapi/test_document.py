"""The OpenAPI document of a service describes its routes."""

from typing import Any

import pytest

import examples.example_schema_pb2 as example_schema
from aylien_model_serving.app_factory import FlaskAppWrapper
from tests.openapi.documents import (
    Order,
    Receipt,
    anything,
    described,
    document,
    many,
    measure,
    operation,
    order,
    references,
    spell,
)


def test_the_docstring_describes_the_route() -> None:
    shown = operation(callable=measure)

    assert (shown["operationId"], shown["summary"]) == ("measure", "Measure boxes.")
    assert shown["description"] == "Measure boxes.\n\nAll of them."


def test_a_summary_is_not_repeated_in_the_description() -> None:
    def handler(text: str) -> str:
        """Answer."""
        return text

    shown = operation(callable=handler)

    assert shown["summary"] == "Answer."
    assert "description" not in shown


def test_each_method_of_a_path_has_an_id_of_its_own() -> None:
    [path] = document(described(callable=spell, methods=["GET", "POST"], name="a b:/c"))["paths"].values()

    assert [shown["operationId"] for shown in path.values()] == ["a_b_c_get", "a_b_c_post"]


def test_names_that_differ_in_odd_letters_alone_have_ids_of_their_own() -> None:
    routes = [described(callable=spell, endpoint=f"/{name}", name=name) for name in ("a b", "a:b", "größe")]

    found = document(*routes)

    assert [path["post"]["operationId"] for path in found["paths"].values()] == ["a_b", "a_b_2", "gr_e"]


def test_routes_of_jobs_have_a_tag_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SERVING_JOBS_URL", "memory://")
    app = FlaskAppWrapper.create_app([{"endpoint": "/spell", "callable": spell, "job": True}])

    found = app.test_client().get("/openapi.json").json

    assert [tag["name"] for tag in found["tags"]] == ["service", "jobs"]
    assert found["paths"]["/spell"]["post"]["tags"] == ["service"]
    assert found["paths"]["/status/{job_id}"]["get"]["tags"] == ["jobs"]


def test_a_timeout_is_shown_in_seconds() -> None:
    assert operation(callable=spell, timeout=3)["x-timeout"] == 3.0


def test_keys_are_required_where_there_are_any() -> None:
    found = document(described(callable=spell), with_keys=True)

    assert found["security"] == [{"bearer": []}, {"key": []}]
    assert found["components"]["securitySchemes"].keys() == {"bearer", "key"}
    assert {"401", "403"} <= found["paths"]["/"]["post"]["responses"].keys()
    assert "security" not in document(described(callable=spell))


def test_every_reference_leads_somewhere() -> None:
    found = document(
        described(callable=measure, endpoint="/a", cache=True),
        described(callable=spell, endpoint="/b", job=True),
        described(callable=order, endpoint="/c", schema=(Order, Receipt)),
        described(callable=anything, endpoint="/d", schema=example_schema),
        described(callable=many, endpoint="/e", name="größe"),
    )

    for name in references(found):
        place: Any = found
        for part in name.removeprefix("#/").split("/"):
            place = place[part]
        assert place


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MODEL_SERVING_API_KEYS", "secret")
    monkeypatch.setenv("MODEL_SERVING_SERVICE_NAME", "boxes")
    return FlaskAppWrapper.create_app([{"endpoint": "/spell", "callable": spell}])


KEY = {"X-API-Key": "secret"}


def test_the_document_is_served_with_a_key(app: Any) -> None:
    answered = app.test_client().get("/openapi.json", headers=KEY)

    assert app.test_client().get("/openapi.json").status_code == 401
    assert answered.status_code == 200
    assert answered.json["info"]["title"] == "boxes"
    assert answered.json["paths"].keys() == {"/spell"}


def test_the_document_says_below_which_path_it_is_served(app: Any) -> None:
    answered = app.test_client().get("/openapi.json", headers=KEY, environ_overrides={"SCRIPT_NAME": "/v2"})

    assert answered.json["servers"] == [{"url": "/v2"}]
