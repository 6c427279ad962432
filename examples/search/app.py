r"""A search: embed the query, take the nearest passages, rank them again.

make COMMAND_UNCACHED='examples.search.app:run_app()' example-service
curl localhost:8000/search -d '{"query": "breast cancer diagnosis", "top": 1}'
"""

from functools import cached_property
from typing import Any

import numpy as np
from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from examples.search.models import embed, passages, rank

#: Passages that are ranked again, of all the nearest.
_NEAREST = 10


class Search:
    """Finds passages; it runs in the web worker, and its models in replicas that all workers share."""

    def __init__(self) -> None:
        self.passages = passages()

    @cached_property
    def vectors(self) -> np.ndarray:
        """The vectors of the passages, made at the first search."""
        return np.stack(embed.map(text=self.passages))

    def __call__(self, query: str, top: int = 3) -> list[dict[str, Any]]:
        """Return the passages that answer a query best, with their scores."""
        nearest = np.argsort(self.vectors @ embed(text=query))[::-1][:_NEAREST]
        texts = [self.passages[index] for index in nearest]
        scores = rank(query=query, texts=texts)
        best = sorted(zip(scores, texts, strict=True), reverse=True)[:top]
        return [{"score": round(score, 4), "text": text} for score, text in best]


def run_app() -> Flask:
    """Return the app that the server serves."""
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/search", "callable": Search, "methods": ["GET", "POST"]}]
    )
