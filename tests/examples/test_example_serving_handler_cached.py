"""The example service that caches, started with Gunicorn, with equal requests."""

from collections.abc import Iterator

import httpx
import pytest

from tests.services.serving import serve

GERMAN = "Der Stadtrat stimmt nächste Woche über den neuen Haushalt ab."


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    # One worker: the cache is in a worker's memory, and the second request has to find the first's response.
    with (
        serve("examples.example_serving_handler_cached:run_app()", workers=1) as service,
        httpx.Client(base_url=service.url) as client,
    ):
        yield client


def test_the_second_of_two_equal_requests_is_a_cache_hit(client: httpx.Client) -> None:
    first = client.post("/", json={"title": "Guten Morgen", "body": GERMAN})
    second = client.post("/", content=f'{{ "body":"{GERMAN}", "title":"Guten Morgen" }}'.encode())

    assert [first.headers["x-cache"], second.headers["x-cache"]] == ["miss", "hit"]
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["language"] == "de"


def test_another_text_is_a_cache_miss(client: httpx.Client) -> None:
    client.post("/", json={"body": GERMAN})

    answer = client.post("/", json={"body": "Le conseil municipal votera le budget la semaine prochaine."})

    assert answer.headers["x-cache"] == "miss"
    assert answer.json()["language"] == "fr"


def test_an_error_is_not_cached(client: httpx.Client) -> None:
    answers = [client.post("/", json={"id": "a1"}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert [answer.json()["error"] for answer in answers] == ["Missing text", "Missing text"]
    assert [answer.headers.get("x-cache") for answer in answers] != ["miss", "hit"]
