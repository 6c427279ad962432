"""The handler object that holds its model, started with Gunicorn."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.services.serving import serve

GERMAN = "Der Stadtrat stimmt nächste Woche über den neuen Haushalt ab."
CHINESE = "市议会将于下周对新预算进行表决。"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with (
        serve("examples.classify_handler:run_app()") as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield client


@pytest.mark.parametrize(("text", "language"), [(GERMAN, "de"), (CHINESE, "zh")])
def test_a_text_is_classified(client: httpx.Client, text: str, language: str) -> None:
    answer = client.post("/classify", json={"text": text})

    assert answer.status_code == 200
    assert answer.json()["language"] == language
    assert 0.5 < answer.json()["probability"] <= 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_path_sets_how_many_languages_are_ranked(client: httpx.Client, method: str) -> None:
    fields = {"text": GERMAN}

    arguments: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
    answer = client.request(method, "/classify/3", **arguments)

    assert answer.status_code == 200
    assert answer.json()[0]["language"] == "de"
    probabilities = [entry["probability"] for entry in answer.json()]
    assert len(probabilities) == 3
    assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.parametrize("count", ["0", "many", "-1"])
def test_an_invalid_count_in_the_path_is_a_404(client: httpx.Client, count: str) -> None:
    answer = client.post(f"/classify/{count}", json={"text": GERMAN})

    assert answer.status_code == 404
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("fields", "named"),
    [({}, "text"), ({"text": GERMAN, "language": "de"}, "language"), ({"text": 7}, "text")],
)
def test_a_missing_unexpected_or_wrong_field_is_named(
    client: httpx.Client, fields: dict[str, object], named: str
) -> None:
    answer = client.post("/classify", json=fields)

    assert answer.status_code == 400
    assert named in answer.json()["error"]
