"""The example service, started with Gunicorn, with requests of real text."""

from collections.abc import Iterator

import httpx
import pytest

from tests.services.serving import serve

ARTICLES = {
    "en": "The council will vote on the new budget next week.",
    "de": "Der Stadtrat stimmt nächste Woche über den neuen Haushalt ab.",
    "fr": "Le conseil municipal votera le nouveau budget la semaine prochaine.",
    "es": "El ayuntamiento votará el nuevo presupuesto la próxima semana.",
    "ru": "На следующей неделе городской совет проголосует за новый бюджет.",
    "zh": "市议会将于下周对新预算进行表决。",
    "ja": "来週、市議会は新しい予算について採決します。",
}


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        serve("examples.example_serving_handler:run_app()", worker_class="gevent") as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield client


@pytest.mark.parametrize("language", ARTICLES)
def test_the_language_of_an_article_is_detected(client: httpx.Client, language: str) -> None:
    answer = client.post("/", json={"id": "a1", "title": "", "body": ARTICLES[language]})

    assert answer.status_code == 200
    assert answer.json()["language"] == language
    assert 0.5 < answer.json()["confidence"] <= 1


def test_a_response_has_the_fields_of_the_schema_and_no_error(client: httpx.Client) -> None:
    answer = client.post("/", json={"title": "Guten Morgen", "body": ARTICLES["de"]})

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"]
    assert answer.json().keys() == {"version", "language", "confidence"}
    assert answer.json()["version"] == "0.0.1"


def test_a_title_alone_is_enough(client: httpx.Client) -> None:
    answer = client.post("/", json={"title": ARTICLES["fr"]})

    assert answer.json()["language"] == "fr"


def test_the_body_is_taken_from_the_enrichments_where_the_article_has_none(client: httpx.Client) -> None:
    enrichments = {"extracted": {"value": {"body": ARTICLES["es"]}}}

    answer = client.post("/", json={"title": None, "enrichments": enrichments})

    assert answer.json()["language"] == "es"


@pytest.mark.parametrize(
    "article",
    [
        {},
        {"id": "a1"},
        {"title": "", "body": " "},
        {"enrichments": {}},
        {"enrichments": {"extracted": None}},
        {"enrichments": {"extracted": {"value": {}}}},
    ],
)
def test_an_article_without_text_is_refused(client: httpx.Client, article: dict[str, object]) -> None:
    answer = client.post("/", json=article)

    assert answer.status_code == 400
    assert answer.json()["error"] == "Missing text"
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_a_field_that_is_not_in_the_schema_is_refused_with_the_parsers_message(client: httpx.Client) -> None:
    answer = client.post("/", json={"body": ARTICLES["en"], "language": "en"})

    assert answer.status_code == 400
    assert 'Message type "app.Request" has no field named "language"' in answer.json()["error"]


def test_a_field_of_the_wrong_type_is_refused(client: httpx.Client) -> None:
    answer = client.post("/", json={"body": 7})

    assert answer.status_code == 400
    assert "body" in answer.json()["error"]


def test_the_operators_endpoints_respond(client: httpx.Client) -> None:
    client.post("/", json={"body": ARTICLES["en"]})

    assert client.get("/__ping").text == "Success"
    assert client.get("/readyz").status_code == 200
    assert client.get("/livez").status_code == 200
    assert "flask_http_request_duration_seconds_count" in client.get("/__metrics").text
