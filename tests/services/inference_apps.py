"""A service whose routes are models of the Open Inference Protocol, of each kind that its clients meet."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from aylien_model_serving.app_factory import FlaskAppWrapper


class Label(TypedDict):
    label: str
    score: float


def classify(text: str, top: int = 1) -> Label:
    return {"label": text.upper(), "score": 0.5 * top}


def embed(texts: list[str]) -> list[list[float]]:
    return [[float(len(text)), 1.0] for text in texts]


def scale(x: NDArray[np.float32], by: float = 2.0) -> NDArray[np.float32]:
    return x * np.float32(by)


def describe(options: dict[str, Any]) -> dict[str, Any]:
    return {"names": sorted(options), "count": len(options)}


ROUTES = [
    {"endpoint": "/classify", "callable": classify, "cache": True},
    {"endpoint": "/embed", "callable": embed, "batch": {"max_size": 8}, "runner": True},
    {"endpoint": "/scale", "callable": scale, "runner": True},
    {"endpoint": "/describe", "callable": describe},
]

app = FlaskAppWrapper.create_app(ROUTES)
