"""A hosted model whose module starts Sentry at its import: in the web worker and in the replica."""

from __future__ import annotations

from flask import Flask

from aylien_model_serving.app_factory import FlaskAppWrapper
from tests.monitoring import sentry_apps

sentry_apps.init()


class Model:
    def __call__(self, text: str) -> dict[str, str]:
        if text == "fail":
            raise LookupError("no model")
        return {"text": text}


def create() -> Flask:
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/model", "callable": Model, "name": "model", "runner": {"replicas": 1}},
        ]
    )
