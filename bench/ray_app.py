"""The service of `bench.ray_serve`: a handler of batches, in a replica of this machine and in one on Ray."""

from __future__ import annotations

from typing import Any

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper


class Lengths:
    """A model that costs nothing, so that the way to it is measured."""

    def __call__(self, text: list[str]) -> list[dict[str, Any]]:
        return [{"length": len(one)} for one in text]


def app() -> Flask:
    """Return the service."""
    common = {"callable": Lengths, "batch": {"max_size": 32}}
    ray = {"engine": "ray", "num_cpus": 0.5, "target_ongoing": 64}
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/local", "name": "local", "runner": True, **common},
            {"endpoint": "/ray", "name": "ray", "runner": ray, **common},
        ]
    )
