"""The search, with its models in the test's process: what it finds, and what it does without a match."""

from collections.abc import Iterator
from typing import Any

import pytest

from aylien_model_serving.testing import in_process
from examples.search.models import embed, rank


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    try:
        yield in_process("examples.search.app:run_app()").test_client()
    finally:
        for model in (embed, rank):
            model.run_instead(None)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("breast cancer diagnosis", "breast"),
        ("handwritten digits", "digits"),
        ("chemical analysis of wines", "wine"),
        ("median house prices in blocks", "house"),
    ],
)
def test_the_best_passage_is_about_the_query(client: Any, query: str, word: str) -> None:
    [best] = client.post("/search", json={"query": query, "top": 1}).json

    assert word in best["text"].lower()


def test_passages_come_with_the_best_first(client: Any) -> None:
    found = client.get("/search?query=iris+plants&top=3").json

    scores = [each["score"] for each in found]
    assert len(found) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_query_that_nothing_is_about_finds_what_is_nearest(client: Any) -> None:
    assert len(client.post("/search", json={"query": "zzzz"}).json) == 3
