"""A service whose models read their weights from files, in the folder that WEIGHTS names.

`main` and its model `inner` are hosted, `plain` is not; REPLICAS says how many of `main` there are.
"""

import os
import time
from pathlib import Path
from typing import Any

from flask import Flask

from aylien_model_serving import Model
from aylien_model_serving.app_factory import FlaskAppWrapper


class Weights:
    """Tells which weights it has read, and in which process; no weights are an error."""

    def __init__(self) -> None:
        folder = Path(os.environ["WEIGHTS"])
        self.text = (folder / "weights").read_text()
        if self.text == "broken":
            raise ValueError("The weights are broken")
        while self.text == "gated" and not (folder / "gate").exists():
            time.sleep(0.01)

    def __call__(self) -> dict[str, Any]:
        return {"weights": self.text, "pid": os.getpid()}


class Inner(Weights):
    """The model that `/outer` calls."""


inner = Model(Inner, name="inner")


def outer() -> dict[str, Any]:
    found: dict[str, Any] = inner()
    return found


def plain() -> str:
    return "plain"


def keeping() -> Flask:
    """Return a service whose calls are jobs."""
    return FlaskAppWrapper.create_app(
        [{"endpoint": "/rate", "name": "rate", "callable": Weights, "job": True}]
    )


def reloaded() -> Flask:
    """Return the service."""
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/model",
                "name": "rate",
                "callable": Weights,
                "runner": {"replicas": int(os.environ.get("REPLICAS", "1"))},
            },
            {"endpoint": "/outer", "callable": outer},
            {"endpoint": "/plain", "callable": plain},
        ]
    )
