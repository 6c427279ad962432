"""A service whose answers and jobs are made in replicas, for callers with keys."""

import logging

from flask import Flask

from aylien_model_serving import current_caller
from aylien_model_serving.app_factory import FlaskAppWrapper


def whoami(text: str) -> dict[str, str]:
    logging.getLogger("model").warning("Asked for %s", text)
    return {"caller": current_caller()}


def same(text: str) -> dict[str, str]:
    return {"text": text}


def run_app() -> Flask:
    runner = {"replicas": 1}
    return FlaskAppWrapper.create_app(
        [
            {"endpoint": "/whoami", "callable": whoami, "runner": runner, "cache": True},
            {"endpoint": "/same", "callable": same, "runner": runner, "cache": True},
            {"endpoint": "/later", "callable": whoami, "name": "later", "runner": runner, "job": True},
        ]
    )
